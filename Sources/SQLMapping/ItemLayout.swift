/// Which columns the items of a table without a schema become, as its user wants it.
package struct ItemLayout: Hashable, Sendable {
  /// How a number in a column for times counts.
  package enum Epoch: String, Hashable, Sendable, CaseIterable {
    /// Seconds since 1970, possibly with a fraction.
    case seconds = "epoch"
    case milliseconds = "epoch-ms"
  }

  /// A column that the user asks for.
  package struct Column: Hashable, Sendable {
    package var path: AttributePath
    package var name: String
    package var type: DeclaredType
    /// Only of `timestamptz` and `timestamp`.
    package var epoch: Epoch?

    package init(path: AttributePath, name: String? = nil, type: DeclaredType, epoch: Epoch? = nil) {
      self.path = path
      self.name = name ?? path.columnName
      self.type = type
      self.epoch = epoch
    }
  }

  package var columns: [Column]
  /// Whether attributes that are in many items get columns of their own.
  package var infers: Bool
  /// The `jsonb` column for the whole item.
  package var documentColumn: String?
  /// The `jsonb` column for attributes without a column of their own.
  package var overflowColumn: String?

  package static let defaultOverflowColumn = "other_attributes"

  /// Columns that every table of PostgreSQL has, so that no other can be called like them.
  package static let systemColumns: Set<String> = ["tableoid", "xmin", "cmin", "xmax", "cmax", "ctid"]

  /// What holds where nothing is said: inferred columns, and all else in one more.
  package init(
    columns: [Column] = [], infers: Bool = true, documentColumn: String? = nil,
    overflowColumn: String? = Self.defaultOverflowColumn
  ) {
    self.columns = columns
    self.infers = infers
    self.documentColumn = documentColumn
    self.overflowColumn = overflowColumn
  }
}
