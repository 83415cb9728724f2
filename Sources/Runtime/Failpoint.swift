#if DEBUG
  internal import Glibc
  internal import Synchronization
#endif

/// A step of the work at which a test can end or stop the process, to show that nothing is lost there.
///
/// A debug build obeys two variables of the environment, each `NAME` or `NAME:N` for the N-th time that the step is
/// reached: `PENSTOCK_CRASH_AT` kills the process as `kill -9` does, `PENSTOCK_PAUSE_AT` stops it as SIGSTOP does, once.
/// A release build has none of it.
package enum Failpoint: String, CaseIterable, Sendable {
  case stateRowWritten = "start.after-state-row"
  case claimed = "start.after-claim"
  case targetTablesMade = "start.after-target-tables"
  case publicationMade = "start.after-publication"

  case chunksWritten = "load.after-ledger-write"
  case slotDropped = "load.after-slot-drop"
  case slotMade = "load.after-slot-creation"
  case slotRemembered = "load.after-slot-state"
  case copySent = "load.before-copy-mark"
  case copyMarked = "load.before-copy-commit"
  case copyCommitted = "load.after-copy-commit"
  case insertDeparts = "load.before-insert-flight"
  case insertDeparted = "load.during-insert-flight"
  case insertCommitted = "load.after-insert-commit"
  case chunkDone = "load.between-chunks"
  case keylessEmptied = "load.after-keyless-emptied"
  case rowsLoaded = "load.after-last-chunk"
  case indexBuilt = "load.after-index"
  case indexesBuilt = "load.after-indexes"
  case phaseWritten = "load.after-phase"

  case lanesWritten = "stream.after-lanes"
  case batchDeparts = "stream.before-lane-commit"
  case batchSent = "stream.during-lane-commit"
  case batchCommitted = "stream.after-lane-commit"
  case positionReported = "stream.after-report"
  case bagsRemoved = "stream.between-bag-flights"
  case rowsRefetched = "stream.after-refetch"
  case serialBegun = "stream.serial-begun"
  case serialStep = "stream.serial-step"
  case serialCommitted = "stream.after-serial-commit"
  case truncateBegun = "stream.before-truncate"
  case truncated = "stream.after-truncate"
  case caughtUp = "stream.after-high-mark"
  case draining = "stream.draining"

  /// Every step there is, for a test that forgets none.
  package static var all: [Failpoint] { allCases }

  /// Ends or stops the process here if the environment says so.
  @inline(__always)
  package static func reach(_ point: Failpoint) {
    #if DEBUG
      point.reached()
    #endif
  }

  #if DEBUG
    /// What the environment asks for.
    private struct Order: Sendable {
      let point: Failpoint
      let signal: Int32
      let count: Int

      init?(_ variable: String, signal: Int32) {
        guard let value = unsafe getenv(variable) else { return nil }
        let parts = unsafe String(cString: value).split(separator: ":")
        guard let name = parts.first, let point = Failpoint(rawValue: String(name)) else {
          Log(level: .error).error("\(variable) names no failpoint")
          _exit(2)
        }
        self.point = point
        self.signal = signal
        count = parts.count > 1 ? Int(parts[1]) ?? 1 : 1
      }
    }

    private static let orders = [
      Order("PENSTOCK_CRASH_AT", signal: SIGKILL), Order("PENSTOCK_PAUSE_AT", signal: SIGSTOP),
    ].compactMap(\.self)
    private static let reachedCount = Mutex<[Failpoint: Int]>([:])

    private func reached() {
      guard !Failpoint.orders.isEmpty else { return }
      let count = Failpoint.reachedCount.withLock { counts in
        counts[self, default: 0] += 1
        return counts[self] ?? 0
      }
      for order in Failpoint.orders where order.point == self && order.count == count { kill(getpid(), order.signal) }
    }
  #endif
}
