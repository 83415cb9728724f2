import AWS
@testable import DynamoDBSource
import Testing

@Suite struct ShardLineageTests {
  /// What is begun now, in order.
  private func turns(_ lineage: inout ShardLineage, now: Duration = .zero) -> [String] {
    var shards: [String] = []
    while let turn = lineage.begin(now: now) { shards.append(turn.shard) }
    return shards
  }

  private static func shard(_ id: String, _ parent: String? = nil, last: String? = nil) -> StreamShard {
    StreamShard(id: id, parent: parent, firstSequenceNumber: "1", lastSequenceNumber: last)
  }

  private let family = [
    shard("a", last: "9"), shard("b", "a", last: "19"), shard("c", "a"), shard("d", "b"), shard("e", "b"),
  ]

  @Test("a child's turn comes when its parent has ended", arguments: [false, true]) func order(isReversed: Bool) {
    var lineage = ShardLineage(start: .trimHorizon)
    _ = lineage.learn(isReversed ? family.reversed() : family, now: .zero)

    #expect(turns(&lineage) == ["a"])
    lineage.end("a")
    #expect(turns(&lineage) == ["b", "c"])
    #expect(lineage.phase(of: "d") == .pending)
    lineage.end("b")
    #expect(turns(&lineage) == ["d", "e"])
    #expect(lineage.count(.reading) == 3)
  }

  @Test("a shard whose parent is trimmed begins when a second listing has not shown it either") func trimmedParent() {
    var lineage = ShardLineage(start: .trimHorizon)
    _ = lineage.learn([Self.shard("b", "a")], now: .zero)
    #expect(turns(&lineage) == [])
    #expect(lineage.listingDue == ShardLineage.listingGap)

    _ = lineage.learn([Self.shard("b", "a")], now: .milliseconds(100))
    #expect(turns(&lineage) == ["b"])
    #expect(lineage.listingDue == .milliseconds(30_100))
  }

  @Test("a parent that the first listing forgot is read before its child") func forgottenParent() {
    var lineage = ShardLineage(start: .trimHorizon)
    _ = lineage.learn([Self.shard("b", "a")], now: .zero)
    #expect(turns(&lineage) == [])
    _ = lineage.learn([Self.shard("b", "a"), Self.shard("a", last: "9")], now: .seconds(1))

    #expect(turns(&lineage) == ["a"])
    lineage.end("a")
    #expect(turns(&lineage) == ["b"])
  }

  @Test("a shard that ends without a listed child is asked for at once, then less often, then no more") func childless()
  {
    var lineage = ShardLineage(start: .trimHorizon)
    _ = lineage.learn([Self.shard("a")], now: .zero)
    _ = turns(&lineage)
    lineage.end("a")
    #expect(lineage.expectsChildren)
    #expect(lineage.listingDue == .milliseconds(100))

    var now = Duration.zero
    var waits: [Duration] = []
    for _ in 0..<12 {
      waits.append(lineage.listingDue - now)
      now = lineage.listingDue
      _ = lineage.learn([Self.shard("a", last: "9")], now: now)
    }
    #expect(waits[..<4] == [.milliseconds(100), .milliseconds(100), .milliseconds(200), .milliseconds(400)])
    #expect(waits[10] == .seconds(1))
    #expect(waits[11] == .seconds(30))
    #expect(!lineage.expectsChildren)

    _ = lineage.learn([Self.shard("a", last: "9"), Self.shard("b", "a")], now: now)
    #expect(turns(&lineage) == ["b"])
  }

  @Test("what is there is complete only by a listing that is new enough and shows what is read as open") func complete()
  {
    var lineage = ShardLineage(start: .trimHorizon)
    _ = lineage.learn([Self.shard("a")], now: .seconds(5))
    #expect(!lineage.isComplete(since: .zero))
    _ = turns(&lineage)
    #expect(lineage.isComplete(since: .seconds(5)))
    #expect(!lineage.isComplete(since: .seconds(6)))

    lineage.askForListing()
    #expect(lineage.listingDue == .seconds(5) + ShardLineage.listingGap)
    _ = lineage.learn([Self.shard("a", last: "9"), Self.shard("b", "a")], now: .seconds(7))
    #expect(!lineage.isComplete(since: .seconds(6)))
    lineage.end("a")
    #expect(!lineage.isComplete(since: .seconds(6)))
    _ = turns(&lineage)
    #expect(lineage.isComplete(since: .seconds(6)))
    #expect(lineage.listingDue == .seconds(37))
  }

  @Test("a disabled stream is finished when its last shard has ended") func disabled() {
    var lineage = ShardLineage(start: .trimHorizon)
    _ = lineage.learn([Self.shard("a", last: "9")], isDisabled: true, now: .zero)
    #expect(!lineage.isFinished)
    _ = turns(&lineage)
    lineage.end("a")

    #expect(lineage.isFinished)
    #expect(!lineage.expectsChildren)
  }

  @Test("the latest records of a new stream are those of its open shards; what comes later is read whole") func latest()
  {
    var lineage = ShardLineage(start: .latest)
    _ = lineage.learn(family, now: .zero)

    var positions: [String: ShardPosition] = [:]
    while let turn = lineage.begin(now: .zero) { positions[turn.shard] = turn.position }
    #expect(positions == ["c": .latest, "d": .latest, "e": .latest])
    lineage.end("c")
    _ = lineage.learn(family + [Self.shard("f", "c")], now: .seconds(1))
    #expect(lineage.begin(now: .zero)?.position == .trimHorizon)
  }

  @Test("a start at a moment holds for the shards of the first listing") func since() {
    let moment = UnixTime(seconds: 1_700_000_000)
    var lineage = ShardLineage(start: .since(moment))
    _ = lineage.learn([Self.shard("a")], now: .zero)
    #expect(lineage.begin(now: .zero) == .init(shard: "a", position: .since(moment), waited: .zero))
    lineage.end("a")
    _ = lineage.learn([Self.shard("a"), Self.shard("b", "a")], now: .seconds(5))
    #expect(lineage.begin(now: .seconds(8)) == .init(shard: "b", position: .trimHorizon, waited: .seconds(3)))
  }

  @Test("stored positions are read on, and what came before them is not read again") func resumed() {
    var lineage = ShardLineage(positions: ["b": .after("15"), "c": .done], start: .latest)
    _ = lineage.learn(family + [Self.shard("f", "c")], now: .zero)

    var positions: [String: ShardPosition] = [:]
    while let turn = lineage.begin(now: .zero) { positions[turn.shard] = turn.position }
    #expect(positions == ["b": .after("15"), "f": .trimHorizon])
    #expect(lineage.phase(of: "a") == .ended)
  }

  @Test("a position at the end of a closed shard is its end", arguments: [("19", true), ("18", false), ("100", true)])
  func positionAtEnd(number: String, isEnded: Bool) {
    var lineage = ShardLineage(positions: ["b": .after(number)], start: .latest)
    _ = lineage.learn([Self.shard("b", last: "19")], now: .zero)

    #expect((lineage.phase(of: "b") == .ended) == isEnded)
  }

  @Test("a stored position whose shard two listings don't show is a gap") func vanished() {
    var lineage = ShardLineage(positions: ["x": .after("5")], start: .latest)
    #expect(lineage.learn([Self.shard("y")], now: .zero).gap == nil)
    #expect(lineage.learn([Self.shard("y")], now: .seconds(1)).gap == .vanished("x"))
  }

  @Test("a shard whose ancestors nobody has read is a gap, once something is stored") func unconnected() {
    var lineage = ShardLineage(positions: ["x": .done], start: .latest)
    #expect(lineage.learn([Self.shard("z", "y")], now: .zero).gap == nil)
    #expect(lineage.learn([Self.shard("z", "y")], now: .seconds(1)).gap == .unconnected("z"))
  }

  @Test("a parent that is listed only after its child was begun is a gap") func late() {
    var lineage = ShardLineage(start: .trimHorizon)
    _ = lineage.learn([Self.shard("b", "a")], now: .zero)
    _ = lineage.learn([Self.shard("b", "a")], now: .seconds(1))
    #expect(turns(&lineage) == ["b"])

    #expect(lineage.learn([Self.shard("a"), Self.shard("b", "a")], now: .seconds(2)).gap == .late("a"))
    #expect(turns(&lineage) == [])
  }

  @Test("an ended shard is forgotten a day after the last listing that showed it, and not begun again before")
  func forgotten() {
    var lineage = ShardLineage(start: .trimHorizon)
    _ = lineage.learn([Self.shard("a")], now: .zero)
    _ = turns(&lineage)
    lineage.end("a")
    let child = [Self.shard("b", "a")]
    #expect(lineage.learn(child, now: .seconds(60)).forgotten == [])
    _ = lineage.learn(child + [Self.shard("a")], now: .seconds(120))
    #expect(turns(&lineage) == ["b"])

    #expect(lineage.learn(child, now: .seconds(180)).forgotten == [])
    #expect(lineage.learn(child, now: .seconds(180 + 86_399)).forgotten == [])
    #expect(lineage.learn(child, now: .seconds(180 + 86_400)).forgotten == ["a"])
    #expect(lineage.phase(of: "a") == nil)
    #expect(lineage.phase(of: "b") == .reading)
  }
}
