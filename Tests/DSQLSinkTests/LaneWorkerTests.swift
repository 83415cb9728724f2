import Apply
import ChangeModel
import ChangeTestKit
import DSQLSink
import Lanes
import PenstockTestKit
import Postgres
import SQLMapping
import Testing

private let keyed = tablePlan(["int4", "text", "text"], key: [0])
private let keyedDDL = "CREATE TABLE t (c0 int PRIMARY KEY, c1 text UNIQUE, c2 text)"

@Suite("Lanes write what the source did")
struct LaneWorkerTests {
  /// Changes as a source sends them, on rows (1, a), (2, b), (3, c); the second column is unique.
  private static let scenarios: [(name: String, changes: [RowChange])] = [
    ("delete, insert, update", [.delete(["1"]), .upsert(["1", "x", nil]), .upsert(["1", "y", "z"])]),
    ("insert, delete", [.upsert(["9", "x", nil]), .delete(["9"])]),
    (
      "delete, insert, delete, insert",
      [.delete(["2"]), .upsert(["2", "b2", nil]), .delete(["2"]), .upsert(["2", "b3", nil])]
    ),
    (
      "keys swap by a third",
      [
        .delete(["1"]), .upsert(["-1", "a", "1"]), .delete(["2"]), .upsert(["1", "b", "2"]), .delete(["-1"]),
        .upsert(["2", "a", "1"]),
      ]
    ),
    (
      "a chain of keys",
      [
        .delete(["3"]), .upsert(["4", "c", "3"]), .delete(["2"]), .upsert(["3", "b", "2"]), .delete(["1"]),
        .upsert(["2", "a", "1"]),
      ]
    ),
    ("a unique value moves after a delete", [.delete(["1"]), .upsert(["7", "a", nil])]),
    ("unique values swap", [.upsert(["1", "tmp", nil]), .upsert(["2", "a", nil]), .upsert(["1", "b", nil])]),
    (
      "unique values rotate",
      [
        .upsert(["1", nil, nil]), .upsert(["2", "a", nil]), .upsert(["3", "b", nil]), .upsert(["1", "c", nil]),
      ]
    ),
    (
      "NULL is not unique",
      [.upsert(["1", nil, nil]), .upsert(["2", nil, nil]), .upsert(["5", nil, nil]), .upsert(["3", "a", nil])]
    ),
    (
      "parts of rows",
      [.patch(["1", "p", .unchanged]), .patch(["1", .unchanged, "q"]), .patch(["2", "a", .unchanged])]
    ),
    (
      "a part, then the whole, then a part",
      [
        .patch(["3", .unchanged, "x"]), .upsert(["3", "y", nil]), .patch(["3", .unchanged, "z"]),
      ]
    ),
  ]

  @Test(
    "whatever the order of lanes",
    arguments: scenarios.indices, [1, 2, 5])
  func scenario(index: Int, lanes: Int) throws {
    let initial: [[Cell]] = [["1", "a", "1"], ["2", "b", "2"], ["3", "c", "3"]]
    let changes = Self.scenarios[index].changes
    let wanted = expected(initial, changes, keyed)
    for seed in 0..<(lanes == 1 ? 1 : 4) {
      var setup = Rig.Setup()
      (setup.lanes, setup.isPipelined) = (lanes, seed != 1)
      // A serial replay completes parts of rows from the source, which is ahead.
      setup.rows = PreparedRows(
        Dictionary(uniqueKeysWithValues: wanted.map { row in ([Cell(row[0])], row.map { Cell($0) }) }))
      let rig = try Rig(keyedDDL + "; INSERT INTO t VALUES (1, 'a', 1), (2, 'b', 2), (3, 'c', 3)", [keyed], setup)

      rig.send(changes)
      try rig.work(seed: UInt64(seed))

      #expect(try rig.table() == wanted, "\(Self.scenarios[index].name), seed \(seed)")
    }
  }

  @Test("random changes of few keys with unique values, by lanes on threads of their own", arguments: 0..<6)
  func random(seed: UInt64) async throws {
    var random = SeededGenerator(seed: seed)
    var setup = Rig.Setup()
    setup.lanes = 4
    setup.envelope = Envelope(rowsMax: 12, bytesAim: 2000, bytesMax: 4000)
    let rig = try Rig(keyedDDL, [keyed], setup)
    var changes: [RowChange] = []
    var holders: [Int: Int] = [:]
    for number in 0..<400 {
      let (key, value) = (Int.random(in: 0..<12, using: &random), Int.random(in: 0..<14, using: &random))
      if let holder = holders.first(where: { $0.value == value && $0.key != key })?.key {
        changes.append(
          Bool.random(using: &random) ? .delete([Cell("\(holder)")]) : .upsert([Cell("\(holder)"), nil, nil]))
        holders[holder] = nil
      }
      changes.append(.upsert([Cell("\(key)"), Cell("\(value)"), Cell("\(number)")]))
      holders[key] = value
    }

    rig.send(changes)
    try await rig.workInParallel()

    #expect(try rig.table() == expected([], changes, keyed), "seed \(seed)")
    let counted = try rig.session.query("SELECT sum(changes) FROM penstock.lane").single
    #expect(counted == "\(changes.count)")
  }

  @Test("a serial replay larger than a transaction is written in steps, copies of keyless rows exactly once")
  func largeReplay() throws {
    let bag = tablePlan(["int4", "text"], key: [], index: 1, name: "b")
    var setup = Rig.Setup()
    setup.lanes = 3
    setup.envelope = Envelope(rowsMax: 10, bytesAim: 1000, bytesMax: 2000)
    let rig = try Rig(keyedDDL + "; CREATE TABLE b (c0 int, c1 text)", [keyed, bag], setup)
    let initial = (0..<30).map { [Cell("\($0)"), Cell("v\($0)"), nil] }
    rig.send(initial.map { .upsert($0) })
    try rig.work()
    // All values move one row on: the first is set aside.
    let moves: [RowChange] =
      [.upsert(["29", nil, nil])]
      + (0..<29).reversed().map { .upsert([Cell("\($0 + 1)"), Cell("v\($0)"), nil]) } + [.upsert(["0", "v29", nil])]
    let copies: [RowChange] = (0..<8).map { .add([Cell("\($0 % 2)"), "x"]) } + [.remove(["1", "x"])]

    rig.send(moves)
    rig.send(copies, table: 1)
    try rig.work()

    #expect(try rig.table() == expected(initial, moves, keyed))
    #expect(try rig.table("b") == expected([], copies, bag))
    #expect(rig.progress.serialReplays > 0)
  }

  @Test(
    "positions are those of the last change of each lane, and count every change")
  func positions() throws {
    var setup = Rig.Setup()
    setup.lanes = 2
    setup.envelope = Envelope(rowsMax: 1, bytesAim: 10_000, bytesMax: 10_000)
    let rig = try Rig("CREATE TABLE t (c0 int PRIMARY KEY, c1 text, c2 text)", [keyed], setup)
    rig.send((1...20).map { .upsert([Cell("\($0 % 7)"), Cell("\($0)"), nil]) })
    let queues = (0..<2).map { rig.group.queued($0).map(\.change.position) }

    _ = try rig.workers[0].turn()
    let first = try rig.laneRows()
    let reached = StreamPosition(text: first[0].split(separator: " ")[0])!
    try rig.work()

    #expect(first == ["\(reached) \(queues[0].count { $0 <= reached })", "0/0#0 0"])
    #expect(reached > .zero && reached < queues[0].last!)
    #expect(try rig.laneRows() == queues.map { "\($0.last!) \($0.count)" })
    #expect(rig.group.oldestPending == nil)
  }

  @Test("a part of a row that is there is written without asking the source")
  func patchThere() throws {
    let rig = try Rig(keyedDDL + "; INSERT INTO t VALUES (1, 'a', 'kept')", [keyed])
    rig.send([.patch(["1", "b", .unchanged])])
    try rig.work()

    #expect(try rig.table() == [["1", "b", "kept"]])
    #expect(rig.rows.askedKeys.isEmpty)
  }

  @Test("a part of a row that is missing is completed from the source; one that is gone there too is passed over")
  func patchMissing() throws {
    var setup = Rig.Setup()
    setup.rows = PreparedRows([["1"]: ["1", "new", "whole"]])
    let rig = try Rig(keyedDDL, [keyed], setup)
    rig.send([.patch(["1", "b", .unchanged]), .patch(["2", "c", .unchanged]), .upsert(["3", "d", nil])])
    try rig.work()

    #expect(try rig.table() == [["1", "new", "whole"], ["3", "d", nil]])
    #expect(rig.rows.askedKeys.sorted { "\($0)" < "\($1)" } == [["1"], ["2"]])
    #expect(try rig.laneRows() == ["0/3#1 3"])
  }

  @Test("rows that are large together are completed a few at a time", arguments: [false, true])
  func largeCompletions(collide: Bool) throws {
    let wide = (0..<20).map { [Cell("\($0)"), Cell("u\($0)"), Cell(String(repeating: "x", count: 600))] }
    var setup = Rig.Setup()
    setup.envelope = Envelope(rowsMax: 50, bytesAim: 1500, bytesMax: 3000)
    setup.rows = PreparedRows(Dictionary(uniqueKeysWithValues: wide.map { ([$0[0]], $0) }))
    // Unique values that another row holds until its delete, which the completed rows come before.
    let rig = try Rig(
      keyedDDL + (collide ? "; INSERT INTO t VALUES (100, 'u3', NULL), (101, 'u17', NULL)" : ""), [keyed], setup)
    rig.send(wide.map { .patch([$0[0], $0[1], .unchanged]) } + (collide ? [.delete(["100"]), .delete(["101"])] : []))
    try rig.work()

    #expect(try rig.table() == wide.map { $0.map { "\($0)" } }.sorted { "\($0)" < "\($1)" })
    #expect(rig.rows.largestFetch < 3000)
    #expect((rig.progress.serialReplays > 0) == collide)
    #expect(try rig.session.query("SELECT sum(changes) FROM penstock.lane").single == (collide ? "22" : "20"))
  }

  @Test("a completed row whose unique value is still elsewhere waits for its turn")
  func patchMissingDuplicate() throws {
    var setup = Rig.Setup()
    setup.rows = PreparedRows([["1"]: ["1", "taken", "whole"]])
    setup.lanes = 2
    let rig = try Rig(keyedDDL + "; INSERT INTO t VALUES (2, 'taken', NULL), (5, 'e', NULL)", [keyed], setup)
    rig.send([.patch(["1", "b", .unchanged]), .upsert(["2", "free", nil]), .delete(["5"])])
    try rig.work()

    #expect(try rig.table() == [["1", "taken", "whole"], ["2", "free", nil]])
  }

  @Test("copies of rows without a key are counted exactly")
  func bags() throws {
    let bag = tablePlan(["int4", "text"], key: [], name: "b")
    let initial: [[Cell]] = [["1", "a"], ["1", "a"], ["1", "a"], [nil, "n"], ["2", nil]]
    for isPipelined in [true, false] {
      var setup = Rig.Setup()
      setup.isPipelined = isPipelined
      let rig = try Rig(
        "CREATE TABLE b (c0 int, c1 text); INSERT INTO b VALUES (1,'a'),(1,'a'),(1,'a'),(NULL,'n'),(2,NULL)", [bag],
        setup)
      let changes: [RowChange] = [
        .remove(["1", "a"]), .add(["1", "a"]), .remove(["1", "a"]), .remove(["1", "a"]), .add([nil, "n"]),
        .remove(["2", nil]), .add(["3", "c"]), .add(["3", "c"]),
      ]
      rig.send(changes)
      try rig.work()

      #expect(try rig.table("b") == expected(initial, changes, bag))
      #expect(try rig.laneRows() == ["0/8#1 8"])
    }
  }

  @Test(
    "a value that the target refuses stops the lane, with its key and without the value; what was before it is written")
  func refused() throws {
    let rig = try Rig("CREATE TABLE t (c0 int PRIMARY KEY, c1 text CHECK (c1 <> 's3cret'), c2 text)", [keyed])
    rig.send([.upsert(["1", "ok", nil]), .upsert(["2", "s3cret", nil])])
    let failure = #expect(throws: Failure.self) { try rig.work() }

    #expect(failure?.state == "23514")
    #expect(failure?.location.hasPrefix("public.t, key {\"c0\":\"2\"} at 0/2#1") == true)
    #expect(failure?.description.contains("s3cret") == false)
    #expect(try rig.table() == [["1", "ok", nil]])
    #expect(try rig.laneRows() == ["0/1#1 1"])
  }

  @Test("a statement that cannot be prepared is prepared again once it can", arguments: [true, false])
  func failedPrepare(isPipelined: Bool) throws {
    var setup = Rig.Setup()
    setup.isPipelined = isPipelined
    let rig = try Rig("CREATE TABLE t (c0 int PRIMARY KEY, c1 text)", [keyed], setup)
    rig.send([.upsert(["1", "a", "b"])])
    let failure = #expect(throws: Failure.self) { try rig.work() }
    #expect(failure?.state == "42703")
    rig.group.finish(0, changes: 0)

    try rig.session.query("ALTER TABLE t ADD COLUMN c2 text")
    try rig.work()

    #expect(try rig.table() == [["1", "a", "b"]])
  }
}
