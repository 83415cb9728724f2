internal import Runtime
internal import Synchronization

/// Lets one worker at a time handle very large rows, whose copies in the source's and the sink's session are the
/// load's largest piece of memory.
final class WideRowGate: Sendable {
  private let isTaken = Mutex(false)
  private let freed = Wakeup()

  /// Waits for the gate, or until `interrupt`.
  func enter(unless interrupt: Wakeup) {
    while !interrupt.isSignalled {
      let isMine = isTaken.withLock { taken in
        defer { taken = true }
        return !taken
      }
      if isMine { return }
      freed.wait(for: .milliseconds(50))
      freed.clear()
    }
  }

  func leave() {
    isTaken.withLock { $0 = false }
    freed.signal()
  }
}
