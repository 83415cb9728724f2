internal import Runtime

/// How many transactions may be in flight at a time, and whose turn it is.
///
/// The number is found by trying, as TCP finds its window: one more for each round of good commits, up to a half less for
/// each round of bad ones, and down to what the target can work on at once when its answers take much longer than they did.
///
/// Pure: time comes in, decisions come out.
package struct ConcurrencyState: Sendable {
  package struct Limits: Hashable, Sendable {
    package var most: Int
    /// What is allowed after `startLow`. Until something goes wrong, it doubles with each round.
    package var start: Int
    /// Off, `most` are allowed always.
    package var isAdaptive: Bool
    /// Who has waited for so long goes ahead of the limit, should those in flight hang.
    package var patience: Duration

    /// - Parameter start: `nil` for `most`.
    package init(most: Int, start: Int? = nil, isAdaptive: Bool = true, patience: Duration = .seconds(30)) {
      self.most = most
      self.start = min(most, max(1, start ?? most))
      self.isAdaptive = isAdaptive
      self.patience = patience
    }
  }

  /// Names somebody who waits, in the order of asking.
  package typealias Ticket = Int

  /// The right to be in flight, until `leave`.
  package struct Permit: Hashable, Sendable {
    /// How often the number had been lowered for slowness when it was given.
    fileprivate var generation: Int
  }

  package enum Decision: Hashable, Sendable {
    case go(Permit)
    /// Ask again when another one has left, or at this time.
    case wait(until: Duration)
  }

  /// What a transaction tells about the target.
  package enum Outcome: Hashable, Sendable {
    /// It is committed. The time from sending it to its answer is `nil` where nobody waited for that; the size is in any unit
    /// that is proportional to the work.
    case committed(in: Duration?, size: Int)
    /// Another transaction got in the way, no connection was to be had, or it broke.
    case overloaded
  }

  package struct Counts: Hashable, Sendable {
    package var inFlight = 0
    package var allowed: Int
    package var most: Int
    package var waiting = 0

    package init(inFlight: Int = 0, allowed: Int, most: Int, waiting: Int = 0) {
      self.inFlight = inFlight
      self.allowed = allowed
      self.most = most
      self.waiting = waiting
    }
  }

  /// Slow transactions in a row that count, if a round has not more: all writers meet one hiccup of the target at once.
  private static let slowRowLeast = 8
  /// A little more than the target can work on at once, so that it never idles where answers come together.
  private static let headroom = 1.25

  private let limits: Limits
  private var queue: [(ticket: Ticket, since: Duration)] = []
  private var nextTicket = 0
  private var inFlight = 0
  private var window: Double
  /// Nothing went wrong yet.
  private var isStarting = true
  private var baseline = LatencyBaseline()
  private var slowInARow = 0
  /// Whether answers have come in the usual time since the number was lowered for slowness.
  private var hasHelped = true
  private var generation = 0

  package init(_ limits: Limits) {
    self.limits = limits
    window = Double(limits.most)
  }

  /// Begins low: what comes now is written into something new.
  package mutating func startLow() {
    guard limits.isAdaptive else { return }
    window = Double(limits.start)
    isStarting = true
  }

  package var allowed: Int { Int(window) }

  package var counts: Counts {
    Counts(inFlight: inFlight, allowed: allowed, most: limits.most, waiting: queue.count)
  }

  // MARK: Asking

  /// Joins the queue.
  package mutating func ask(now: Duration) -> Ticket {
    nextTicket += 1
    queue.append((nextTicket, now))
    return nextTicket
  }

  /// Leaves the queue without a permit.
  package mutating func giveUp(_ ticket: Ticket) { queue.removeAll { $0.ticket == ticket } }

  /// What the holder of a ticket may do now; `go` ends its waiting. First come, first served.
  package mutating func decide(_ ticket: Ticket, now: Duration) -> Decision {
    guard let rank = queue.firstIndex(where: { $0.ticket == ticket }) else { return .wait(until: now) }
    let end = queue[rank].since + limits.patience
    guard rank < allowed - inFlight || now >= end else { return .wait(until: end) }
    queue.remove(at: rank)
    inFlight += 1
    return .go(Permit(generation: generation))
  }

  /// Those who may go now.
  package var due: [Ticket] { queue.prefix(max(0, allowed - inFlight)).map(\.ticket) }

  package mutating func leave(_: Permit) { inFlight -= 1 }

  // MARK: Telling

  /// Tells what became of a transaction, before `leave`.
  package mutating func note(_ outcome: Outcome, _ permit: Permit) {
    guard limits.isAdaptive else { return }
    switch outcome {
    case .overloaded:
      isStarting = false
      // A round of nothing else takes the half away.
      window = max(1, window - 0.5)
    case .committed(let latency, let size):
      // What was sent before the number was lowered tells of the old number.
      guard permit.generation == generation else { return }
      guard let latency else {
        slowInARow = 0
        return grow()
      }
      switch baseline.judge(latency, size: size) {
      case .unknown: break
      case .usual:
        slowInARow = 0
        hasHelped = true
        grow()
      case .slow(let usualShare):
        slowInARow += 1
        if slowInARow >= max(Self.slowRowLeast, allowed) { shrink(to: usualShare) }
      }
    }
  }

  private mutating func grow() {
    // A number that nobody uses is not proven.
    guard inFlight * 2 > allowed else { return }
    window = min(Double(limits.most), window + (isStarting ? 1 : 1 / window))
  }

  private mutating func shrink(to share: Double) {
    isStarting = false
    window = max(1, window * share * Self.headroom)
    baseline.restart(isSlowByItself: !hasHelped)
    hasHelped = false
    slowInARow = 0
    generation += 1
  }
}
