/// A table, as its source describes it.
public struct Table: Hashable, Sendable {
  public var schema: String
  public var name: String
  public var columns: [Column]
  /// Names of the columns that tell its rows apart, in the order of the key; at least one.
  public var key: [String]

  public init(schema: String = "public", name: String, columns: [Column], key: [String]) {
    self.schema = schema
    self.name = name
    self.columns = columns
    self.key = key
  }
}

/// One column of a table.
public struct Column: Hashable, Sendable {
  public var name: String
  /// PostgreSQL's name of the type, with its modifier if it has one: `integer`, `text`, `numeric(12,2)`.
  public var type: String
  public var isNotNull: Bool

  public init(_ name: String, _ type: String, isNotNull: Bool = false) {
    self.name = name
    self.type = type
    self.isNotNull = isNotNull
  }
}

/// One change of one row.
public struct RowChange: Hashable, Sendable {
  public enum Operation: String, Hashable, Sendable {
    /// The row is there now with these values, whether it was there before or not.
    case upsert
    /// The row with this key is gone; of the values only the key's count.
    case delete
    /// All rows of the table are gone; there are no values. Only sinks get it.
    case truncate
  }

  /// Index in the list of tables.
  public var table: Int
  public var operation: Operation
  /// One for each column of the table, in PostgreSQL's text form; `nil` is NULL.
  public var values: [String?]
  /// Indexes of columns that are as they were, and whose values the source did not send. Only sinks get any: PostgreSQL
  /// leaves out large values that an update does not change.
  public var unchanged: [Int] = []

  public init(_ operation: Operation, table: Int, values: [String?]) {
    self.operation = operation
    self.table = table
    self.values = values
  }
}

/// The changes that one transaction of a source has made, in order.
public struct Transaction: Hashable, Sendable {
  /// Where it ends in the source: from 1 to `UInt64.max - 1`, and greater than that of the transaction before.
  public var position: UInt64
  public var changes: [RowChange]
  /// Whether these are all its changes, or the last part of them. A sink gets a transaction of many megabytes, or one with a
  /// TRUNCATE, in parts of the same position; it has the transaction only with the last, which is whole or followed by
  /// another position, and may hold no changes. A source gives whole ones.
  public var isWhole: Bool

  public init(position: UInt64, changes: [RowChange], isWhole: Bool = true) {
    self.position = position
    self.changes = changes
    self.isWhole = isWhole
  }
}
