import Apply
import ChangeModel
import ChangeTestKit
import DSQLSink
import PenstockTestKit
import Postgres
import Testing

@Suite("Lanes of a first load take rows for new")
struct FreshTablesTests {
  private let plan = tablePlan(["int4", "text"], key: [0])
  private let ddl = "CREATE TABLE t (c0 int PRIMARY KEY, c1 text)"

  private func rig(_ fresh: FreshTables, emulated: Bool, isPipelined: Bool = true) throws -> Rig {
    var setup = Rig.Setup()
    setup.fresh = fresh
    setup.isPipelined = isPipelined
    if emulated {
      setup.emulator = { _ in }
      setup.envelope = .dsql(batchSize: 3000)
    }
    return try Rig(ddl, [plan], setup)
  }

  @Test(
    "and write over those that are there all the same",
    arguments: [(false, true), (false, false), (true, true)])
  func rowsThatAreThere(emulated: Bool, isPipelined: Bool) throws {
    let rig = try rig(FreshTables([true]), emulated: emulated, isPipelined: isPipelined)
    try rig.session.query("INSERT INTO t VALUES (1, 'old'), (2, 'old'), (3, 'old')")

    rig.send([.upsert(["5", "new"]), .upsert(["6", "new"])])
    try rig.work()
    rig.send([.upsert(["1", "new"]), .upsert(["7", "new"]), .delete(["2"]), .delete(["6"])])
    try rig.work()
    rig.send([.upsert(["8", "new"])])
    try rig.work()

    #expect(try rig.table() == [["1", "new"], ["3", "old"], ["5", "new"], ["7", "new"], ["8", "new"]])
  }

  @Test("but not for ever where that is wrong")
  func oftenWrong() throws {
    let rig = try rig(FreshTables([true]), emulated: false)
    // Also an INSERT that fails takes a number of the sequence, and an upsert one more.
    try rig.session.query("CREATE SEQUENCE tried; ALTER TABLE t ADD COLUMN c2 bigint DEFAULT nextval('tried')")
    let changes = 100
    for value in 0..<changes {
      rig.send([.upsert(["1", Cell("\(value)")])])
      try rig.work()
    }

    #expect(try rig.session.query("SELECT c1 FROM t").single == "\(changes - 1)")
    let tries = try rig.session.query("SELECT last_value FROM tried").single
    #expect((changes + 1...changes + 30).contains(Int(tries ?? "") ?? 0), "\(tries ?? "")")
  }

  @Test("and no longer than the load")
  func end() throws {
    let fresh = FreshTables([true])
    fresh.end()
    let rig = try rig(fresh, emulated: false)
    rig.send([.upsert(["1", "a"])])
    try rig.work()
    rig.send([.upsert(["1", "b"])])
    try rig.work()

    #expect(try rig.table() == [["1", "b"]])
  }
}
