/// Something did not happen in time.
package struct TimedOut: Error, CustomStringConvertible {
  package let waited: Duration
  package let what: String

  package var description: String { "waited \(waited) in vain for \(what)" }
}

/// Waits until a condition holds, looking again and again: for what has no event to wait for.
///
/// - Parameters:
///   - timeout: how long at most; be generous, since it costs time only when the test fails. Where other tests keep the
///     threads busy it takes longer, since it looks ten times at least.
///   - what: what is waited for, for the message.
/// - Throws: `TimedOut`, or what the condition throws.
package func eventually(
  timeout: Duration = .seconds(120), every interval: Duration = .milliseconds(20), _ what: String = "a condition",
  _ condition: () async throws -> Bool
) async throws {
  let limit = ContinuousClock.now + timeout
  var looks = 0
  while try await !condition() {
    looks += 1
    guard ContinuousClock.now < limit || looks < 10 else { throw TimedOut(waited: timeout, what: what) }
    try await Task.sleep(for: interval)
  }
}
