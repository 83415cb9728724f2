/// How long to wait between tries, and for how long to go on: exponential growth with full jitter.
///
/// Pure: time and randomness come in, delays come out.
package struct Backoff: Sendable {
  package struct Limits: Hashable, Sendable {
    package var initialDelay: Duration
    package var maxDelay: Duration
    /// The budget counted from the first failure; `nil` retries for ever.
    package var maxElapsed: Duration?

    package init(initialDelay: Duration, maxDelay: Duration, maxElapsed: Duration?) {
      self.initialDelay = initialDelay
      self.maxDelay = maxDelay
      self.maxElapsed = maxElapsed
    }
  }

  package let limits: Limits
  package private(set) var attempts = 0
  private var firstFailure: Duration?

  package init(_ limits: Limits) { self.limits = limits }

  /// The delay before the next try, or `nil` when the budget is spent.
  ///
  /// - Parameter random: a number in 0..<1.
  package mutating func next(now: Duration, random: Double) -> Duration? {
    let start = firstFailure ?? now
    firstFailure = start
    if let budget = limits.maxElapsed, now - start >= budget { return nil }
    attempts += 1
    var ceiling = limits.initialDelay
    for _ in 0..<(attempts - 1) where ceiling < limits.maxDelay { ceiling = ceiling * 2 }
    ceiling = min(ceiling, limits.maxDelay)
    // At least half of the ceiling, so that a fleet spreads but nobody hammers.
    return ceiling * (0.5 + random / 2)
  }

  /// Work went on: the next failure starts a new budget.
  package mutating func reset() {
    attempts = 0
    firstFailure = nil
  }
}
