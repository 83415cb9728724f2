import DSQLSink
import PenstockTestKit
import Testing

@Suite("How many transactions are in flight")
struct ConcurrencyStateTests {
  /// Writers that always have something to write, in rounds: as many as may begin together and end together.
  private final class Writers {
    private(set) var state: ConcurrencyState
    private(set) var now = Duration.zero

    init(most: Int, start: Int? = nil, isAdaptive: Bool = true) {
      state = ConcurrencyState(.init(most: most, start: start, isAdaptive: isAdaptive))
      if start != nil { state.startLow() }
    }

    var allowed: Int { state.allowed }

    /// - Parameter outcome: of each transaction, by its number in the round.
    func round(_ outcome: (Int) -> ConcurrencyState.Outcome) {
      let permits = (0..<state.counts.most).compactMap { _ -> ConcurrencyState.Permit? in
        let ticket = state.ask(now: now)
        if case .go(let permit) = state.decide(ticket, now: now) { return permit }
        state.giveUp(ticket)
        return nil
      }
      for (number, permit) in permits.enumerated() { state.note(outcome(number), permit) }
      for permit in permits { state.leave(permit) }
      now += .milliseconds(50)
    }

    func good(rounds: Int = 1, milliseconds: Int = 50) {
      for _ in 0..<rounds { round { _ in .committed(in: .milliseconds(milliseconds), size: 1000) } }
    }

    func bad(rounds: Int = 1) { for _ in 0..<rounds { round { _ in .overloaded } } }
  }

  @Test("from a low start the number doubles with each good round, up to the most")
  func start() {
    let writers = Writers(most: 24, start: 2)
    // The first transactions only show what is usual.
    writers.good(rounds: 2)
    var course = [writers.allowed]
    while writers.allowed < 24 {
      writers.good()
      course.append(writers.allowed)
    }
    writers.good(rounds: 10)

    #expect(course.count <= 6 && course[0] <= 4, "\(course)")
    #expect(zip(course, course.dropFirst()).allSatisfy { $1 >= $0 * 3 / 2 || $1 == 24 }, "\(course)")
    #expect(writers.allowed == 24)
  }

  @Test("a round in which everything conflicts takes half away; then each good round adds one")
  func conflicts() {
    let writers = Writers(most: 16)
    writers.good(rounds: 10)
    writers.bad()
    #expect(writers.allowed == 8)
    var course: [Int] = []
    for _ in 0..<9 {
      writers.good()
      course.append(writers.allowed)
    }

    #expect(course.last == 16 && zip([8] + course, course).allSatisfy { $1 - $0 <= 1 && $1 >= $0 }, "\(course)")
  }

  @Test(
    "conflicts now and then cost little, frequent ones much",
    arguments: [(every: 20, least: 14, most: 16), (every: 4, least: 4, most: 8), (every: 2, least: 1, most: 4)])
  func shares(every: Int, least: Int, most: Int) {
    let writers = Writers(most: 16)
    var count = 0
    for _ in 0..<300 {
      writers.round { _ in
        count += 1
        return count.isMultiple(of: every) ? .overloaded : .committed(in: .milliseconds(50), size: 1000)
      }
    }

    #expect((least...most).contains(writers.allowed), "\(writers.allowed)")
  }

  @Test("the number is never below one, never above the most", arguments: [5, 23, 71])
  func bounds(seed: UInt64) {
    var random = SeededGenerator(seed: seed)
    let writers = Writers(most: 7, start: 2)
    var (least, most) = (2, 2)
    for _ in 0..<3000 {
      let share = Int.random(in: 0...10, using: &random)
      writers.round { _ in
        Int.random(in: 0..<10, using: &random) < share
          ? .overloaded
          : .committed(
            in: .milliseconds(.random(in: 1...3000, using: &random)), size: .random(in: 0...9999, using: &random))
      }
      (least, most) = (min(least, writers.allowed), max(most, writers.allowed))
    }
    #expect(least >= 1 && most <= 7, "seed \(seed)")
    writers.bad(rounds: 50)
    #expect(writers.allowed == 1)
    writers.good(rounds: 100)
    #expect(writers.allowed == 7)
  }

  @Test(
    "answers that take three times as long take more than half away, and again as that does not help; what then is usual stays allowed"
  )
  func step() {
    let writers = Writers(most: 12)
    writers.good(rounds: 20)
    writers.good(rounds: 3, milliseconds: 150)
    let half = writers.allowed
    writers.good(rounds: 4, milliseconds: 150)
    let low = writers.allowed
    writers.good(rounds: 60, milliseconds: 150)

    #expect((4...7).contains(half) && (1...3).contains(low), "\(half) \(low)")
    #expect(writers.allowed == 12)
  }

  /// What is no reason to do less.
  struct Noise: Sendable, CustomTestStringConvertible {
    var testDescription: String
    var latency: @Sendable (inout SeededGenerator, _ round: Int) -> (milliseconds: Double, size: Int)
  }

  @Test(
    "noise does not throttle",
    arguments: [
      Noise(testDescription: "spread") { random, _ in (50 * .random(in: 0.5...1.6, using: &random), 1000) },
      Noise(testDescription: "outliers") { random, _ in
        (.random(in: 0..<50, using: &random) < 1 ? 2000 : .random(in: 45...70, using: &random), 1000)
      },
      Noise(testDescription: "hiccups that stop everybody") { random, round in (round % 40 == 7 ? 1500 : 50, 1000) },
      Noise(testDescription: "a fast machine") { random, _ in (.random(in: 0.3...19, using: &random), 1000) },
      Noise(testDescription: "sizes") { random, _ in
        let rows = 1 << Int.random(in: 0...12, using: &random)
        return (30 + Double(rows) / 10, rows * 100)
      },
    ])
  func noise(noise: Noise) {
    var random = SeededGenerator(seed: 11)
    let writers = Writers(most: 4)
    var least = 4
    for round in 0..<5000 {
      writers.round { _ in
        let (milliseconds, size) = noise.latency(&random, round)
        return .committed(in: .seconds(milliseconds / 1000), size: size)
      }
      least = min(least, writers.allowed)
    }

    #expect(least == 4)
  }

  @Test("a number that nobody uses does not grow")
  func unused() {
    var state = ConcurrencyState(.init(most: 16, start: 2))
    #expect(state.allowed == 16)
    state.startLow()
    for _ in 0..<100 {
      let ticket = state.ask(now: .zero)
      guard case .go(let permit) = state.decide(ticket, now: .zero) else { continue }
      state.note(.committed(in: .milliseconds(5), size: 1), permit)
      state.leave(permit)
    }

    #expect(state.allowed == 2)
  }

  @Test("switched off, everything is allowed whatever happens")
  func off() {
    let writers = Writers(most: 6, start: 2, isAdaptive: false)
    writers.bad(rounds: 20)

    #expect(writers.allowed == 6)
  }

  @Test("who asked first goes first, and who has waited for long goes ahead of the limit")
  func turns() {
    var state = ConcurrencyState(.init(most: 1, patience: .seconds(30)))
    let (first, second, third) = (state.ask(now: .zero), state.ask(now: .seconds(1)), state.ask(now: .seconds(2)))
    #expect(state.decide(second, now: .seconds(2)) == .wait(until: .seconds(31)))
    guard case .go(let permit) = state.decide(first, now: .seconds(2)) else { return #expect(Bool(false)) }
    #expect(state.due == [])
    state.leave(permit)
    #expect(state.due == [second])
    #expect(state.decide(third, now: .seconds(3)) == .wait(until: .seconds(32)))
    state.giveUp(second)
    #expect(state.due == [third])
    let fourth = state.ask(now: .seconds(3))
    guard case .go = state.decide(third, now: .seconds(3)) else { return #expect(Bool(false)) }
    #expect(state.decide(fourth, now: .seconds(32)) == .wait(until: .seconds(33)))
    guard case .go = state.decide(fourth, now: .seconds(33)) else { return #expect(Bool(false)) }

    #expect(state.counts == ConcurrencyState.Counts(inFlight: 2, allowed: 1, most: 1, waiting: 0))
  }
}
