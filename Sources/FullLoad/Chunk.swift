package import ChangeModel

/// A part of one heap that is loaded as a unit.
package struct Chunk: Hashable, Sendable {
  package enum Kind: String, Hashable, Sendable {
    /// A range of the key, bounds as SQL row expressions.
    case key
    /// A range of heap pages, bounds as page numbers.
    case ctid
    /// The whole heap.
    case all
  }

  /// Index of the table in the plan.
  package var table: Int
  /// The number in its table, from 0.
  package var number: Int
  package var heap: TableName
  package var kind: Kind
  /// Included; `nil` is open.
  package var lower: String?
  /// Not included; `nil` is open, so that rows beyond what was there at planning belong to the last chunk.
  package var upper: String?
  package var bytesEstimate: UInt64

  package init(
    table: Int, number: Int, heap: TableName, kind: Kind, lower: String? = nil, upper: String? = nil,
    bytesEstimate: UInt64
  ) {
    self.table = table
    self.number = number
    self.heap = heap
    self.kind = kind
    self.lower = lower
    self.upper = upper
    self.bytesEstimate = bytesEstimate
  }

  /// The WHERE clause that selects the chunk's rows, with a leading blank; empty for all of them.
  ///
  /// - Parameter key: the key's columns as a quoted list.
  package func condition(key: String) -> String {
    var parts: [String] = []
    switch kind {
    case .all: break
    case .key:
      if let lower { parts.append("(\(key)) >= \(lower)") }
      if let upper { parts.append("(\(key)) < \(upper)") }
    case .ctid:
      if let lower { parts.append("ctid >= '(\(lower),0)'::tid") }
      if let upper { parts.append("ctid < '(\(upper),0)'::tid") }
    }
    return parts.isEmpty ? "" : " WHERE " + parts.joined(separator: " AND ")
  }
}
