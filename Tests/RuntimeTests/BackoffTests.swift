import Runtime
import Testing

@Suite("Waiting between tries")
struct BackoffTests {
  private let limits = Backoff.Limits(
    initialDelay: .milliseconds(100), maxDelay: .seconds(2), maxElapsed: .seconds(30))

  @Test("delays double up to the limit, each at least half of its ceiling", arguments: [0, 0.5, 0.999])
  func growth(random: Double) {
    var backoff = Backoff(limits)
    let ceilings: [Duration] =
      [.milliseconds(100), .milliseconds(200), .milliseconds(400), .milliseconds(800)]
      + [.milliseconds(1600), .seconds(2), .seconds(2), .seconds(2)]
    for (attempt, ceiling) in ceilings.enumerated() {
      let delay = backoff.next(now: .zero, random: random)!
      #expect(delay >= ceiling / 2 && delay <= ceiling)
      #expect(backoff.attempts == attempt + 1)
    }
  }

  @Test("writers that conflict wait anything up to the ceiling", arguments: [0, 0.25, 0.999])
  func fullJitter(random: Double) {
    var backoff = Backoff(conflictsWithin: .seconds(10))
    for ceiling in [5, 10, 20, 40] {
      #expect(backoff.next(now: .zero, random: random) == .milliseconds(ceiling) * random)
    }
    #expect(backoff.next(now: .seconds(10), random: random) == nil)
  }

  @Test("the budget counts from the first failure, and a success begins a new one")
  func budget() {
    var backoff = Backoff(limits)
    #expect(backoff.next(now: .seconds(1000), random: 0) != nil)
    #expect(backoff.next(now: .seconds(1029), random: 0) != nil)
    #expect(backoff.next(now: .seconds(1030), random: 0) == nil)
    #expect(backoff.next(now: .seconds(1031), random: 0) == nil)

    backoff.reset()
    #expect(backoff.attempts == 0)
    #expect(backoff.next(now: .seconds(1040), random: 0) == .milliseconds(50))
  }

  @Test("without a budget it goes on for ever, without overflow")
  func endless() {
    var backoff = Backoff(.init(initialDelay: .milliseconds(1), maxDelay: .seconds(60), maxElapsed: nil))
    for second in 0..<10_000 { #expect(backoff.next(now: .seconds(second), random: 0.5)! <= .seconds(60)) }
  }

  @Test("an initial delay above the limit is cut to it, and a budget of zero allows no try")
  func degenerate() {
    var long = Backoff(.init(initialDelay: .seconds(9), maxDelay: .seconds(1), maxElapsed: nil))
    #expect(long.next(now: .zero, random: 0.99)! <= .seconds(1))
    var none = Backoff(.init(initialDelay: .seconds(1), maxDelay: .seconds(1), maxElapsed: .zero))
    #expect(none.next(now: .seconds(5), random: 0) == nil)
  }
}
