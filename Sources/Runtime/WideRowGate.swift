internal import Synchronization

/// Lets one worker at a time handle very large rows, whose copies in the source's and the sink's session are the
/// process's largest piece of memory.
package final class WideRowGate: Sendable {
  private let taken = Atomic(false)
  private let freed = Wakeup()

  package init() {}

  package var isTaken: Bool { taken.load(ordering: .relaxed) }

  /// Waits for the gate, or until `interrupt`.
  /// - Returns: whether the gate is now the caller's, who must `leave` it.
  package func enter(unless interrupt: Wakeup) -> Bool {
    while true {
      if taken.compareExchange(expected: false, desired: true, ordering: .acquiringAndReleasing).exchanged {
        return true
      }
      if interrupt.isSignalled { return false }
      freed.wait(for: .milliseconds(50))
      freed.clear()
    }
  }

  /// - Precondition: the caller has entered.
  package func leave() {
    taken.store(false, ordering: .releasing)
    freed.signal()
  }
}
