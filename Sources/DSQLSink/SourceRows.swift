package import Apply
package import ChangeModel

/// Reads whole rows from the source as they are now, for changes that carry only a part of a row that the target
/// does not have.
package protocol SourceRows: Sendable {
  /// - Parameters:
  ///   - keys: for each row the key columns as they travel, in `TablePlan.keyColumns` order.
  /// - Returns: for each key the row as a `WireRow` in the plan's wire format, or `nil` when it is gone.
  func fetch(_ plan: TablePlan, keys: [[UInt8]]) throws(Failure) -> [[UInt8]?]
}
