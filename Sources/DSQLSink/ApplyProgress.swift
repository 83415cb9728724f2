internal import Synchronization

/// What the lanes have done so far: written by their threads, read by whoever reports.
package final class ApplyProgress: Sendable {
  private let changeCount = Atomic<Int>(0)
  private let rowCount = Atomic<Int>(0)
  private let transactionCount = Atomic<Int>(0)
  private let conflictCount = Atomic<Int>(0)
  private let serialCount = Atomic<Int>(0)
  /// Of rows of merged tables.
  package let collisions = Collisions()

  package init() {}

  package func count(changes: Int, rows: Int) {
    changeCount.add(changes, ordering: .relaxed)
    rowCount.add(rows, ordering: .relaxed)
    transactionCount.add(1, ordering: .relaxed)
  }

  func countConflict() { conflictCount.add(1, ordering: .relaxed) }
  func countSerialReplay() { serialCount.add(1, ordering: .relaxed) }

  /// Changes committed, before folding.
  package var changes: Int { changeCount.load(ordering: .relaxed) }
  /// Rows written for them.
  package var rows: Int { rowCount.load(ordering: .relaxed) }
  package var transactions: Int { transactionCount.load(ordering: .relaxed) }
  /// Transactions that lost against another one and were written again.
  package var conflicts: Int { conflictCount.load(ordering: .relaxed) }
  /// Times that all lanes stood still so that a unique value could move.
  package var serialReplays: Int { serialCount.load(ordering: .relaxed) }
}
