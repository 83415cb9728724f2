import AWS
import ChangeModel
@testable import DynamoDBSource
import PenstockTestKit
import Runtime
import Testing

@Suite struct StreamEndTests {
  @Test("a restart goes on after the last record taken, and reads no ended shard again") func restart() async throws {
    let fixture = try StreamFixture()
    fixture.put(0..<10)
    fixture.database.split("t")
    fixture.put(10..<30)
    _ = try await fixture.follow(fixture.follower()) { $0.ids.count == 30 }
    let positions = fixture.consumer.now.positions
    fixture.put(30..<40)
    fixture.database.split("t")
    fixture.put(40..<60)

    _ = try await fixture.follow(fixture.follower(positions: positions)) { $0.ids.count >= 60 }
    #expect(fixture.consumer.ids.count == 60)
    #expect(Set(fixture.consumer.ids) == Set((0..<60).map(String.init)))
  }

  @Test("a position whose records are trimmed is an end with a name, and never a jump") func trimmed() async throws {
    let fixture = try StreamFixture()
    fixture.put(0..<3)
    _ = try await fixture.follow(fixture.follower()) { $0.ids.count == 3 }
    let positions = fixture.consumer.now.positions
    fixture.put(3..<6)
    fixture.database.trim("t")
    fixture.put(6..<9)

    let end = try await fixture.follower(positions: positions).run()
    let shard = fixture.database.openShards(of: "t")[0]
    #expect(end == .trimmed(shard: shard))
    #expect(fixture.consumer.ids.count == 3)
    let failure = end.failure(table: "t", stream: "arn")
    #expect(failure?.message == "position trimmed: changes of table t are gone that were not read within 24 hours")
    #expect(failure?.location == "arn, shard \(shard)")
    #expect(failure?.hint == "The table needs to be loaded again.")
    #expect(failure?.exitCode == 3)
  }

  @Test("records that go while they are waited for end it too") func trimmedLater() async throws {
    let fixture = try StreamFixture()
    fixture.put(0..<2)
    fixture.consumer.onTake { [database = fixture.database] _ in
      database.put(["id": ["S": "unread"]], in: "t")
      database.trim("t")
    }

    let end = try await fixture.follower().run()
    #expect(end == .trimmed(shard: fixture.database.openShards(of: "t")[0]))
  }

  @Test("records that go before the first is read are not missed where everything that is there is wanted")
  func horizon()
    async throws
  {
    let fixture = try StreamFixture()
    fixture.put(0..<2)
    fixture.database.next("GetRecords", .refusal("TrimmedDataAccessException"))
    let end = try await fixture.follow(fixture.follower()) { $0.ids.count == 2 }
    #expect(end == .stopped)
  }

  @Test("a shard that is gone with its position is a gap") func shardGone() async throws {
    let fixture = try StreamFixture()
    fixture.put(0..<3)
    let shard = fixture.database.openShards(of: "t")[0]
    fixture.database.split("t")
    fixture.database.trim("t", forgettingShards: true)

    let end = try await fixture.follower(positions: [shard: .after("100000000000000001001")]).run()
    #expect(end == .trimmed(shard: shard))
  }

  @Test("positions that nobody kept up for a day are a gap, whatever the stream says") func dayOld() async throws {
    let fixture = try StreamFixture()
    let shard = fixture.database.openShards(of: "t")[0]
    let follower = fixture.follower(positions: [shard: .trimHorizon]) { $0.positionsAsOf = .now + -90_000 }

    #expect(try await follower.run() == .trimmed(shard: shard))
    #expect(fixture.database.count(of: "GetRecords") == 0)
    let since = fixture.follower(start: .since(.now + -90_000))
    #expect(try await since.run() == .trimmed(shard: shard))
  }

  @Test("a disabled stream is read to its end, and the one that replaced it is named") func disabled() async throws {
    let fixture = try StreamFixture(shards: 3)
    fixture.put(0..<30)
    let old = fixture.database.stream(of: "t")
    let follower = fixture.follower { $0.listingInterval = .milliseconds(100) }
    let run = Task { try await follower.run() }
    try await eventually("some records") { fixture.consumer.ids.count > 0 }
    fixture.database.disableStream("t")
    fixture.database.enableStream("t")
    fixture.put(30..<40)

    let new = fixture.database.stream(of: "t")
    #expect(new != old)
    let end = try await run.value
    #expect(end == .disabled(replacement: new))
    #expect(Set(fixture.consumer.ids) == Set((0..<30).map(String.init)))
    #expect(end.failure(table: "t", stream: old)?.message == "the stream of table t was disabled; it now has \(new)")
  }

  @Test("a stream that is gone is told from one that never was replaced") func gone() async throws {
    let fixture = try StreamFixture()
    let follower = fixture.follower()
    let run = Task { try await follower.run() }
    try await eventually("an answer") { fixture.database.count(of: "GetRecords") > 0 }
    fixture.database.dropTable("t")
    #expect(try await run.value == .gone(replacement: nil))

    let other = try StreamFixture()
    let late = other.follower { $0.stream = "arn:aws:dynamodb:eu-central-1:123456789012:table/t/stream/none" }
    #expect(try await late.run() == .gone(replacement: other.database.stream(of: "t")))
  }

  @Test("it has caught up with a moment when every shard has said so after it") func caughtUp() async throws {
    let fixture = try StreamFixture(shards: 3)
    fixture.put(0..<30)
    let mayTake = Shared(false)
    fixture.consumer.onTake { _ in
      while !mayTake.withLock({ $0 }) { try? await Task.sleep(for: .milliseconds(1)) }
    }
    let follower = fixture.follower()
    #expect(!follower.hasCaughtUp(with: .zero))
    let run = Task { try await follower.run() }
    try await eventually("the readers") { fixture.consumer.now.taking == 3 }
    let moment = monotonicNow()
    #expect(!follower.hasCaughtUp(with: moment))
    mayTake.withLock { $0 = true }
    try await eventually("the end of what is there") { follower.hasCaughtUp(with: moment) }

    #expect(fixture.consumer.ids.count == 30)
    #expect(!follower.hasCaughtUp(with: monotonicNow() + .seconds(60)))
    #expect(fixture.database.count(of: "DescribeStream") >= 2)
    fixture.database.split("t")
    fixture.put(30..<60)
    let later = monotonicNow()
    try await eventually("the children") { follower.hasCaughtUp(with: later) }
    #expect(fixture.consumer.ids.count == 60)
    follower.stop()
    #expect(try await run.value == .stopped)
  }

  @Test("how old the unread records may be is known for each shard") func age() async throws {
    let fixture = try StreamFixture()
    let now = UnixTime.now
    fixture.database.setClock { Int(now.seconds) - 3600 }
    fixture.put(0..<4)
    fixture.database.setPages(records: 2)
    let pages = Shared(0)
    fixture.consumer.onTake { _ in
      let page = pages.withLock {
        $0 += 1
        return $0
      }
      while page == 2, pages.withLock({ $0 }) < 100 { try? await Task.sleep(for: .milliseconds(1)) }
    }
    let follower = fixture.follower()
    let run = Task { try await follower.run() }
    try await eventually("the first page") { follower.progress.reading.first?.newestCreation != nil }

    #expect(follower.progress.reading.first?.unreadSeconds(now: now) == 3600)
    #expect(follower.progress.secondsLeft(now: now) == 86_400 - 3600)
    pages.withLock { $0 = 100 }
    try await eventually("an empty page") { follower.progress.reading.first?.isIdle == true }
    #expect(follower.progress.reading.first?.unreadSeconds(now: now) == 0)
    follower.stop()
    _ = try await run.value
  }
}
