import Apply
import ChangeModel
import ChangeTestKit
import DSQLEmulator
import DSQLSink
import Lanes
import PenstockTestKit
import Postgres
import Runtime
import SQLMapping
import Testing

private let keyed = tablePlan(["int4", "text", "text"], key: [0])
private let bag = tablePlan(["int4", "text"], key: [], index: 1, name: "b")
/// A column that holds five characters, and refuses the rest.
private let ddl = """
  CREATE TABLE t (c0 int PRIMARY KEY, c1 varchar(5), c2 text UNIQUE); CREATE TABLE b (c0 int, c1 varchar(5))
  """

@Suite("A row that the target refuses is isolated, and goes where the policy says")
struct DeadLetterTests {
  private func setup(_ classes: Set<RowErrorClass> = Set(RowErrorClass.allCases), perMinute: Int = 100) -> Rig.Setup {
    var setup = Rig.Setup()
    setup.deadLetters = DeadLetters(classes: classes, perMinute: perMinute)
    return setup
  }

  /// `id operation position sqlstate attempts copies state key row` of every letter, but for the id.
  private func letters(_ rig: Rig) throws -> [String] {
    try rig.session.query(
      """
      SELECT concat_ws(' ', operation, position, sqlstate, attempts, copies, state, key_values, row_values)
      FROM penstock.dead_letter ORDER BY position
      """
    ).values.map { $0[0] ?? "" }
  }

  @Test("one among a thousand is parked with everything about it, in about log2(n) transactions")
  func one() throws {
    let rig = try Rig(ddl, [keyed, bag], setup())
    rig.send((1...1000).map { .upsert([Cell("\($0)"), $0 == 637 ? "too long" : "ok", nil]) })
    try rig.work()

    #expect(try rig.session.query("SELECT count(*), count(*) FILTER (WHERE c0=637) FROM t").values == [["999", "0"]])
    #expect(try rig.laneRows() == ["0/3E8#1 1000"])
    #expect(
      try letters(rig) == [#"upsert 0/27D#1 22001 1 1 parked {"c0":"637"} {"c0":"637","c1":"too long","c2":null}"#])
    let names = try rig.session.query("SELECT source_table, target_table, reason FROM penstock.dead_letter").values
    #expect(names == [["public.t", "\"public\".\"t\"", "value too long for type character varying(5)"]])
    #expect(rig.progress.transactions <= 11)
  }

  /// What the target refuses, and how it says so.
  struct Poison: Sendable, CustomTestStringConvertible {
    var name: String
    var ddl = ""
    var change = RowChange.upsert(["2", "poison", nil])
    var state: String
    var rowClass: RowErrorClass
    var isEmulated = false

    var testDescription: String { name }
  }

  private static let kinds: [Poison] = [
    Poison(name: "a value too long", state: "22001", rowClass: .data),
    Poison(
      name: "a character that no text holds", change: .upsert(["2", .bytes([0x61, 0]), nil]), state: "22021",
      rowClass: .data),
    Poison(
      name: "bytes that are no text", change: .upsert(["2", .bytes([0x61, 0xFF]), nil]), state: "22021", rowClass: .data
    ),
    Poison(
      name: "NULL", ddl: "ALTER TABLE t ALTER c1 SET NOT NULL", change: .upsert(["2", nil, nil]), state: "23502",
      rowClass: .constraint),
    Poison(
      name: "a check", ddl: "ALTER TABLE t ALTER c1 TYPE text, ADD CHECK (c1 <> 'poison')", state: "23514",
      rowClass: .constraint),
    Poison(
      name: "a foreign key, known at COMMIT only",
      ddl: """
        CREATE TABLE parent (n text PRIMARY KEY); INSERT INTO parent VALUES ('1'), ('3');
        ALTER TABLE t ALTER c1 TYPE text, ADD FOREIGN KEY (c1) REFERENCES parent DEFERRABLE INITIALLY DEFERRED
        """, state: "23503", rowClass: .constraint),
    Poison(
      name: "a row that others refer to",
      ddl: "INSERT INTO t VALUES (2); CREATE TABLE child (n int REFERENCES t); INSERT INTO child VALUES (2)",
      change: .delete(["2"]), state: "23503", rowClass: .constraint),
    Poison(
      name: "a key too large", change: .upsert(["2", "x", Cell((0..<9000).map { "\($0 &* 2_654_435_761)" }.joined())]),
      state: "54000", rowClass: .size),
    Poison(
      name: "a value over 1 MiB",
      change: .upsert(["2", "x", Cell((0..<150_000).map { "\($0 &* 2_654_435_761)" }.joined())]), state: "54000",
      rowClass: .size, isEmulated: true),
    Poison(
      name: "a row that no message can hold",
      change: .upsert(["2", "x", Cell(String(repeating: "x", count: 12 << 20))]),
      state: "54000", rowClass: .size, isEmulated: true),
  ]

  @Test("whatever the reason, by its class", arguments: kinds)
  func classes(poison: Poison) throws {
    for parks in [true, false] {
      var setup = setup(parks ? [poison.rowClass] : Set(RowErrorClass.allCases).subtracting([poison.rowClass]))
      if poison.isEmulated {
        setup.emulator = { _ in }
        setup.envelope = .dsql(batchSize: 3000)
      }
      let rig = try Rig([ddl, poison.ddl].joined(separator: ";"), [keyed, bag], setup)
      rig.send([.upsert(["1", "1", nil]), poison.change, .upsert(["3", "3", nil])])

      let failure: Failure?
      do {
        try rig.work()
        failure = nil
      } catch { failure = error as? Failure }

      if parks {
        #expect(failure == nil)
        #expect(try rig.table().map { $0[0] }.contains("3"))
        let letter = try rig.session.query("SELECT sqlstate, state, key_values FROM penstock.dead_letter").values
        #expect(letter == [[poison.state, "parked", #"{"c0":"2"}"#]])
        #expect(try rig.laneRows() == ["0/3#1 3"])
      } else {
        #expect(failure?.state?.code == poison.state)
        #expect(failure?.location == #"public.t, key {"c0":"2"} at 0/2#1"#)
        #expect(failure?.hint.isEmpty == false)
        #expect(try rig.session.query("SELECT count(*) FROM penstock.dead_letter").single == "0")
        #expect(try rig.laneRows() == ["0/1#1 1"])
      }
    }
  }

  @Test("a row of many megabytes is kept whole")
  func large() throws {
    var setup = setup()
    setup.emulator = { _ in }
    setup.envelope = .dsql(batchSize: 3000)
    let rig = try Rig(ddl, [keyed, bag], setup)
    let text = String(repeating: "grüße, ", count: 1_600_000)
    rig.send([.upsert(["1", "ok", Cell(text)]), .upsert(["2", "ok", nil])])
    try rig.work()

    let id = try rig.session.query("SELECT id FROM penstock.dead_letter").single!
    let row = try LetterStore(pipeline: "p").row(of: id, rig.session)
    #expect(row == #"{"c0":"1","c1":"ok","c2":""# + text + #""}"#)
    #expect(try rig.table() == [["2", "ok", nil]])
    #expect(
      Int(try rig.session.query("SELECT max(length(row_values)) FROM penstock.dead_letter_part").single!)! <= 524_288)
  }

  @Test("more in a minute than the limit stops the lane; none of them is lost")
  func limit() throws {
    let rig = try Rig(ddl, [keyed, bag], setup(perMinute: 3))
    rig.send((1...9).map { .upsert([Cell("\($0)"), "too long", nil]) })
    let failure = #expect(throws: Failure.self) { try rig.work() }

    #expect(failure?.message.contains("more than 3 rows in a minute") == true)
    #expect(failure?.hint.contains("dead-letter-limit") == true)
    #expect(try letters(rig).count == 3)
    #expect(try rig.laneRows() == ["0/3#1 3"])
  }

  @Test(
    "a later change of the key, whatever it is, makes the letter rest; a refused one takes its place",
    arguments: [1, 3])
  func superseded(lanes: Int) throws {
    var setup = setup()
    setup.lanes = lanes
    let rig = try Rig(ddl, [keyed, bag], setup)
    rig.send((1...4).map { .upsert([Cell("\($0)"), "too long", nil]) })
    try rig.work()
    rig.send([.upsert(["1", "fine", nil]), .delete(["2"]), .upsert(["3", "still too long", nil])])
    try rig.work()

    let states = try rig.session.query(
      "SELECT key_values, state, attempts, position FROM penstock.dead_letter ORDER BY key_values"
    ).values
    #expect(
      states == [
        [#"{"c0":"1"}"#, "superseded", "1", "0/1#1"], [#"{"c0":"2"}"#, "superseded", "1", "0/2#1"],
        [#"{"c0":"3"}"#, "parked", "2", "0/7#1"], [#"{"c0":"4"}"#, "parked", "1", "0/4#1"],
      ])
    #expect(try rig.table() == [["1", "fine", nil]])
  }

  @Test("a part of a row whose whole is parked is completed from the source")
  func patch() throws {
    var setup = setup()
    setup.rows = PreparedRows([["1"]: ["1", "new", "from the source"]])
    let rig = try Rig(ddl + "; INSERT INTO t VALUES (1, 'old', 'stale')", [keyed, bag], setup)
    rig.send([.upsert(["1", "too long", "fresh"])])
    try rig.work()
    rig.send([.patch(["1", "new", .unchanged])])
    try rig.work()

    #expect(try rig.table() == [["1", "new", "from the source"]])
    #expect(try letters(rig).allSatisfy { $0.contains("superseded") })
  }

  @Test("copies of a row without a key are parked and taken back one by one")
  func copies() throws {
    let rig = try Rig(ddl, [keyed, bag], setup())
    rig.send(
      [.add(["1", "too long"]), .add(["1", "too long"]), .add(["1", "ok"]), .add(["1", "too long"])], table: 1)
    try rig.work()
    #expect(try rig.session.query("SELECT copies, key_values FROM penstock.dead_letter").values == [["3", nil]])
    rig.send([.remove(["1", "too long"]), .remove(["1", "ok"])], table: 1)
    try rig.work()

    #expect(try rig.session.query("SELECT copies, state FROM penstock.dead_letter").values == [["2", "parked"]])
    rig.send([.remove(["1", "too long"]), .remove(["1", "too long"])], table: 1)
    try rig.work()
    #expect(try rig.session.query("SELECT copies, state FROM penstock.dead_letter").values == [["0", "superseded"]])
    #expect(try rig.table("b").isEmpty)
  }

  @Test("truncation makes the letters of its tables rest")
  func truncated() throws {
    let rig = try Rig(ddl, [keyed, bag], setup())
    rig.send([.upsert(["1", "too long", nil])])
    rig.send([.add(["1", "too long"])], table: 1)
    try rig.work()
    rig.group.begin(.truncate(tables: [0], at: at(40)))
    try rig.work()

    let states = try rig.session.query("SELECT source_table, state FROM penstock.dead_letter ORDER BY 1").values
    #expect(states == [["public.b", "parked"], ["public.t", "superseded"]])
  }

  @Test("a unique value that nobody frees is parked once the budget is spent, and the swap before it is not")
  func duplicate() throws {
    var setup = setup()
    setup.lanes = 2
    setup.retry = .init(initialDelay: .milliseconds(1), maxDelay: .milliseconds(5), maxElapsed: .milliseconds(150))
    let rig = try Rig(
      ddl + "; INSERT INTO t VALUES (1, 'a', 'one'), (2, 'b', 'two'), (9, 'other', 'taken')", [keyed, bag], setup)
    rig.send([.upsert(["1", "a", nil]), .upsert(["2", "b", "one"]), .upsert(["1", "a", "two"])])
    rig.send([.upsert(["3", "c", "taken"]), .upsert(["4", "d", "free"])])
    try rig.work()

    #expect(
      try rig.table() == [["1", "a", "two"], ["2", "b", "one"], ["4", "d", "free"], ["9", "other", "taken"]])
    #expect(try letters(rig) == [#"upsert 0/4#1 23505 1 1 parked {"c0":"3"} {"c0":"3","c1":"c","c2":"taken"}"#])
  }

  @Test("one that is left when all that came before it is there is parked at once, the rest is written")
  func realDuplicate() throws {
    var setup = setup()
    setup.lanes = 3
    setup.retry = .init(initialDelay: .milliseconds(1), maxDelay: .seconds(1), maxElapsed: .seconds(600))
    let rig = try Rig(ddl + "; INSERT INTO t VALUES (900, 'other', 'taken')", [keyed, bag], setup)
    let rows = (0..<200).map { [Cell("\($0)"), "v", Cell($0 == 120 ? "taken" : "u\($0)")] }
    rig.send(rows.map { .upsert($0) })
    let began = ContinuousClock.now
    try rig.work()

    #expect(ContinuousClock.now - began < .seconds(60))
    #expect(try rig.session.query("SELECT count(*) FROM t").single == "200")
    #expect(
      try letters(rig) == [
        #"upsert 0/79#1 23505 1 1 parked {"c0":"120"} {"c0":"120","c1":"v","c2":"taken"}"#
      ])
  }

  @Test("a refused row does not hold up unique values that change hands around it")
  func refusedInReplay() throws {
    var setup = setup()
    setup.lanes = 2
    let rig = try Rig(ddl + "; INSERT INTO t VALUES (1, 'a', 'one'), (2, 'b', 'two')", [keyed, bag], setup)
    rig.send([
      .upsert(["1", "a", nil]), .upsert(["2", "b", "one"]), .upsert(["1", "a", "two"]),
      .upsert(["5", "too long", nil]),
      .upsert(["6", "ok", nil]),
    ])
    try rig.work()

    #expect(try rig.table() == [["1", "a", "two"], ["2", "b", "one"], ["6", "ok", nil]])
    #expect(try letters(rig).count == 1)
  }

  @Test("connections cut around COMMIT and conflicts: every row is written or parked once", arguments: 0..<3)
  func faults(seed: Int) throws {
    var setup = setup(perMinute: 1000)
    setup.lanes = 2
    setup.envelope = .dsql(batchSize: 3000)
    setup.emulator = { options in
      options.faults.cutAfterCommit = 0.2
      options.faults.cutBeforeCommit = 0.2
      options.faults.conflict = 0.2
    }
    let rig = try Rig(ddl, [keyed, bag], setup)
    for portion in 0..<6 {
      rig.send((0..<8).map { .upsert([Cell("\($0 + portion * 8)"), $0 == portion ? "too long" : "ok", nil]) })
      rig.send([.add(["1", "x"]), .add(["1", "too long"]), .add(["2", "y"])], table: 1)
      try rig.work(seed: UInt64(seed * 100 + portion))
    }

    #expect(try rig.session.query("SELECT count(*) FROM t").single == "42")
    #expect(
      try rig.session.query("SELECT c1, count(*) FROM b GROUP BY c1 ORDER BY c1").values == [["x", "6"], ["y", "6"]])
    #expect(
      try rig.session.query("SELECT count(*), sum(copies) FROM penstock.dead_letter WHERE state='parked'").values
        == [["7", "12"]])
    #expect(try rig.session.query("SELECT sum(changes) FROM penstock.lane").single == "66")
  }

  @Test("a letter has the same id in whichever form its key travels")
  func ids() {
    let types = ["numeric", "float8", "text"]
    let text = tablePlan(types, key: [0, 1])
    let binary = tablePlan(types, key: [0, 1], isBinary: true)
    let textKey = wireRow(["1.50", "1e+20"])
    let binaryKey = wireRow([
      .bytes([0, 2, 0, 0, 0, 0, 0, 1, 0, 1, 0x13, 0x88]), .bytes([0x44, 0x15, 0xAF, 0x1D, 0x78, 0xB5, 0x8C, 0x40]),
    ])

    #expect(text.letterID(key: textKey) == binary.letterID(key: binaryKey))
    #expect(text.letterID(key: textKey) == text.letterID(key: wireRow(["1.5", "1e20"])))
    #expect(text.letterID(key: textKey) != text.letterID(key: wireRow(["1.51", "1e20"])))
    #expect(text.letterID(key: textKey).count == 24)
  }
}
