/// A column of the rows that a transform reads.
package struct TransformInput: Hashable, Sendable {
  package var name: String
  /// The type's name in `pg_type`, such as `int4`; it decides how SQL sees the value. What is unknown is text.
  package var typeName: String

  package init(name: String, typeName: String) {
    self.name = name
    self.typeName = typeName
  }
}

/// What becomes of a table's rows before they are written: SQL over their columns.
package struct TransformDescription: Hashable, Sendable {
  /// The columns of a row, in the order in which their values come.
  package var inputs: [TransformInput]
  /// A result list, such as `id, lower(email) AS email`; `*` is every column.
  package var projection: String
  /// Rows of which it is not true are left out; `nil` keeps all.
  package var filter: String?
  /// PostgreSQL types of computed columns, by name. The others are `text`.
  package var types: [String: String]
  /// Names of the columns that are the target's key; empty for those that stand for the source's.
  package var key: [String]
  /// Where it is written, for messages: `pipeline.yaml:12`.
  package var place: String

  package init(
    inputs: [TransformInput], projection: String = "*", filter: String? = nil, types: [String: String] = [:],
    key: [String] = [], place: String = ""
  ) {
    self.key = key
    self.inputs = inputs
    self.projection = projection
    self.filter = filter
    self.types = types
    self.place = place
  }
}

/// A column of the rows that a transform makes.
package struct TransformOutput: Hashable, Sendable {
  package var name: String
  /// The input that it is, byte for byte, with that column's own type; `nil` for a computed column.
  package var input: Int?
  /// A computed column's type.
  package var type: OutputType
  /// Indexes of the inputs that it depends on.
  package var reads: Set<Int>
  /// Its part of the projection, which computes this column and no other; empty for an input.
  package var expression: String

  package init(name: String, input: Int?, type: OutputType, reads: Set<Int>, expression: String) {
    self.name = name
    self.input = input
    self.type = type
    self.reads = reads
    self.expression = expression
  }
}

/// A transform whose expressions SQLite has read: what it makes, and of what.
package struct CheckedTransform: Hashable, Sendable {
  package let description: TransformDescription
  package let outputs: [TransformOutput]
  /// Indexes of the inputs that the filter depends on.
  package let filterReads: Set<Int>

  package init(description: TransformDescription, outputs: [TransformOutput], filterReads: Set<Int>) {
    self.description = description
    self.outputs = outputs
    self.filterReads = filterReads
  }

  /// The same with some of its outputs, for every row: what names a row can be computed from less than the row.
  package func limited(to indexes: [Int]) -> CheckedTransform {
    var description = description
    description.filter = nil
    return CheckedTransform(description: description, outputs: indexes.map { outputs[$0] }, filterReads: [])
  }
}
