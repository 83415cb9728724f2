import Apply
import ChangeModel
import ChangeTestKit
import DSQLEmulator
import DSQLSink
import FullLoad
import Lanes
import PenstockTestKit
import Postgres
import Runtime
import SQLMapping
import Testing

private let keyed = tablePlan(["int4", "text"], key: [0])
private let bag = tablePlan(["int4", "text"], key: [], index: 1, name: "b")
private let ddl = "CREATE TABLE t (c0 int PRIMARY KEY, c1 text); CREATE TABLE b (c0 int, c1 text)"

@Suite("A COMMIT whose answer was lost is found out, not guessed")
struct LostAnswerTests {
  /// Changes of both tables, sent in portions so that there are many transactions.
  private func run(_ setup: Rig.Setup, portions: Int = 16) async throws -> Rig {
    let rig = try Rig(ddl, [keyed, bag], setup)
    for portion in 0..<portions {
      rig.send((0..<5).map { .upsert([Cell("\(($0 + portion) % 9)"), Cell("\(portion)")]) })
      rig.send([.add(["1", "x"]), .add([Cell("\(portion)"), "y"])], table: 1)
      if portion % 4 == 3 { rig.send([.remove(["1", "x"])], table: 1) }
      try rig.work(seed: UInt64(portion))
    }
    return rig
  }

  @Test(
    "connections cut around COMMIT, refused ones, conflicts: every change is applied once",
    arguments: ["after", "before", "both", "conflicts", "all"], [true, false])
  func faults(kind: String, isPipelined: Bool) async throws {
    var setup = Rig.Setup()
    (setup.lanes, setup.isPipelined) = (2, isPipelined)
    setup.envelope = .dsql(batchSize: 3000)
    setup.emulator = { options in
      if ["after", "both", "all"].contains(kind) { options.faults.cutAfterCommit = 0.3 }
      if ["before", "both", "all"].contains(kind) { options.faults.cutBeforeCommit = 0.2 }
      if ["conflicts", "all"].contains(kind) { options.faults.conflict = 0.4 }
      if kind == "all" {
        options.faults.refuseConnect = 0.2
        options.faults.unavailable = 0.05
      }
    }
    let rig = try await run(setup)

    #expect(try rig.table().count == 9)
    #expect(try rig.session.query("SELECT count(*) FROM b WHERE c1='x'").single == "12")
    #expect(try rig.session.query("SELECT count(*) FROM b WHERE c1='y'").single == "16")
    #expect(try rig.session.query("SELECT sum(changes) FROM penstock.lane").single == "116")
    if kind == "conflicts" { #expect(rig.progress.conflicts > 0) }
  }

  @Test("a transaction that commits only after we had looked is not written twice")
  func lateCommit() throws {
    let rig = try Rig(ddl, [keyed, bag])
    rig.send([.add(["1", "x"]), .add(["1", "x"]), .add(["1", "x"])], table: 1)
    func batch(_ count: Int) -> FoldedBatch {
      var batch = FoldedBatch(envelope: rig.options.envelope)
      for (change, segment) in rig.group.queued(0).prefix(count) { _ = batch.add(change, of: segment) }
      return batch
    }
    var writer = BatchWriter(
      plans: rig.plans, catalog: StatementCatalog(rig.plans, format: .text), identity: rig.identity, isPipelined: true)
    func write(_ count: Int) throws -> WriteOutcome? {
      let batch = batch(count)
      let receipt = LaneReceipt(lane: 0, position: batch.position, after: .zero, changes: batch.changeCount)
      return try writer.write(batch, receipts: [receipt], mode: .guarded, on: rig.session)
    }

    for _ in 0..<2 {
      guard case .committed = try write(2) else { return #expect(Bool(false)) }
    }
    // Nor is a part of it, nor what has it as a part.
    for count in [1, 3] {
      if let outcome = try write(count) { #expect(Bool(false), "\(outcome)") }
    }

    #expect(try rig.table("b").count == 2)
    #expect(try rig.laneRows() == ["0/2#1 2"])
  }

  @Test("a chunk's mark moves only from where it was when its rows were sent")
  func lateChunk() throws {
    let rig = try Rig(ddl, [keyed, bag])
    let ledger = ChunkLedger(pipeline: "p")
    let table = TableName("public", "b")
    let chunk = Chunk(table: 1, number: 0, heap: table, kind: .ctid, bytesEstimate: 0)
    try ledger.replace([chunk], source: table, rig.state, rig.identity, rig.session)
    func mark(_ rows: Int, after committed: Int) throws {
      try rig.session.query(
        ChunkLedger.markSQL,
        ledger.markParameters(
          chunk, source: table, isDone: false, rows: rows, after: committed, epoch: rig.identity.epoch))
    }
    try mark(100, after: 0)
    for rows in [50, 100, 150] {
      let failure = #expect(throws: Failure.self) { try mark(rows, after: 0) }
      #expect(failure?.state == "22012")
    }
    try mark(150, after: 100)

    #expect(try ledger.progress(chunk, source: table, rig.session).rows == 150)
  }

  @Test("a table of which nothing is known is written with its chunks in one transaction, also when its answer is lost")
  func firstChunks() throws {
    let rig = try Rig(ddl, [keyed, bag])
    let ledger = ChunkLedger(pipeline: "p")
    let table = TableName("public", "b")
    let chunks = (0..<3).map { Chunk(table: 1, number: $0, heap: table, kind: .ctid, bytesEstimate: 0) }
    let state = TableState(sourceTable: "public.b", targetTable: "public.b", state: "loading", filenodes: "1")
    try ledger.writeFirst(chunks, state, source: table, rig.state, rig.identity, rig.session)
    let writers = """
      SELECT string_agg(DISTINCT x, ' ') FROM (SELECT xmin::text AS x FROM penstock.chunk
      UNION ALL SELECT xmin::text FROM penstock.table_state) AS w
      """
    #expect(try rig.session.query(writers).single?.contains(" ") == false)

    try ledger.write(chunks, state, source: table, rig.state, rig.identity, rig.session)
    #expect(try ledger.read(table: 1, source: table, rig.session).map(\.chunk) == chunks)
    #expect(try rig.state.tables(rig.session) == [state])
  }

  @Test("a catalog that changes meanwhile costs a try and nothing else", arguments: [true, false])
  func catalogChanges(isPipelined: Bool) throws {
    var setup = Rig.Setup()
    setup.isPipelined = isPipelined
    setup.envelope = .dsql(batchSize: 3000)
    setup.emulator = { _ in }
    let rig = try Rig(ddl, [keyed, bag], setup)
    let other = try Connection(rig.options.connection)
    for round in 0..<4 {
      rig.send([.upsert([Cell("\(round)"), "v"])])
      rig.send([.add([Cell("\(round)"), "x"])], table: 1)
      try rig.work()
      try other.query("CREATE TABLE other\(round) (n int PRIMARY KEY)")
    }

    #expect(rig.progress.conflicts > 0)
    #expect(try rig.table().count == 4)
    #expect(try rig.table("b").count == 4)
  }

  @Test("a cluster that wakes up is waited for")
  func waking() throws {
    var setup = Rig.Setup()
    setup.envelope = .dsql(batchSize: 3000)
    setup.emulator = { $0.wakingConnects = 5 }
    let rig = try Rig(ddl, [keyed, bag], setup)
    rig.send([.upsert(["1", "v"])])
    try rig.work()

    #expect(try rig.table() == [["1", "v"]])
  }

  @Test("a session that is killed in the middle of a transaction is replaced")
  func killed() async throws {
    let rig = try Rig(ddl + "; INSERT INTO t VALUES (1, 'old')", [keyed, bag])
    let holder = try Connection(rig.session.settings)
    try holder.query("BEGIN; UPDATE t SET c1='held' WHERE c0=1")
    rig.send([.upsert(["1", "new"]), .upsert(["2", "new"])])
    // The lanes have sessions of their own; the rig's is used here alone.
    nonisolated(unsafe) let lanes = rig
    async let worked: Void = lanes.workInParallel()
    // Looked for outside the holder's transaction, which would see the same picture each time.
    let waiting = "SELECT pid FROM pg_stat_activity WHERE datname=current_database() AND wait_event_type='Lock'"
    do {
      try await eventually("the lane to wait for the row") { try rig.session.query(waiting).count == 1 }
      try rig.session.query("SELECT pg_terminate_backend(pid, 10000) FROM (\(waiting)) AS held")
      try await eventually("the lane to try again") { try rig.session.query(waiting).count == 1 }
      try holder.query("ROLLBACK")
    } catch {
      // Else the lane would wait for ever.
      try holder.query("ROLLBACK")
      throw error
    }
    try await worked

    #expect(try rig.table() == [["1", "new"], ["2", "new"]])
    #expect(try rig.laneRows() == ["0/2#1 2"])
  }

  @Test("a batch that the target finds too large is cut until it fits")
  func tooLarge() throws {
    var setup = Rig.Setup()
    setup.envelope = .postgres(batchSize: 100_000)
    setup.emulator = { _ in }
    let rig = try Rig(ddl, [keyed, bag], setup)
    rig.send((0..<7000).map { .upsert([Cell("\($0)"), "v"]) })
    try rig.work()

    #expect(try rig.session.query("SELECT count(*) FROM t").single == "7000")
    #expect(rig.progress.transactions >= 3)
    #expect(rig.progress.changes == 7000)
  }

  @Test("a row without a key that has too many copies to lose one says so")
  func tooManyCopies() throws {
    var setup = Rig.Setup()
    setup.envelope = .dsql(batchSize: 3000)
    setup.emulator = { _ in }
    let rig = try Rig(ddl + "; INSERT INTO b SELECT 1, 'x' FROM generate_series(1, 2000)", [keyed, bag], setup)
    rig.send([.remove(["1", "x"])], table: 1)
    let failure = #expect(throws: Failure.self) { try rig.work() }

    #expect(failure?.state == "54000")
    #expect(failure?.hint.contains("Give the table a primary key at the source") == true)
    #expect(try rig.session.query("SELECT count(*) FROM b").single == "2000")
  }

  @Test("a lone row that the target cannot hold is an error that names its table")
  func tooLargeRow() throws {
    let refusal = """
      ; CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        IF length(NEW.c1) > 1000 THEN RAISE 'maximum row size exceeded' USING ERRCODE = '54000'; END IF; RETURN NEW;
      END $$; CREATE TRIGGER refuse BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION refuse()
      """
    let rig = try Rig(ddl + refusal, [keyed, bag])
    rig.send([.upsert(["1", "a"]), .upsert(["2", Cell(String(repeating: "x", count: 3000))]), .upsert(["3", "c"])])
    let failure = #expect(throws: Failure.self) { try rig.work() }

    #expect(failure?.state == "54000")
    #expect(failure?.location == "public.t, key {\"c0\":\"2\"} at 0/2#1")
    #expect(try rig.table() == [["1", "a"]])
  }

  @Test("a failure that cannot pass is not tried again, and one that can is, until the budget is spent")
  func budget() throws {
    var setup = Rig.Setup()
    setup.retry = .init(initialDelay: .milliseconds(1), maxDelay: .milliseconds(5), maxElapsed: .milliseconds(100))
    setup.emulator = { $0.faults.cutBeforeCommit = 1 }
    let rig = try Rig(ddl, [keyed, bag], setup)
    rig.send([.upsert(["1", "v"])])
    let failure = #expect(throws: Failure.self) { try rig.work() }

    #expect(failure?.isTransient == true)
    #expect(failure?.exitCode == 4)
    #expect(try rig.table().isEmpty)
  }
}
