import DSQLSink
import PenstockTestKit
import Testing

@Suite("Writers that share a target")
struct ConcurrencySimulationTests {
  /// A target that works on so many transactions at once; with more, all take longer.
  struct Target: Sendable, CustomTestStringConvertible {
    var knee: Double
    var latency = 0.05
    /// By the seconds since the start: how much larger the knee has become.
    var growth: @Sendable (Double) -> Double = { _ in 1 }
    var most = 64

    var testDescription: String { "knee \(knee), \(latency) s" }

    func seconds(inFlight: Int, at time: Double) -> Double {
      latency * max(1, Double(inFlight) / (knee * growth(time)))
    }
  }

  struct Course {
    /// What was allowed, and transactions committed, in each second.
    var allowed: [Int] = []
    var commits: [Int] = []
    var longestWait = Duration.zero
  }

  /// Runs writers without pause through simulated time.
  private func simulate(_ target: Target, seconds: Int, seed: UInt64) -> Course {
    var random = SeededGenerator(seed: seed)
    var state = ConcurrencyState(.init(most: target.most, start: 2))
    state.startLow()
    var now = Duration.zero
    var waiting = (0..<target.most).map { _ in (ticket: state.ask(now: .zero), since: Duration.zero) }
    var flying: [(permit: ConcurrencyState.Permit, began: Duration, end: Duration)] = []
    var course = Course()
    var commits = 0
    while now < .seconds(seconds) {
      while let first = waiting.first, case .go(let permit) = state.decide(first.ticket, now: now) {
        waiting.removeFirst()
        let since = first.since
        course.longestWait = max(course.longestWait, now - since)
        let time = now / .seconds(1)
        let noise = Double.random(in: 0.85...1.3, using: &random) * (.random(in: 0..<200, using: &random) < 1 ? 8 : 1)
        let needed = target.seconds(inFlight: flying.count + 1, at: time) * noise
        flying.append((permit, now, now + .seconds(needed)))
      }
      let next = flying.indices.min { flying[$0].end < flying[$1].end }!
      let done = flying.remove(at: next)
      now = max(now, done.end)
      state.note(.committed(in: done.end - done.began, size: 1000), done.permit)
      state.leave(done.permit)
      commits += 1
      waiting.append((state.ask(now: now), now))
      while course.allowed.count < Int(now / .seconds(1)) {
        course.allowed.append(state.allowed)
        course.commits.append(commits)
        commits = 0
      }
    }
    return course
  }

  @Test(
    "come to rest near what the target can work on at once, at its full rate",
    arguments: [
      Target(knee: 4), Target(knee: 10), Target(knee: 25), Target(knee: 40), Target(knee: 10, latency: 0.4),
    ], [1, 3])
  func knee(target: Target, seed: UInt64) {
    let course = simulate(target, seconds: 60, seed: seed)
    let allowed = course.allowed.dropFirst(20)
    let rate = Double(course.commits.dropFirst(20).reduce(0, +)) / Double(course.commits.count - 20)
    let mean = Double(allowed.reduce(0, +)) / Double(allowed.count)

    #expect(mean > target.knee * 0.8 && mean < target.knee * 2.75, "\(course.allowed)")
    #expect(rate > 0.85 * target.knee / target.latency / 1.1, "\(rate) \(course.allowed)")
    #expect(course.longestWait < .seconds(10))
  }

  @Test("are all at work within two seconds where the target takes them", arguments: [1, 2, 3])
  func quickStart(seed: UInt64) {
    let course = simulate(Target(knee: 1000), seconds: 60, seed: seed)

    #expect(course.allowed[1...].allSatisfy { $0 == 64 }, "\(course.allowed)")
  }

  @Test("become more as a new table is split", arguments: [1, 2, 3])
  func newTable(seed: UInt64) {
    // Twice as much every ten seconds.
    let target = Target(knee: 2, latency: 0.1) { time in
      var factor = 1.0
      for _ in 0..<Int(time / 10) { factor *= 2 }
      return factor
    }
    let course = simulate(target, seconds: 80, seed: seed)

    #expect(course.allowed[..<8].allSatisfy { $0 <= 24 }, "\(course.allowed)")
    #expect(course.allowed.suffix(10).allSatisfy { $0 >= 48 }, "\(course.allowed)")
  }
}
