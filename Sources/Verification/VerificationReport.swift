package import ChangeModel

/// A row that is not the same on both sides.
package struct RowDifference: Hashable, Sendable {
  package enum Kind: String, Hashable, Sendable {
    case missing, extra, different
    /// It changed at every look, so nothing can be said about it.
    case unsettled
  }

  package struct KeyPart: Hashable, Sendable {
    package var name: String
    package var text: String
    var isNumber: Bool
  }

  /// How often a row of a table without a key is there.
  package struct Copies: Hashable, Sendable {
    package var source: Int
    package var target: Int
    /// Stands for the row's values, which are not shown.
    package var digest: [UInt8]
  }

  package var kind: Kind
  /// Empty for a table without a key.
  package var key: [KeyPart]
  /// The target's names of the columns that differ; empty unless both sides have the row.
  package var columns: [String] = []
  package var copies: Copies?

  /// Ascending by key, numbers as numbers.
  static func isOrdered(_ a: RowDifference, before b: RowDifference) -> Bool {
    for (x, y) in zip(a.key, b.key) where x.text != y.text {
      if x.isNumber, let first = Double(x.text), let second = Double(y.text), first != second { return first < second }
      return x.text < y.text
    }
    return false
  }
}

/// What a comparison of both sides has found.
package struct VerificationReport: Sendable {
  package struct Table: Sendable {
    package var source: TableName
    package var target: TableName
    package var sourceRows = 0
    package var targetRows = 0
    /// Bytes read from both sides.
    package var bytes = 0
    package var elapsed = Duration.zero
    package var differences: [RowDifference] = []
    /// Rows that differed at the first look and were too many to look at again.
    package var overlooked = 0

    package var differing: Int { differences.count + overlooked }
  }

  package var tables: [Table]
  package var elapsed: Duration
  /// Why rows that differed could not be looked at after the pipeline had passed; `nil` if they could, or none did.
  package var standstill: String?

  package var differing: Int { tables.reduce(0) { $0 + $1.differing } }
  package var isEqual: Bool { differing == 0 }
}
