import AWS
import ChangeModel
@testable import DynamoDBSource
import PenstockTestKit
import Runtime
import Testing

@Suite struct StreamFollowerTests {
  @Test("what is written before and while it is followed is taken, in order") func order() async throws {
    let fixture = try StreamFixture()
    fixture.put(0..<20)
    fixture.database.setPages(records: 3)

    let follower = fixture.follower()
    let writer = Task {
      try await eventually("the first records") { fixture.consumer.ids.count >= 20 }
      fixture.put(20..<40)
    }
    let end = try await fixture.follow(follower) { $0.ids.count >= 40 }
    try await writer.value
    #expect(end == .stopped)
    #expect(fixture.consumer.ids == (0..<40).map(String.init))
  }

  @Test("nothing of a child is taken before all of its parent, through many splits") func lineage() async throws {
    let fixture = try StreamFixture(shards: 2)
    fixture.database.setPages(shards: 3, records: 4)
    fixture.database.setListing { number, shards in number % 2 == 0 ? shards.reversed() : shards }
    let follower = fixture.follower { $0.listingInterval = .milliseconds(200) }
    let writer = Task {
      for round in 0..<4 {
        fixture.put((round * 30)..<(round * 30 + 30))
        fixture.put(0..<10)
        fixture.database.split("t")
        try await Task.sleep(for: .milliseconds(30))
      }
      fixture.put(120..<150)
      for id in 0..<10 { fixture.database.delete(["id": ["S": "\(id)"]], in: "t") }
    }
    let end = try await fixture.follow(follower) { Set($0.ids).count == 150 && $0.ids.count >= 160 }
    try await writer.value

    #expect(end == .stopped)
    let taken = fixture.consumer.now
    #expect(Set(taken.records.map(\.number)).count == taken.records.count)
    // Sequence numbers rise with time on this server, so each key's must.
    for (_, records) in Dictionary(grouping: taken.records, by: \.id) {
      #expect(records.map(\.number) == records.map(\.number).sorted())
    }
    #expect(taken.ended.count >= 2 + 4 + 8 + 16)
  }

  @Test("a child is found at its parent's end, long before the next listing is due") func childDiscovery() async throws
  {
    let fixture = try StreamFixture()
    fixture.put(0..<1)
    let follower = fixture.follower()
    let latency = Shared(Duration.zero)
    let writer = Task {
      try await eventually("the first record") { fixture.consumer.ids.count == 1 }
      let start = monotonicNow()
      fixture.database.split("t", children: 1)
      fixture.put(1..<2)
      try await eventually(every: .milliseconds(2), "the child's record") { fixture.consumer.ids.count == 2 }
      latency.withLock { $0 = monotonicNow() - start }
    }
    _ = try await fixture.follow(follower) { _ in latency.withLock { $0 > .zero } }
    try await writer.value

    #expect(fixture.consumer.ids == ["0", "1"])
    #expect(latency.withLock { $0 } < .seconds(10))
    print("child found after \(latency.withLock { $0 })")
  }

  @Test("a shard with records is asked at most every call interval, and not idled on") func rate() async throws {
    let fixture = try StreamFixture()
    fixture.put(0..<12)
    fixture.database.setPages(records: 2)
    let follower = fixture.follower { settings in
      settings.callInterval = .milliseconds(50)
      settings.idleInterval = .seconds(3600)
    }
    let start = monotonicNow()
    _ = try await fixture.follow(follower) { $0.ids.count == 12 }

    let calls = fixture.database.count(of: "GetRecords")
    #expect(calls >= 6)
    #expect(monotonicNow() - start >= .milliseconds(50) * (calls - 1))
  }

  @Test("the settings' own pace is AWS's: five calls a second, idle four times") func pace() {
    let settings = StreamFollower.Settings(stream: "s", table: "t")
    #expect(settings.callInterval >= .milliseconds(200))
    #expect((Duration.milliseconds(200)...(.milliseconds(250))).contains(settings.idleInterval))
  }

  @Test("no more shards than allowed are read at the same time, and all have their turn") func bound() async throws {
    let fixture = try StreamFixture(shards: 12)
    fixture.put(0..<200)
    fixture.consumer.onTake { _ in try? await Task.sleep(for: .milliseconds(2)) }
    let follower = fixture.follower { $0.readersMax = 3 }
    _ = try await fixture.follow(follower) { $0.ids.count == 200 }

    #expect(fixture.consumer.now.takingMax <= 3)
    #expect(Set(fixture.consumer.now.records.map(\.shard)).count == 12)
  }

  @Test("a consumer that does not return holds its shard back, and no other") func backpressure() async throws {
    let fixture = try StreamFixture(shards: 2)
    fixture.put(0..<40)
    fixture.database.setPages(records: 5)
    let slow = fixture.database.openShards(of: "t")[0]
    let calls = Shared(0)
    fixture.consumer.onTake { shard in
      guard shard == slow else { return }
      calls.withLock { $0 += 1 }
      try? await Task.sleep(for: .seconds(3600))
    }
    let follower = fixture.follower { $0.drainLimit = .milliseconds(50) }
    let others = 40 - fixture.slowCount(slow)
    let end = try await fixture.follow(follower) { $0.ids.count >= others }

    #expect(end == .stopped)
    #expect(calls.withLock { $0 } == 1)
  }

  @Test("expired iterators are renewed where they were, and nothing comes twice or is missed") func expired()
    async throws
  {
    let fixture = try StreamFixture()
    fixture.database.setPages(records: 2)
    fixture.put(0..<10)
    let follower = fixture.follower()
    let count = Shared(0)
    fixture.consumer.onTake { [database = fixture.database] _ in
      if count.withLock({
        $0 += 1
        return $0 % 2 == 0 && $0 < 8
      }) {
        database.expireIterators(of: "t")
      }
    }
    _ = try await fixture.follow(follower) { $0.ids.count >= 10 }

    #expect(fixture.consumer.ids == (0..<10).map(String.init))
    #expect(fixture.database.count(of: "GetShardIterator") >= 3)
  }

  @Test("throttles, cut connections and wrong bytes are outlived") func mishaps() async throws {
    let fixture = try StreamFixture()
    fixture.database.setPages(records: 3)
    fixture.put(0..<30)
    fixture.database.next(
      "GetRecords", .refusal("LimitExceededException"), .cut, .wrongChecksum, .delay(.milliseconds(20)),
      .refusal("InternalServerError", status: 500))
    fixture.database.next("DescribeStream", .refusal("LimitExceededException"))
    fixture.database.next("GetShardIterator", .refusal("ThrottlingException"))
    _ = try await fixture.follow(fixture.follower()) { $0.ids.count >= 30 }

    #expect(fixture.consumer.ids == (0..<30).map(String.init))
    #expect(fixture.service.statistics.throttles == 3)
  }

  @Test("a failure of the consumer ends it, and so does a refusal") func failures() async throws {
    let fixture = try StreamFixture()
    fixture.put(0..<1)
    fixture.consumer.onTake { _ throws(Failure) in throw Failure(.sink, "full") }
    let failure = await #expect(throws: Failure.self) { try await fixture.follower().run() }
    #expect(failure?.message == "full")

    let refused = try StreamFixture()
    refused.database.next("GetRecords", .refusal("AccessDeniedException", message: "no"))
    let refusal = await #expect(throws: Failure.self) { try await refused.follower().run() }
    #expect(refusal?.message == "DynamoDB refuses GetRecords: AccessDeniedException: no")
    #expect(refusal?.hint.hasPrefix("Allow dynamodb:GetRecords on arn:aws:dynamodb:") == true)
    #expect(refusal?.exitCode == 3)
  }

  @Test("a stop waits until what was asked for is taken") func drain() async throws {
    let fixture = try StreamFixture()
    fixture.put(0..<5)
    let isTaking = Shared(false)
    let mayGo = Shared(false)
    fixture.consumer.onTake { _ in
      isTaking.withLock { $0 = true }
      while !mayGo.withLock({ $0 }) { try? await Task.sleep(for: .milliseconds(1)) }
    }
    let follower = fixture.follower()
    let run = Task { try await follower.run() }
    try await eventually("the first answer") { isTaking.withLock { $0 } }
    follower.stop()
    mayGo.withLock { $0 = true }

    #expect(try await run.value == .stopped)
    #expect(fixture.consumer.ids == (0..<5).map(String.init))
  }

  @Test("a stop does not wait for a listing that is not answered") func stopWhileListing() async throws {
    let fixture = try StreamFixture()
    fixture.database.next("DescribeStream", .silence)
    let follower = fixture.follower()
    let run = Task { try await follower.run() }
    try await eventually("the question") { fixture.database.count(of: "DescribeStream") == 1 }
    let start = monotonicNow()
    follower.stop()

    #expect(try await run.value == .stopped)
    // A call is given up after 30 s.
    #expect(monotonicNow() - start < .seconds(25))
  }
}

extension StreamFixture {
  /// The records of a shard.
  func slowCount(_ shard: String) -> Int { database.recordCount(of: "t", shard: shard) }
}
