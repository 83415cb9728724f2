internal import ChangeModel
internal import Runtime
internal import Synchronization

/// How far a comparison is: written by its workers, read by whoever shows it.
package final class VerificationProgress: Sendable {
  package struct State: Sendable {
    package var rangesTotal = 0
    package var rangesDone = 0
    /// Rows of the source compared so far.
    package var rows = 0
    package var bytes = 0
    /// Rows that differed at the first look.
    package var suspects = 0
    /// The rows that are being looked at again, once all were looked at.
    package var lookingAgain: Int?
    package var startedAt = Duration.zero
  }

  private let current = Mutex(State())

  package init() {}

  package var state: State { current.withLock { $0 } }

  func update(_ change: (inout sending State) -> Void) { current.withLock { change(&$0) } }
}
