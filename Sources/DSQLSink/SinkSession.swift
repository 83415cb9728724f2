package import ChangeModel
package import Postgres
package import Runtime

/// A writer's session with the target: a connection of the pool, and a permit to use it, as long as work is under way.
package final class SinkSession {
  package let options: SinkOptions
  private let interrupt: Wakeup?
  private let end: Wakeup?
  private let limiter: ConcurrencyLimiter?
  private let log: Log
  private var permit: ConcurrencyState.Permit?
  private var lease: SinkPool.Lease?
  /// Whether the connection has been shown to work that goes on.
  private var isWorking = false

  /// - Parameters:
  ///   - interrupt: ends even a wait for an answer.
  ///   - end: ends waits between two tries only.
  ///   - limiter: gives the permits; `nil` for work that must not wait for the writers.
  package init(
    _ options: SinkOptions, interrupt: Wakeup? = nil, end: Wakeup? = nil, limiter: ConcurrencyLimiter? = nil, log: Log
  ) {
    self.options = options
    self.interrupt = interrupt
    self.end = end ?? interrupt
    self.limiter = limiter
    self.log = log
  }

  deinit { rest() }

  /// The connection, taken from the pool if there is none, or if the last one broke or is wanted back. One with a
  /// flight under way stays.
  package func connection() throws(Failure) -> Connection {
    if let lease, lease.connection.isAlive {
      if lease.connection.isInFlight { return lease.connection }
      if !lease.connection.isInTransaction && (isWorking || !options.pool.isWanted(lease)) { return lease.connection }
    }
    rest()
    if let limiter {
      permit = limiter.enter(unless: interrupt)
      if permit == nil {
        throw Failure(
          options.connection.role, "interrupted", location: options.connection.place, connectionLost: true)
      }
    }
    let fresh = try options.pool.acquire(interrupt: interrupt, end: end)
    lease = fresh
    return fresh.connection
  }

  /// Tells those who give permits what the transaction under way has shown.
  package func note(_ outcome: ConcurrencyState.Outcome) {
    if let permit { limiter?.note(outcome, permit) }
  }

  /// Gives the connection back to the pool.
  package func rest() { giveBack(isUsable: lease?.connection.isInFlight == false) }

  /// Closes a connection that broke or whose state is unknown.
  package func discard() { giveBack(isUsable: false) }

  private func giveBack(isUsable: Bool) {
    if let lease { options.pool.giveBack(lease, isUsable: isUsable) }
    lease = nil
    if let permit { limiter?.leave(permit) }
    permit = nil
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
        let result = try once(work)
        if lease?.connection.isInFlight != true { rest() }
        return result
      } catch {
        failure = error
      }
      if failure.isTransient, failure.kind == .sink, end?.isSignalled != true { note(.overloaded) }
      if failure.connectionLost || lease?.connection.isInTransaction == true { discard() }
      // A source that fails meanwhile is not mended by asking the target again.
      guard failure.isTransient, failure.kind == .sink, end?.isSignalled != true,
        let delay = backoff.next(now: monotonicNow(), random: .random(in: 0..<1))
      else { throw failure }
      // A session that is replaced at once is everyday life with a target that ends them by the hour.
      if backoff.attempts == 2 || backoff.attempts % 10 == 0 {
        log.warning("\(what): \(failure.message); try \(backoff.attempts), next in \(delay.seconds.rounded(2)) s")
      }
      rest()
      (end ?? Wakeup()).wait(for: delay)
    }
  }

  private func once<Result>(_ work: (Connection) throws(Failure) -> Result) throws(Failure) -> Result {
    let connection = try connection()
    isWorking = true
    defer { isWorking = false }
    return try work(connection)
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
