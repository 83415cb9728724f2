/// What becomes of a row whose key a row of another source table has in the target.
package enum CollisionPolicy: String, Hashable, Sendable, CaseIterable {
  /// The pipeline stops.
  case fail
  /// The row takes the other one's place.
  case lastWriter = "last-writer"
  /// The row is left out for as long as the other one is there.
  case keepFirst = "keep-first"
}

/// Where the rows of a source table go, and what they find there.
package struct TableRoute: Hashable, Sendable {
  /// How rows of several source tables live in one table.
  package struct Merging: Hashable, Sendable {
    package var policy: CollisionPolicy
    /// The name of the column that says which source row a row is.
    package var originColumn: String
    /// Whether the rule is for several tables, so that the column is there even while only one exists.
    package var isForMany: Bool

    package init(policy: CollisionPolicy = .fail, originColumn: String = "origin", isForMany: Bool = false) {
      self.policy = policy
      self.originColumn = originColumn
      self.isForMany = isForMany
    }
  }

  package var target: TableName
  /// `nil` when no rule speaks of the table, which then shares its target with none.
  package var merging: Merging?
  /// Secondary indexes beside the source's: the target's columns, in index order.
  package var indexes: [[String]]

  package init(_ target: TableName, merging: Merging? = nil, indexes: [[String]] = []) {
    self.target = target
    self.merging = merging
    self.indexes = indexes
  }
}
