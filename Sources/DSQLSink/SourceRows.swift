package import Apply
package import ChangeModel

/// Reads whole rows from the source as they are now, for changes that carry only a part of a row that the target
/// does not have.
package protocol SourceRows: Sendable {
  /// Appends the rows that have these keys, each as a `WireRow` in the plan's wire format; rows that are gone are left
  /// out.
  ///
  /// - Parameters:
  ///   - transactions: ids without epoch that the rows must show. The stream brings a transaction before other sessions
  ///     of the source can see it: what is read in between is the row as it was, or none.
  ///   - keys: for each row the key columns as they travel, in `TablePlan.keyColumns` order.
  ///   - placed: told after each row the index of its key and where it is in `bytes`; false wants no more rows.
  /// - Throws: with some rows appended, perhaps.
  func fetch(
    _ plan: TablePlan, after transactions: [UInt32], keys: [[UInt8]], into bytes: inout ByteBuffer,
    _ placed: (Int, Range<Int>) -> Bool
  ) throws(Failure)

  /// Where the source's log ends: no row that was read before shows a later change.
  func endOfLog() throws(Failure) -> LSN

  /// Closes a session that has not been asked for a while.
  func closeIfIdle()
}
