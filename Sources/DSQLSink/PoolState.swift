internal import Runtime

/// What a pool of connections decides: who gets which connection, when one may be opened, when one has to go.
///
/// Pure: it owns numbers, not connections; time and randomness come in, decisions come out.
package struct PoolState: Sendable {
  package struct Limits: Hashable, Sendable {
    package var maxSize: Int
    /// Idle connections are kept up to this many, and opened ahead.
    package var minSize: Int
    /// The longest life; each connection gets up to a tenth less, so that they do not all end at once.
    package var lifetime: Duration
    package var idleTimeout: Duration
    package var acquireTimeout: Duration
    /// Most connections opened in a second in the long run, after a burst of ten times as many: DSQL allows a cluster
    /// 100 a second and a burst of 1,000.
    package var opensPerSecond: Double

    package init(
      maxSize: Int, minSize: Int = 0, lifetime: Duration, idleTimeout: Duration = .seconds(600),
      acquireTimeout: Duration = .seconds(30), opensPerSecond: Double = 100
    ) {
      self.maxSize = maxSize
      self.minSize = minSize
      self.lifetime = lifetime
      self.idleTimeout = idleTimeout
      self.acquireTimeout = acquireTimeout
      self.opensPerSecond = opensPerSecond
    }

    var burst: Double { max(1, opensPerSecond * 10) }
  }

  /// Names a connection, in the order in which they were opened.
  package typealias ID = Int
  /// Names somebody who waits, in the order of asking.
  package typealias Ticket = Int

  package enum Decision: Hashable, Sendable {
    /// Take this idle connection.
    case use(ID)
    /// Open a connection under this name, then say `opened` or `openFailed`.
    case open(ID)
    /// Ask again when something was given back, or at this time if there is one.
    case wait(until: Duration?)
  }

  package struct Counts: Hashable, Sendable {
    package var total = 0
    package var active = 0
    package var idle = 0
    package var waiting = 0

    package init(total: Int = 0, active: Int = 0, idle: Int = 0, waiting: Int = 0) {
      self.total = total
      self.active = active
      self.idle = idle
      self.waiting = waiting
    }
  }

  /// Since the beginning.
  package struct Openings: Hashable, Sendable {
    package var opened = 0
    package var failed = 0

    package init(opened: Int = 0, failed: Int = 0) {
      self.opened = opened
      self.failed = failed
    }
  }

  private struct Member {
    var expiresAt: Duration
    /// `nil` while somebody has it, or opens it.
    var idleSince: Duration?
  }

  let limits: Limits
  private var members: [ID: Member] = [:]
  private var queue: [Ticket] = []
  private var nextID = 0
  private var nextTicket = 0
  package private(set) var openings = Openings()
  private var allowance: Double
  private var allowanceCountedAt: Duration
  private var failureDelay = Duration.zero
  private var opensAgainAt: Duration

  package init(_ limits: Limits, now: Duration) {
    self.limits = limits
    allowance = limits.burst
    allowanceCountedAt = now
    opensAgainAt = now
  }

  package var counts: Counts {
    let idle = members.values.count { $0.idleSince != nil }
    return Counts(total: members.count, active: members.count - idle, idle: idle, waiting: queue.count)
  }

  // MARK: Asking

  /// Joins the queue.
  package mutating func ask() -> Ticket {
    nextTicket += 1
    queue.append(nextTicket)
    return nextTicket
  }

  /// Leaves the queue without a connection.
  package mutating func giveUp(_ ticket: Ticket) { queue.removeAll { $0 == ticket } }

  /// What the holder of a ticket may do now; `use` and `open` end its waiting. First come, first served.
  package mutating func decide(_ ticket: Ticket, now: Duration) -> Decision {
    guard let rank = queue.firstIndex(of: ticket) else { return .wait(until: nil) }
    let idle = members.filter { $0.value.idleSince != nil && $0.value.expiresAt > now }
    // The one used last: those that are not needed grow old and go.
    if rank < idle.count, let last = idle.max(by: { ($0.value.idleSince!, $0.key) < ($1.value.idleSince!, $1.key) }) {
      queue.remove(at: rank)
      members[last.key]?.idleSince = nil
      return .use(last.key)
    }
    guard rank - idle.count < limits.maxSize - members.count else { return .wait(until: nil) }
    if let later = nextOpening(now) { return .wait(until: later) }
    queue.remove(at: rank)
    return .open(beginOpening())
  }

  /// When a connection may be opened, `nil` for now.
  private mutating func nextOpening(_ now: Duration) -> Duration? {
    allowance = min(limits.burst, allowance + max(0, (now - allowanceCountedAt).seconds) * limits.opensPerSecond)
    allowanceCountedAt = now
    if now < opensAgainAt { return opensAgainAt }
    if allowance < 1 { return now + .seconds((1 - allowance) / limits.opensPerSecond) }
    return nil
  }

  private mutating func beginOpening() -> ID {
    allowance -= 1
    nextID += 1
    members[nextID] = Member(expiresAt: .zero, idleSince: nil)
    return nextID
  }

  /// The connection is dead that somebody was told to use: who that was is first in the queue again.
  package mutating func foundDead(_ id: ID) -> Ticket {
    members[id] = nil
    nextTicket += 1
    queue.insert(nextTicket, at: 0)
    return nextTicket
  }

  // MARK: Telling

  /// - Parameters:
  ///   - now: when the opening began, as the server counts the life from there at the earliest.
  ///   - random: a number in 0..<1.
  package mutating func opened(_ id: ID, now: Duration, random: Double) {
    openings.opened += 1
    failureDelay = .zero
    members[id]?.expiresAt = now + limits.lifetime * (1 - random / 10)
  }

  /// The next opening waits: longer after each failure, and spread at random between the shortest delay and three times
  /// the last.
  package mutating func openFailed(_ id: ID, now: Duration, random: Double) {
    members[id] = nil
    openings.failed += 1
    let shortest = Duration.milliseconds(20)
    let longest = max(shortest, failureDelay * 3)
    failureDelay = min(.seconds(5), shortest + (longest - shortest) * random)
    opensAgainAt = now + failureDelay
  }

  /// Gives a connection back.
  ///
  /// - Parameter isUsable: false for one that broke or whose state is unknown.
  /// - Returns: whether it is kept; else it has to be closed.
  package mutating func giveBack(_ id: ID, isUsable: Bool, now: Duration) -> Bool {
    guard isUsable, let member = members[id], member.expiresAt > now else {
      members[id] = nil
      return false
    }
    members[id]?.idleSince = now
    return true
  }

  /// Whether somebody who has this connection should bring it back before its next transaction.
  package func isWornOut(_ id: ID, now: Duration) -> Bool { members[id].map { $0.expiresAt <= now } ?? true }

  // MARK: Tending

  /// Takes out the idle connections that have to be closed: too old, or idle for too long.
  package mutating func expire(now: Duration) -> [ID] {
    let idle = members.filter { $0.value.idleSince != nil }.sorted { $0.value.idleSince! < $1.value.idleSince! }
    var gone: [ID] = []
    for (id, member) in idle {
      let isSpare = members.count > limits.minSize
      if member.expiresAt <= now || isSpare && member.idleSince! + limits.idleTimeout <= now {
        members[id] = nil
        gone.append(id)
      }
    }
    return gone
  }

  /// A connection to be opened ahead, if there are fewer than the smallest number and one may be opened now.
  package mutating func refill(now: Duration) -> ID? {
    guard members.count < limits.minSize, nextOpening(now) == nil else { return nil }
    return beginOpening()
  }
}
