/// Whose rules the target's statements obey.
package enum SinkDialect: String, Hashable, Sendable, CaseIterable {
  /// Amazon Aurora DSQL.
  case dsql
  /// Plain PostgreSQL, without DSQL's limits.
  case postgres
}
