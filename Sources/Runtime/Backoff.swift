/// How long to wait between tries, and for how long to go on: exponential growth with jitter.
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

  /// Which part of the delay is left to chance.
  package enum Jitter: Sendable {
    /// At least half of the ceiling, so that a fleet spreads but nobody hammers.
    case half
    /// Anything up to the ceiling: writers that met each other meet again least often.
    case full
  }

  package let limits: Limits
  private let jitter: Jitter
  package private(set) var attempts = 0
  private var firstFailure: Duration?

  package init(_ limits: Limits, jitter: Jitter = .half) {
    self.limits = limits
    self.jitter = jitter
  }

  /// For transactions that lose against others.
  package init(conflictsWithin budget: Duration?) {
    self.init(
      Limits(initialDelay: .milliseconds(5), maxDelay: .seconds(2), maxElapsed: budget), jitter: .full)
  }

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
    return ceiling * (jitter == .full ? random : 0.5 + random / 2)
  }

  /// Work went on: the next failure starts a new budget.
  package mutating func reset() {
    attempts = 0
    firstFailure = nil
  }
}
