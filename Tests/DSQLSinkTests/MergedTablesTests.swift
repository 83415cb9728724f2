import Apply
import ChangeModel
import ChangeTestKit
import DSQLSink
import Lanes
import PenstockTestKit
import Postgres
import Runtime
import SQLMapping
import Testing

/// Tables `a` and `b` that share `t`; their last columns hold the origin.
private func plans(_ policy: CollisionPolicy) -> [TablePlan] {
  ["a", "b"].enumerated().map { index, name in
    tablePlan(
      ["int4", "text", "text"], key: [0], index: UInt32(index), name: name,
      merging: MergeRule(policy: policy, originColumn: 2, group: 0))
  }
}

private let ddl = "CREATE TABLE t (c0 int PRIMARY KEY, c1 text, c2 text NOT NULL)"

@Suite("Lanes write rows of several tables into one")
struct MergedTablesTests {
  private func rig(
    _ policy: CollisionPolicy, emulated: Bool = false, lanes: Int = 1, rows: [[Cell]] = []
  ) throws -> Rig {
    var setup = Rig.Setup()
    setup.lanes = lanes
    if emulated {
      setup.emulator = { _ in }
      setup.envelope = .dsql(batchSize: 3000)
    }
    setup.rows = PreparedRows(Dictionary(uniqueKeysWithValues: rows.map { ([$0[0]], $0) }))
    return try Rig(ddl, plans(policy), setup)
  }

  /// Changes of `a`, of `b`, then of `a` again, with what is there in the end and how often a key was another's.
  private static let courses:
    [(
      name: String, policy: CollisionPolicy, first: [RowChange], then: [RowChange], last: [RowChange],
      rows: [[String?]], collisions: Int
    )] = [
      (
        "tables without a common key", .fail, [.upsert(["1", "a", "A1"])], [.upsert(["2", "b", "B2"])],
        [.upsert(["1", "c", "A1"])], [["1", "c", "A1"], ["2", "b", "B2"]], 0
      ),
      (
        "a key that moves from one table to the other", .fail,
        [.upsert(["1", "a", "A1"]), .delete(["1", "A1"])], [.upsert(["1", "b", "B1"])], [.delete(["1", "A1"])],
        [["1", "b", "B1"]], 0
      ),
      (
        "the later row takes the place, and the earlier one's delete removes nothing", .lastWriter,
        [.upsert(["1", "a", "A1"])], [.upsert(["1", "b", "B1"])], [.delete(["1", "A1"])], [["1", "b", "B1"]], 1
      ),
      (
        "a row that took a place and went leaves nothing", .lastWriter,
        [.upsert(["1", "a", "A1"])], [.upsert(["1", "b", "B1"]), .delete(["1", "B1"])], [], [], 1
      ),
      (
        "the row that came first stays, with its own changes", .keepFirst,
        [.upsert(["1", "a", "A1"])], [.upsert(["1", "b", "B1"]), .delete(["1", "B1"])], [.upsert(["1", "c", "A1"])],
        [["1", "c", "A1"]], 0
      ),
      (
        "what was left out stays out when the place becomes free", .keepFirst,
        [.upsert(["1", "a", "A1"])], [.upsert(["1", "b", "B1"])], [.delete(["1", "A1"])], [], 1
      ),
    ]

  @Test("to each policy its end, on PostgreSQL and on DSQL", arguments: courses.indices, [false, true])
  func course(index: Int, emulated: Bool) throws {
    let course = Self.courses[index]
    let rig = try rig(course.policy, emulated: emulated)
    for (table, changes) in [course.first, course.then, course.last].enumerated() {
      rig.send(changes, table: UInt32(table % 2))
      try rig.work()
    }

    #expect(try rig.table() == course.rows, "\(course.name)")
    #expect(rig.progress.collisions.count == course.collisions, "\(course.name)")
  }

  @Test(
    "where collisions stop the pipeline, the failure says which rows, and nothing is committed past them",
    arguments: [false, true])
  func fails(emulated: Bool) throws {
    let rig = try rig(.fail, emulated: emulated)
    rig.send([.upsert(["1", "a", "A1"]), .upsert(["2", "a", "A2"])])
    try rig.work()
    let before = try rig.laneRows()
    rig.send([.upsert(["3", "b", "B3"]), .upsert(["2", "b", "B2"])], table: 1)
    rig.send([.upsert(["4", "a", "A4"])])

    let failure = #expect(throws: Failure.self) { try rig.work() }

    #expect(failure?.message == "two source rows have the key (c0) = (2): A2 is there, B2 comes")
    #expect(failure?.location == "public.t")
    #expect(try rig.table() == [["1", "a", "A1"], ["2", "a", "A2"]])
    #expect(try rig.laneRows() == before)
  }

  @Test("a run goes on from where a collision has stopped the one before, once one of the rows is gone")
  func restart() throws {
    let rig = try rig(.fail)
    let changes: [(table: UInt32, change: RowChange)] = [
      (0, .upsert(["1", "a", "A1"])), (1, .upsert(["2", "b", "B2"])), (1, .upsert(["1", "b", "B1"])),
      (1, .patch(["1", "c", "B1"])),
    ]
    rig.send([changes[0].change])
    try rig.work()
    for change in changes.dropFirst() { rig.send([change.change], table: change.table) }
    #expect(throws: Failure.self) { try rig.work() }
    try rig.session.query("DELETE FROM t WHERE c2='A1'")

    let committed = try rig.state.lanes(rig.session)
    let lanes = RoutedLanes(1, rig.plans, committed: committed, consistentFrom: .zero)
    let worker = LaneWorker(
      lane: 0,
      context: LaneContext(
        options: rig.options, identity: rig.identity, plans: rig.plans, format: .text, group: lanes.group,
        sourceRows: rig.rows, progress: rig.progress, log: Log(level: .error), keepsTransactions: false))
    for (index, change) in changes.enumerated() {
      lanes.route(change.change, table: change.table, at: at(UInt64(index + 1)))
    }
    lanes.flush()
    while !lanes.group.isDrained { _ = try worker.turn() }

    #expect(try rig.table() == [["1", "c", "B1"], ["2", "b", "B2"]])
  }

  @Test("a part of a row that another table's row keeps out is left out too", arguments: [false, true])
  func patches(emulated: Bool) throws {
    let rig = try rig(.keepFirst, emulated: emulated, rows: [["1", "whole", "B1"]])
    rig.send([.upsert(["1", "a", "A1"])])
    try rig.work()

    rig.send([.patch(["1", .unchanged, "B1"])], table: 1)
    try rig.work()
    rig.send([.patch(["1", "d", "A1"])])
    try rig.work()

    #expect(try rig.table() == [["1", "d", "A1"]])
    #expect(rig.progress.collisions.count == 1)
  }

  @Test("TRUNCATE of one table leaves the others' rows", arguments: [false, true])
  func truncate(emulated: Bool) throws {
    let rig = try rig(.fail, emulated: emulated)
    let (a, b) = (#"["public.a","1"]"#, #"["public.b","2"]"#)
    rig.send([.upsert(["1", "a", Cell(a)])])
    rig.send([.upsert(["2", "b", Cell(b)])], table: 1)
    try rig.work()

    try SessionTarget(
      context: LaneContext(
        options: rig.options, identity: rig.identity, plans: rig.plans, format: .text, group: rig.group,
        sourceRows: rig.rows, progress: rig.progress, log: Log(level: .error), keepsTransactions: false),
      log: Log(level: .error)
    ).empty(0)

    #expect(try rig.table() == [["2", "b", b]])
  }

  @Test(
    "random changes of few keys, in lanes of a random order",
    arguments: [CollisionPolicy.lastWriter, .keepFirst], 0..<6)
  func random(policy: CollisionPolicy, seed: UInt64) throws {
    var random = SeededGenerator(seed: seed)
    let rig = try rig(policy, lanes: 3)
    var model = ModelDatabase()
    for number in 0..<300 {
      let table = Int.random(in: 0..<2, using: &random)
      let key = "\(Int.random(in: 0..<8, using: &random))"
      let origin = Cell("\(table)/\(key)")
      let change: RowChange =
        Int.random(in: 0..<3, using: &random) == 0
        ? .delete([Cell(key), origin]) : .upsert([Cell(key), Cell("\(number)"), origin])
      model.apply(change, rig.plans[table])
      rig.send([change], table: UInt32(table))
    }

    try rig.work(seed: seed)

    let wanted = model.rows.values.map { $0.map { Optional("\($0)") } }.sorted { "\($0)" < "\($1)" }
    #expect(try rig.table() == wanted, "seed \(seed)")
  }
}
