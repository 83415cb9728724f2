import Testing

@testable import DynamoDBSource

@Suite("Keys that the stream has spoken of lately")
struct RecentKeysTests {
  private func key(_ text: String) -> [UInt8] { Array(text.utf8) }

  private func note(_ keys: inout RecentKeys, _ text: String, table: UInt32 = 0, at arrival: UInt64) {
    key(text).withUnsafeBytes { keys.note($0, table: table, arrival: arrival) }
  }

  private func has(_ keys: RecentKeys, _ text: String, table: UInt32 = 0, after arrival: UInt64) -> Bool {
    key(text).withUnsafeBytes { keys.has($0, table: table, after: arrival) }
  }

  @Test("a key counts as changed after every moment before its last change, in its own table only") func changed() {
    var keys = RecentKeys()
    note(&keys, "a", at: 5)
    note(&keys, "b", table: 1, at: 6)
    note(&keys, "a", at: 9)

    #expect(has(keys, "a", after: 4))
    #expect(has(keys, "a", after: 8))
    #expect(!has(keys, "a", after: 9))
    #expect(!has(keys, "a", table: 1, after: 4))
    #expect(has(keys, "b", table: 1, after: 5))
    #expect(!has(keys, "c", after: 0))
  }

  @Test("what is forgotten is gone, a later change of the same key stays") func forgotten() {
    var keys = RecentKeys()
    for number in 1...5000 as ClosedRange<UInt64> { note(&keys, "k\(number % 100)", at: number) }
    keys.forget(through: 4990)

    #expect(keys.count == 10)
    for number in 4991...5000 as ClosedRange<UInt64> { #expect(has(keys, "k\(number % 100)", after: 4990)) }
    #expect(!has(keys, "k50", after: 0))
    keys.forget(through: 5000)
    #expect(keys.isEmpty)
  }
}

@Suite("A scan keeps to its read capacity")
struct ReadBudgetTests {
  @Test("over a long time no more is used than is allowed, and nearly all of that", arguments: [1, 7, 100, 4000])
  func budget(unitsPerSecond: Int) {
    var now = Duration.zero
    var budget = ReadBudget(unitsPerSecond: unitsPerSecond, now: now)
    var used = 0.0
    let seconds = 1000
    while now < .seconds(seconds) {
      let delay = budget.delay(now: now)
      if delay > .zero {
        now += delay
        continue
      }
      budget.spend(128.5)
      used += 128.5
      now += .milliseconds(1)
    }

    let allowed = Double(unitsPerSecond) * Double(seconds)
    #expect(used <= allowed + Double(unitsPerSecond) + 257)
    #expect(used >= min(allowed, 128_500 * Double(seconds)) * 0.95)
  }

  @Test("idle time saves up no more than a second's worth") func idle() {
    var budget = ReadBudget(unitsPerSecond: 10, now: .zero)
    #expect(budget.delay(now: .seconds(3600)) == .zero)
    budget.spend(30)

    #expect(budget.delay(now: .seconds(3600)) > .seconds(1.9))
  }
}
