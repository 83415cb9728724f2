import DSQLSink
import PenstockTestKit
import Testing

@Suite("What a pool of connections decides")
struct PoolStateTests {
  private func limits(max: Int = 3, min: Int = 0, rate: Double = 100) -> PoolState.Limits {
    PoolState.Limits(maxSize: max, minSize: min, lifetime: .seconds(3540), opensPerSecond: rate)
  }

  /// The state by reference, so that an expectation can ask it for a decision.
  private final class Pool {
    private var state: PoolState

    init(_ limits: PoolState.Limits) { state = PoolState(limits, now: .zero) }

    var counts: PoolState.Counts { state.counts }
    func ask() -> PoolState.Ticket { state.ask() }
    func foundDead(_ id: PoolState.ID) -> PoolState.Ticket { state.foundDead(id) }
    var openings: PoolState.Openings { state.openings }
    func giveUp(_ ticket: PoolState.Ticket) { state.giveUp(ticket) }
    func decide(_ ticket: PoolState.Ticket, now: Duration) -> PoolState.Decision { state.decide(ticket, now: now) }
    func opened(_ id: PoolState.ID, now: Duration, random: Double) { state.opened(id, now: now, random: random) }
    func openFailed(_ id: PoolState.ID, now: Duration, random: Double) {
      state.openFailed(id, now: now, random: random)
    }
    func giveBack(_ id: PoolState.ID, isUsable: Bool, now: Duration) -> Bool {
      state.giveBack(id, isUsable: isUsable, now: now)
    }
    func isWornOut(_ id: PoolState.ID, now: Duration) -> Bool { state.isWornOut(id, now: now) }
    func expire(now: Duration) -> [PoolState.ID] { state.expire(now: now) }
    func refill(now: Duration) -> PoolState.ID? { state.refill(now: now) }

    /// Asks, and takes it for granted that a connection may be opened.
    func opening(at now: Duration) -> PoolState.ID? {
      guard case .open(let id) = decide(ask(), now: now) else { return nil }
      return id
    }
  }

  /// A pool with so many open connections, all in use.
  private func pool(_ limits: PoolState.Limits, open: Int) -> (Pool, [PoolState.ID]) {
    let pool = Pool(limits)
    let ids = (0..<open).compactMap { _ in pool.opening(at: .zero) }
    for id in ids { pool.opened(id, now: .zero, random: 0) }
    return (pool, ids)
  }

  @Test("who asked first is served first, also when a later one looks first")
  func fairness() {
    let (pool, ids) = pool(limits(max: 1), open: 1)
    let (first, second) = (pool.ask(), pool.ask())
    #expect(pool.decide(first, now: .seconds(1)) == .wait(until: nil))
    #expect(pool.giveBack(ids[0], isUsable: true, now: .seconds(2)))

    #expect(pool.decide(second, now: .seconds(2)) == .wait(until: nil))
    #expect(pool.decide(first, now: .seconds(2)) == .use(ids[0]))
    #expect(pool.counts == PoolState.Counts(total: 1, active: 1, idle: 0, waiting: 1))
  }

  @Test("who gives up frees the way for the next")
  func givingUp() {
    let (pool, ids) = pool(limits(max: 1), open: 1)
    let (first, second) = (pool.ask(), pool.ask())
    _ = pool.giveBack(ids[0], isUsable: true, now: .zero)
    pool.giveUp(first)

    #expect(pool.decide(second, now: .zero) == .use(ids[0]))
    #expect(pool.counts.waiting == 0)
  }

  @Test("who finds a connection dead keeps the first place, and opens another one")
  func deadConnection() {
    let (pool, ids) = pool(limits(max: 1), open: 1)
    let (first, second) = (pool.ask(), pool.ask())
    _ = pool.giveBack(ids[0], isUsable: true, now: .zero)
    #expect(pool.decide(first, now: .zero) == .use(ids[0]))
    let again = pool.foundDead(ids[0])

    #expect(pool.decide(second, now: .zero) == .wait(until: nil))
    guard case .open(let id) = pool.decide(again, now: .zero) else { return #expect(Bool(false), "not opened") }
    #expect(pool.counts == PoolState.Counts(total: 1, active: 1, idle: 0, waiting: 1))
    pool.openFailed(id, now: .zero, random: 0)
    #expect(pool.openings == PoolState.Openings(opened: 1, failed: 1))
  }

  @Test("a connection is not handed on once it is old, and one that broke makes room for another")
  func endings() {
    let (pool, ids) = pool(limits(max: 2), open: 2)
    #expect(!pool.giveBack(ids[0], isUsable: true, now: .seconds(3540)))
    #expect(!pool.giveBack(ids[1], isUsable: false, now: .seconds(1)))
    #expect(pool.counts.total == 0)
    #expect(pool.opening(at: .seconds(3540)) != nil)
  }

  @Test("lives are spread over the last tenth, never longer than allowed")
  func jitter() {
    for (random, life) in [(0.0, 3540.0), (0.5, 3363.0), (0.999999, 3186.0)] {
      let pool = Pool(limits())
      let id = pool.opening(at: .zero)!
      pool.opened(id, now: .seconds(10), random: random)
      #expect(!pool.isWornOut(id, now: .seconds(life + 9.9)))
      #expect(pool.isWornOut(id, now: .seconds(life + 10.1)))
    }
  }

  @Test("idle connections go after a while, the ones used last stay up to the smallest number, none beyond its life")
  func idleness() {
    let (pool, ids) = pool(limits(max: 4, min: 2), open: 4)
    for (order, id) in ids.enumerated() { _ = pool.giveBack(id, isUsable: true, now: .seconds(order)) }
    #expect(pool.expire(now: .seconds(599)) == [])
    #expect(pool.expire(now: .seconds(605)) == [ids[0], ids[1]])
    #expect(pool.expire(now: .seconds(3000)) == [])
    #expect(pool.expire(now: .seconds(3540)) == [ids[2], ids[3]])
    #expect(pool.refill(now: .seconds(3540)) != nil)
    #expect(pool.refill(now: .seconds(3540)) != nil)
    #expect(pool.refill(now: .seconds(3540)) == nil)
  }

  @Test("openings are paced after a burst")
  func pacing() {
    let pool = Pool(limits(max: 10_000, rate: 2))
    for _ in 0..<20 { #expect(pool.opening(at: .zero) != nil) }
    let ticket = pool.ask()
    #expect(pool.decide(ticket, now: .zero) == .wait(until: .milliseconds(500)))
    guard case .open = pool.decide(ticket, now: .milliseconds(500)) else {
      return #expect(Bool(false), "not opened half a second later")
    }
  }

  @Test("after a failed opening the next waits, longer and longer up to five seconds, until one succeeds")
  func failures() {
    let pool = Pool(limits())
    var now = Duration.zero
    var delays: [Duration] = []
    for _ in 0..<12 {
      let id = pool.opening(at: now)!
      pool.openFailed(id, now: now, random: 0.999999)
      let ticket = pool.ask()
      guard case .wait(let until?) = pool.decide(ticket, now: now) else {
        return #expect(Bool(false), "opened again at once")
      }
      pool.giveUp(ticket)
      delays.append(until - now)
      now = until
    }
    #expect(zip(delays, delays.dropFirst()).allSatisfy { $0 <= $1 })
    #expect(delays.first! >= .milliseconds(20) && delays.last! > .seconds(4) && delays.last! <= .seconds(5))

    let id = pool.opening(at: now)!
    pool.opened(id, now: now, random: 0)
    #expect(pool.opening(at: now) != nil)
  }

  @Test("over simulated days no rule is broken and nobody starves", arguments: [3, 17, 92])
  func days(seed: UInt64) {
    var random = SeededGenerator(seed: seed)
    let limits = limits(max: 5, min: 1, rate: 3)
    let pool = Pool(limits)
    var now = Duration.zero
    var waiting: [(ticket: PoolState.Ticket, since: Duration)] = []
    var held: [(id: PoolState.ID, until: Duration)] = []
    var diesAt: [PoolState.ID: Duration] = [:]
    var openings: [Duration] = []
    while now < .seconds(3 * 86_400) {
      now += .milliseconds(Int.random(in: 1...60_000, using: &random))
      for id in pool.expire(now: now) { diesAt[id] = nil }
      for (id, _) in held.filter({ $0.until <= now }) {
        if !pool.giveBack(id, isUsable: Int.random(in: 0..<10, using: &random) > 0, now: now) { diesAt[id] = nil }
      }
      held.removeAll { $0.until <= now }
      if waiting.count < 12 { waiting.append((pool.ask(), now)) }
      for (ticket, since) in waiting {
        switch pool.decide(ticket, now: now) {
        case .use(let id):
          #expect(diesAt[id]! > now)
          held.append((id, now + .seconds(Int.random(in: 1...300, using: &random))))
        case .open(let id):
          openings.append(now)
          if Int.random(in: 0..<5, using: &random) == 0 {
            pool.openFailed(id, now: now, random: .random(in: 0..<1, using: &random))
            waiting.append((pool.ask(), since))
          } else {
            pool.opened(id, now: now, random: .random(in: 0..<1, using: &random))
            diesAt[id] = now + limits.lifetime
            held.append((id, now + .seconds(Int.random(in: 1...300, using: &random))))
          }
        case .wait:
          #expect(now - since < .seconds(7200), "seed \(seed): ticket \(ticket) starves")
          continue
        }
        waiting.removeAll { $0.ticket == ticket }
      }
      let counts = pool.counts
      #expect(counts.total <= 5 && counts.active == held.count && counts.waiting == waiting.count, "seed \(seed)")
      openings.removeAll { $0 < now - .seconds(10) }
      #expect(openings.count <= 30 + 30, "seed \(seed)")
    }
  }
}
