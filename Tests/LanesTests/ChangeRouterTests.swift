import Apply
import ChangeModel
import ChangeTestKit
import Lanes
import PenstockTestKit
import SQLMapping
import Testing

@Suite("Changes find their lanes by key")
struct ChangeRouterTests {
  private func lanes(
    _ count: Int, _ plans: [TablePlan], committed: [StreamPosition]? = nil
  ) -> (RoutedLanes, LaneGroup) {
    let lanes = RoutedLanes(count, plans, committed: committed)
    return (lanes, lanes.group)
  }

  /// The lane and key bytes of each change by commit LSN.
  private func places(_ group: LaneGroup) -> [UInt64: (lane: Int, key: [UInt8])] {
    var found: [UInt64: (Int, [UInt8])] = [:]
    for lane in 0..<group.laneCount {
      for (change, segment) in group.queued(lane) {
        found[change.position.commitLSN.rawValue] = (lane, [UInt8](segment.key(of: change)))
      }
    }
    return found
  }

  private static let tables: [(types: [String], key: [Int], isBinary: Bool)] = [
    (["int4", "text", "text"], [0], false), (["text", "int4", "text"], [1], true),
    (["text", "text", "int4"], [2, 0], false),
    (["text", "numeric", "bpchar"], [2, 1], false), (["int4", "int4", "text"], [1, 0], true),
  ]

  @Test("keys that may be equal in other bytes share a lane; the rest of the key still spreads them")
  func ambiguousKeys() {
    let plans = [tablePlan(["interval", "text"], key: [0]), tablePlan(["int4", "jsonb"], key: [0, 1], index: 1)]
    let (router, group) = lanes(16, plans)
    for number in 0..<100 as Range<UInt64> {
      router.route(.upsert([Cell("\(number)"), nil]), table: 0, at: at(4 * number))
      router.route(.delete([Cell("\(number)x")]), table: 0, at: at(4 * number + 1))
      router.route(.upsert([Cell("\(number)"), "a"]), table: 1, at: at(4 * number + 2))
      router.route(.delete([Cell("\(number)"), "b"]), table: 1, at: at(4 * number + 3))
    }
    router.flush()

    let places = places(group)
    #expect(Set(places.filter { $0.key % 4 < 2 }.map(\.value.lane)).count == 1)
    #expect(Set(places.filter { $0.key % 4 > 1 }.map(\.value.lane)).count > 8)
    for number in 0..<100 as Range<UInt64> {
      #expect(places[4 * number + 2]?.lane == places[4 * number + 3]?.lane)
      #expect(places[4 * number + 2]?.key != places[4 * number + 3]?.key)
    }
  }

  @Test("every kind of change of one key goes to one lane, wherever its columns stand", arguments: tables.indices)
  func sameKeySameLane(table: Int) {
    let (types, key, isBinary) = Self.tables[table]
    let plan = tablePlan(types, key: key, isBinary: isBinary)
    let (router, group) = lanes(16, [plan])
    for number in 0..<200 {
      func row(_ other: Cell) -> [Cell] {
        types.indices.map { key.contains($0) ? Cell("\(number)\($0)") : other }
      }
      let base = UInt64(number * 4)
      router.route(.upsert(row("a")), table: 0, at: at(base + 1))
      router.route(.patch(row(.unchanged)), table: 0, at: at(base + 2))
      router.route(.delete(plan.keyColumns.map { row("")[$0] }), table: 0, at: at(base + 3))
      router.route(.upsert(row(nil)), table: 0, at: at(base + 4))
    }
    router.flush()

    let places = places(group)
    #expect(places.count == 800)
    for number in 0..<200 {
      let four = (1...4).map { places[UInt64(number * 4 + $0)]! }
      #expect(Set(four.map(\.lane)).count == 1)
      #expect(Set(four.map(\.key)).count == 1)
    }
    #expect(router.router.routedCount == 800)
  }

  @Test("1.0 and 1.00 are one key, as are a padded and a bare char")
  func canonicalKeys() {
    let (router, group) = lanes(16, [tablePlan(["text", "numeric", "bpchar"], key: [1, 2])])
    router.route(.upsert(["x", "1.0", "ab"]), table: 0, at: at(1))
    router.route(.delete(["1.00", "ab  "]), table: 0, at: at(2))
    router.flush()

    let places = places(group)
    #expect(places[1]!.lane == places[2]!.lane)
    #expect(places[1]!.key == places[2]!.key)
  }

  @Test(
    "keys spread evenly over any number of lanes", arguments: [2, 3, 7, 8, 16],
    ["counting", "binary", "steps", "uuid"])
  func fairness(count lanes: Int, kind: String) {
    var random = SeededGenerator(seed: 1)
    let (router, group) = self.lanes(lanes, [tablePlan(["text", "text"], key: [0])])
    let count = 20_000
    for number in 0..<count {
      let key: Cell =
        switch kind {
        case "counting": Cell("\(number)")
        case "binary": .bytes((0..<8).map { UInt8(truncatingIfNeeded: number >> (56 - 8 * $0)) })
        case "steps": .bytes((0..<8).map { UInt8(truncatingIfNeeded: (number * 4096) >> (56 - 8 * $0)) })
        default: .bytes((0..<16).map { _ in .random(in: 0...255, using: &random) })
        }
      router.route(.upsert([key, "v"]), table: 0, at: at(UInt64(number + 1)))
    }
    router.flush()

    let counts = (0..<lanes).map { group.queued($0).count }
    let mean = Double(count) / Double(lanes)
    #expect(counts.reduce(0, +) == count)
    for found in counts { #expect(abs(Double(found) - mean) < mean * 0.12, "\(counts)") }
  }

  @Test("what a lane has committed is passed over, in that lane only")
  func committed() {
    let tables = [tablePlan(["int4", "text"], key: [0])]
    let (first, everything) = lanes(4, tables)
    let committed = [at(50), at(10), at(100), at(30)]
    let (second, rest) = lanes(4, tables, committed: committed)
    for number in 1...200 {
      for router in [first, second] {
        router.route(
          .upsert([Cell("\(number % 40)"), "v"]), table: 0, at: at(UInt64((number + 1) / 2), UInt64(number % 2 + 1)))
      }
    }
    first.flush()
    second.flush()

    for lane in 0..<4 {
      let expected = everything.queued(lane).map(\.change.position).filter { $0 > committed[lane] }
      #expect(rest.queued(lane).map(\.change.position) == expected)
      #expect(!expected.isEmpty || lane == 2)
    }
    let isCommitted = [at(10), at(10, 2)].map { second.router.isCommittedEverywhere($0) }
    #expect(isCommitted == [true, false])
  }

  @Test("changes keep their order in a lane, over many segments")
  func order() {
    let (router, group) = lanes(2, [tablePlan(["int4", "text"], key: [0])])
    let long = Cell(String(repeating: "x", count: 10_000))
    for number in 1...100 { router.route(.upsert([Cell("\(number % 5)"), long]), table: 0, at: at(UInt64(number))) }
    #expect(router.router.oldestOpen != nil)
    router.flush()

    #expect(router.router.oldestOpen == nil)
    for lane in 0..<2 {
      let positions = group.queued(lane).map(\.change.position)
      #expect(positions == positions.sorted())
    }
    #expect(group.bufferedBytes > 1_000_000)
  }

  @Test("changes of a table without a key that the load has seen are left out")
  func appliesFrom() {
    let (router, group) = lanes(1, [tablePlan(["int4", "text"], key: [], appliesFrom: LSN(5))])
    router.route(.add(["1", "a"]), table: 0, at: at(4))
    router.route(.remove(["1", "a"]), table: 0, at: at(4, 2))
    router.route(.add(["1", "b"]), table: 0, at: at(5))
    router.flush()

    #expect(group.queued(0).map(\.change.position) == [at(5)])
  }
}
