import Apply
import ChangeModel
import ChangeTestKit
import DSQLSink
import FullLoad
import PenstockTestKit
import Postgres
import Runtime
import SQLMapping
import Testing

@Suite("The full load writes rows of several tables into one")
struct MergedLoadTests {
  /// The tables' rows as COPY sends them, the origin last.
  private static let ddl = """
    CREATE TABLE t (c0 int PRIMARY KEY, c1 text, c2 text NOT NULL);
    CREATE TABLE a AS SELECT g AS c0, 'a' || g AS c1, 'A' || g AS c2 FROM generate_series(1, 100) AS g;
    CREATE TABLE b AS SELECT g AS c0, 'b' || g AS c1, 'B' || g AS c2 FROM generate_series(98, 200) AS g
    """

  private func plans(_ policy: CollisionPolicy) -> [TablePlan] {
    ["a", "b"].enumerated().map { index, name in
      tablePlan(
        ["int4", "text", "text"], key: [0], index: UInt32(index), name: name, isBinary: true,
        merging: MergeRule(policy: policy, originColumn: 2, group: 0))
    }
  }

  private func load(
    _ rig: Rig, _ tables: [Int], method: LoadContext.Method, _ collisions: Collisions
  ) async throws {
    let ledger = ChunkLedger(pipeline: rig.identity.pipeline)
    var chunks: [Chunk] = []
    for table in tables {
      let name = rig.plans[table].mapping.source.name
      let chunk = Chunk(table: table, number: 0, heap: name, kind: .all, bytesEstimate: 0)
      let mapping = rig.plans[table].mapping
      let state = TableState(
        sourceTable: "\(name)", targetTable: "\(mapping.target)", state: "loading", filenodes: "")
      try ledger.write([chunk], state, source: name, rig.state, rig.identity, rig.session)
      chunks.append(chunk)
    }
    let progress = LoadProgress()
    progress.begin(
      rig.plans.map(\.mapping),
      rig.plans.indices.map { table in
        chunks.filter { $0.table == table }.map { ChunkLedger.Entry(chunk: $0, isDone: false, rows: 0) }
      })
    let context = LoadContext(
      options: rig.options, identity: rig.identity, plans: rig.plans, method: method, source: rig.session.settings,
      snapshot: nil, progress: progress, collisions: collisions, log: Log(level: .error), interrupt: Wakeup())
    try await LoadCoordinator(context, chunks: chunks, overlapping: []).executeFullLoad(workers: 2)
  }

  private func rig(_ policy: CollisionPolicy, emulated: Bool) throws -> Rig {
    var setup = Rig.Setup()
    setup.envelope = Envelope(rowsMax: 30, bytesAim: 10_000, bytesMax: 20_000)
    setup.isBinary = true
    if emulated { setup.emulator = { _ in } }
    return try Rig(Self.ddl, plans(policy), setup)
  }

  @Test(
    "of rows with one key the last or the first stays, as the policy says, and they are counted",
    arguments: [(CollisionPolicy.lastWriter, ["B98", "B99", "B100"]), (.keepFirst, ["A98", "A99", "A100"])],
    [(false, LoadContext.Method.insert), (false, .copy), (true, .insert)])
  func policies(policy: (CollisionPolicy, [String]), target: (Bool, LoadContext.Method)) async throws {
    let rig = try rig(policy.0, emulated: target.0)
    let collisions = Collisions()

    try await load(rig, [0], method: target.1, collisions)
    try await load(rig, [1], method: target.1, collisions)

    let common = try rig.session.query("SELECT c2 FROM t WHERE c0 BETWEEN 98 AND 100 ORDER BY c0").values.map { $0[0] }
    #expect(common == policy.1)
    #expect(try rig.session.query("SELECT count(*) FROM t").single == "200")
    #expect(collisions.count == 3)
  }

  @Test("a load that collisions stop says which rows", arguments: [false, true])
  func fails(emulated: Bool) async throws {
    let rig = try rig(.fail, emulated: emulated)
    try await load(rig, [0], method: .insert, Collisions())

    let failure = await #expect(throws: Failure.self) { try await load(rig, [1], method: .insert, Collisions()) }

    let message = /two source rows have the key \(c0\) = \((98|99|100)\): A\1 is there, B\1 comes/
    #expect(failure?.message.wholeMatch(of: message) != nil)
    #expect(failure?.location == "public.t")
    #expect(try rig.session.query("SELECT count(*) FROM t WHERE c2 LIKE 'B%'").single == "0")
  }

  @Test("of two tables that are loaded at the same time no collision is missed", arguments: [false, true])
  func together(emulated: Bool) async throws {
    for _ in 0..<5 {
      let rig = try rig(.fail, emulated: emulated)

      let failure = await #expect(throws: Failure.self) { try await load(rig, [0, 1], method: .insert, Collisions()) }

      #expect(failure?.message.hasPrefix("two source rows have the key (c0) = ") == true)
    }
  }
}
