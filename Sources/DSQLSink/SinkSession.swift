package import ChangeModel
package import Postgres
package import Runtime

/// A writer's session with the target, opened when needed and replaced before it grows too old.
package final class SinkSession {
  package let options: SinkOptions
  private let interrupt: Wakeup?
  private let end: Wakeup?
  private let log: Log
  private var current: Connection?
  private var expiresAt = Duration.zero

  /// - Parameters:
  ///   - interrupt: ends even a wait for an answer.
  ///   - end: ends waits between two tries only.
  package init(_ options: SinkOptions, interrupt: Wakeup? = nil, end: Wakeup? = nil, log: Log) {
    self.options = options
    self.interrupt = interrupt
    self.end = end ?? interrupt
    self.log = log
  }

  /// The session, opened if there is none or the last one is worn out. One with a flight under way stays.
  package func connection() throws(Failure) -> Connection {
    if let current, current.isAlive, current.isInFlight { return current }
    if let current, current.isAlive, monotonicNow() < expiresAt, !current.isInTransaction { return current }
    current = nil
    let fresh = try Connection(options.connection, interrupt: interrupt)
    expiresAt = fresh.openedAt + options.connectionLifetime * Double.random(in: 0.9...1)
    current = fresh
    return fresh
  }

  /// Forgets a session that broke or whose state is unknown.
  package func discard() { current = nil }

  /// Closes a session that is worn out; for idle times.
  package func closeIfWornOut() {
    if let current, !current.isAlive || monotonicNow() >= expiresAt {
      _ = current
      self.current = nil
    }
  }

  /// Runs `work`, again after failures of the target that may pass, within the retry budget.
  ///
  /// - Parameter work: must be safe to repeat: it finds out itself what an earlier try has done.
  package func retrying<Result>(
    _ what: String, _ work: (Connection) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    var backoff = Backoff(options.retry)
    while true {
      let failure: Failure
      do throws(Failure) {
        return try work(connection())
      } catch {
        failure = error
      }
      if failure.connectionLost || current?.isInTransaction == true { discard() }
      // A source that fails meanwhile is not mended by asking the target again.
      guard failure.isTransient, failure.kind == .sink, end?.isSignalled != true,
        let delay = backoff.next(now: monotonicNow(), random: .random(in: 0..<1))
      else { throw failure }
      // A session that is replaced at once is everyday life with a target that ends them by the hour.
      if backoff.attempts == 2 || backoff.attempts % 10 == 0 {
        log.warning("\(what): \(failure.message); try \(backoff.attempts), next in \(delay.seconds.rounded(2)) s")
      }
      (end ?? Wakeup()).wait(for: delay)
    }
  }
}

extension Double {
  /// Rounded to so many decimals, for messages.
  package func rounded(_ decimals: Int) -> Double {
    var scale = 1.0
    for _ in 0..<decimals { scale *= 10 }
    return (self * scale).rounded() / scale
  }
}
