package import ChangeModel
internal import Synchronization

/// How far a stream has come: written by its thread, read by whoever reports.
package final class StreamProgress: Sendable {
  private let changesCount = Atomic<Int>(0)
  private let transactionCount = Atomic<Int>(0)
  private let committedLSN = Atomic<UInt64>(0)
  private let reportLimitLSN = Atomic<UInt64>(0)
  private let serverLSN = Atomic<UInt64>(0)
  private let lastCommitTime = Atomic<Int64>(0)

  package init() {}

  /// Row changes read, those of an earlier run that come again included.
  package var changes: Int {
    get { changesCount.load(ordering: .relaxed) }
    set { changesCount.store(newValue, ordering: .relaxed) }
  }

  package var transactions: Int {
    get { transactionCount.load(ordering: .relaxed) }
    set { transactionCount.store(newValue, ordering: .relaxed) }
  }

  /// Everything before it is committed in the target.
  package var committed: LSN {
    get { LSN(committedLSN.load(ordering: .relaxed)) }
    set { committedLSN.store(newValue.rawValue, ordering: .relaxed) }
  }

  /// The source is told no position above it: the target remembers it first, so that a slot which stands beyond it at a
  /// later start was moved by somebody else.
  package var reportLimit: LSN {
    get { LSN(reportLimitLSN.load(ordering: .relaxed)) }
    set { reportLimitLSN.store(newValue.rawValue, ordering: .relaxed) }
  }

  /// The end of the source's log when it was last asked.
  package var serverEnd: LSN {
    get { LSN(serverLSN.load(ordering: .relaxed)) }
    set { serverLSN.store(newValue.rawValue, ordering: .relaxed) }
  }

  /// When the last transaction read was committed at the source: microseconds since 2000-01-01 UTC.
  package var commitTime: Int64 {
    get { lastCommitTime.load(ordering: .relaxed) }
    set { lastCommitTime.store(newValue, ordering: .relaxed) }
  }
}
