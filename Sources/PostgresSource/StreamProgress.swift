package import ChangeModel
internal import Synchronization

/// How far a stream has come: written by its thread, read by whoever reports.
package final class StreamProgress: Sendable {
  private let changesCount = Atomic<Int>(0)
  private let transactionCount = Atomic<Int>(0)
  private let confirmedLSN = Atomic<UInt64>(0)
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

  /// Everything before it is committed in the target, and the source was told so.
  package var confirmed: LSN {
    get { LSN(confirmedLSN.load(ordering: .relaxed)) }
    set { confirmedLSN.store(newValue.rawValue, ordering: .relaxed) }
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
