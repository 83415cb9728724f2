import Apply
import ChangeModel
import ChangeTestKit
import DSQLEmulator
import DSQLSink
import Lanes
import PenstockTestKit
import Postgres
import SQLMapping
import Testing

private let keyed = tablePlan(["int4", "text"], key: [0])
private let bag = tablePlan(["int4", "text"], key: [], index: 1, name: "b")
private let ddl = """
  CREATE TABLE t (c0 int PRIMARY KEY, c1 text); CREATE TABLE b (c0 int, c1 text);
  INSERT INTO t SELECT i, 'x' FROM generate_series(1, 7000) i; INSERT INTO b SELECT i, NULL FROM generate_series(1, 50) i
  """

@Suite("Truncation stands between the changes before and after it")
struct BarrierTests {
  @Test("all rows of its tables go, and all lanes are at its position", arguments: [false, true])
  func truncate(emulated: Bool) throws {
    var setup = Rig.Setup()
    setup.lanes = 3
    setup.envelope = .dsql(batchSize: 3000)
    if emulated { setup.emulator = { $0.faults.conflict = 0.3 } }
    let rig = try Rig(ddl, [keyed, bag], setup)
    rig.send([.upsert(["9000", "before"])])
    try rig.work()

    rig.group.begin(.truncate(tables: [0, 1], at: at(40)))
    try rig.work()
    #expect(try rig.table().isEmpty)
    #expect(try rig.table("b").isEmpty)
    #expect(try rig.state.lanes(rig.session) == [at(40), at(40), at(40)])

    rig.group.begin(.truncate(tables: [1], at: at(41)))
    try rig.work()
    #expect(try rig.state.lanes(rig.session) == [at(41), at(41), at(41)])
  }

  @Test("rows without a key go whatever their columns are called, and hold NULL", arguments: ["t", "penstock_row"])
  func names(column: String) throws {
    var mapping = tablePlan(["text", "int4"], key: [], name: "b").mapping
    mapping.columns[0].targetName = column
    let rig = try Rig("CREATE TABLE b (\(column) text, c1 int)", [])
    try rig.session.query("INSERT INTO b VALUES (NULL, 1), ('x', NULL), (NULL, NULL), (NULL, 1)")

    while try TargetTables.removeRows(of: mapping, atMost: 1, rig.session) > 0 {}

    #expect(try rig.session.query("SELECT * FROM b").values.isEmpty)
  }
}
