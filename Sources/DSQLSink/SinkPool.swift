package import ChangeModel
package import Postgres
package import Runtime
internal import Synchronization

/// The connections to the target, shared by all writers of the process.
///
/// Whoever asks opens a connection on its own thread if the pool says so; the pool has no thread.
package final class SinkPool: Sendable {
  package let limits: PoolState.Limits
  private let settings: ConnectionSettings
  private let guarded: Mutex<Guarded>

  /// A connection that has sent more at once is not kept, as libpq would keep the memory.
  private static let largeSendBytes = 4 << 20

  private struct Guarded {
    var state: PoolState
    var idle: [PoolState.ID: Idle] = [:]
    var waiters: [PoolState.Ticket: Wakeup] = [:]
  }

  // Sendable: a connection is used by one thread at a time, the one that has the lease; the pool only hands it on.
  private struct Idle: @unchecked Sendable {
    let connection: Connection
    let since: Duration
  }

  /// A connection that one writer has, until it is given back.
  package struct Lease {
    package let connection: Connection
    fileprivate let id: PoolState.ID
  }

  package init(_ settings: ConnectionSettings, _ limits: PoolState.Limits) {
    self.settings = settings
    self.limits = limits
    guarded = Mutex(Guarded(state: PoolState(limits, now: monotonicNow())))
  }

  package var counts: PoolState.Counts { guarded.withLock { $0.state.counts } }
  package var openings: PoolState.Openings { guarded.withLock { $0.state.openings } }

  /// Takes an idle connection that still answers, or opens one, waiting for its turn.
  ///
  /// - Parameters:
  ///   - interrupt: ends even a wait for an answer, as long as the connection is leased.
  ///   - end: ends the wait for a turn, and for a connection to open.
  /// - Throws: a transient failure once the acquire timeout has passed; what opening threw.
  package func acquire(interrupt: Wakeup? = nil, end: Wakeup? = nil) throws(Failure) -> Lease {
    let deadline = monotonicNow() + limits.acquireTimeout
    var ticket = guarded.withLock { $0.state.ask() }
    while true {
      switch try turn(ticket, before: deadline, end: end) {
      case .use(let id):
        let idle = guarded.withLock { $0.idle.removeValue(forKey: id) }
        guard let idle, isSound(idle) else {
          ticket = guarded.withLock { $0.state.foundDead(id) }
          continue
        }
        idle.connection.interrupt = interrupt
        return Lease(connection: idle.connection, id: id)
      case .open(let id): return Lease(connection: try open(id, interrupt: interrupt, end: end), id: id)
      case .wait: continue
      }
    }
  }

  /// Gives a connection back.
  ///
  /// - Parameter isUsable: false for one that broke or whose state is unknown: it is closed.
  package func giveBack(_ lease: Lease, isUsable: Bool) {
    let connection = lease.connection
    let isUsable =
      isUsable && connection.isAlive && !connection.isInTransaction && connection.largestSend <= Self.largeSendBytes
    connection.interrupt = nil
    guarded.withLock { guarded in
      if guarded.state.giveBack(lease.id, isUsable: isUsable, now: monotonicNow()) {
        guarded.idle[lease.id] = Idle(connection: connection, since: monotonicNow())
      }
      for wakeup in guarded.waiters.values { wakeup.signal() }
    }
  }

  /// Whether the connection should be given back before its next transaction, as it is old or somebody waits.
  package func isWanted(_ lease: Lease) -> Bool {
    guarded.withLock { $0.state.counts.waiting > 0 || $0.state.isWornOut(lease.id, now: monotonicNow()) }
  }

  /// Closes connections that were idle for too long or are too old, and opens some ahead where fewer than the smallest
  /// number are there; to be called now and then.
  ///
  /// - Throws: what opening threw.
  package func tend() throws(Failure) {
    let gone = guarded.withLock { guarded in
      guarded.state.expire(now: monotonicNow()).compactMap { guarded.idle.removeValue(forKey: $0) }
    }
    _ = consume gone
    while let id = guarded.withLock({ $0.state.refill(now: monotonicNow()) }) {
      giveBack(Lease(connection: try open(id, interrupt: nil), id: id), isUsable: true)
    }
  }

  // MARK: Steps

  private func turn(
    _ ticket: PoolState.Ticket, before deadline: Duration, end: Wakeup?
  ) throws(Failure) -> PoolState.Decision {
    // Made only if there is something to wait for: most find an idle connection.
    var wakeup: Wakeup?
    defer {
      guarded.withLock { guarded in
        guarded.waiters[ticket] = nil
        guarded.state.giveUp(ticket)
      }
    }
    while true {
      wakeup?.clear()
      let now = monotonicNow()
      let (decision, expired) = guarded.withLock { guarded in
        let expired = guarded.state.expire(now: now).compactMap { guarded.idle.removeValue(forKey: $0) }
        return (guarded.state.decide(ticket, now: now), expired)
      }
      _ = consume expired
      guard case .wait(let until) = decision else { return decision }
      if now >= deadline { throw exhausted() }
      if end?.isSignalled == true {
        throw Failure(settings.role, "interrupted", location: settings.place, connectionLost: true)
      }
      guard let wakeup else {
        // Then look again: what was given back before it was known woke nobody.
        let fresh = Wakeup()
        guarded.withLock { $0.waiters[ticket] = fresh }
        wakeup = fresh
        continue
      }
      // In short waits, since a stop is signalled elsewhere.
      wakeup.wait(for: min(until.map { $0 - now } ?? deadline - now, deadline - now, .milliseconds(100)))
    }
  }

  private func open(_ id: PoolState.ID, interrupt: Wakeup?, end: Wakeup? = nil) throws(Failure) -> Connection {
    let began = monotonicNow()
    do throws(Failure) {
      let connection = try Connection(settings, interrupt: end ?? interrupt)
      connection.interrupt = interrupt
      guarded.withLock { $0.state.opened(id, now: began, random: .random(in: 0..<1)) }
      return connection
    } catch {
      guarded.withLock { guarded in
        guarded.state.openFailed(id, now: monotonicNow(), random: .random(in: 0..<1))
        for wakeup in guarded.waiters.values { wakeup.signal() }
      }
      throw error
    }
  }

  /// Whether an idle connection may be used: the server has said nothing, or it answers after a longer rest, in which a
  /// firewall may have forgotten it.
  private func isSound(_ idle: Idle) -> Bool {
    guard idle.connection.isQuiet else { return false }
    guard monotonicNow() - idle.since > .seconds(30) else { return true }
    return (try? idle.connection.query("SELECT 1", within: .seconds(5))) != nil
  }

  private func exhausted() -> Failure {
    let counts = guarded.withLock { $0.state.counts }
    return Failure(
      settings.role,
      "no connection became free in time: \(counts.total) open, \(counts.active) active, \(counts.idle) idle, "
        + "\(counts.waiting) waiting",
      location: settings.place, hint: "Raise sink.max-pool-size, or lower sink.parallelism.", isTransient: true)
  }
}
