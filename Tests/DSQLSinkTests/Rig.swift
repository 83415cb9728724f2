import AWS
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
import Synchronization

/// Source rows that a test prepares, and the keys that were asked for.
final class PreparedRows: SourceRows {
  private let rows: [[Cell]: [Cell]]
  private let asked = Mutex<[[Cell]]>([])
  private let largest = Mutex(0)

  init(_ rows: [[Cell]: [Cell]] = [:]) { self.rows = rows }

  var askedKeys: [[Cell]] { asked.withLock { $0 } }
  /// Bytes of the rows that were held together, at most.
  var largestFetch: Int { largest.withLock { $0 } }

  func fetch(
    _ plan: TablePlan, after transactions: [UInt32], keys: [[UInt8]], into bytes: inout ByteBuffer,
    _ placed: (Int, Range<Int>) -> Bool
  ) throws(Failure) {
    for (index, key) in keys.enumerated() {
      let parts = key.withUnsafeBytes { cells($0, columns: plan.keyColumns.count) } ?? []
      asked.withLock { $0.append(parts) }
      guard let row = rows[parts] else { continue }
      let start = bytes.count
      bytes.append(wireRow(row))
      largest.withLock { $0 = max($0, bytes.count) }
      if !placed(index, start..<bytes.count) { return }
    }
  }

  func endOfLog() -> LSN { .zero }
  func closeIfIdle() {}
}

/// A target database with tables, state and lanes, fed by hand.
final class Rig {
  let plans: [TablePlan]
  let options: SinkOptions
  let identity: WriterIdentity
  let lanes: RoutedLanes
  var group: LaneGroup { lanes.group }
  let progress = ApplyProgress()
  let rows: PreparedRows
  let state = StateStore(pipeline: "p")
  var pool: SinkPool { options.pool }
  /// A plain session with the database, past any emulator.
  let session: Connection
  let workers: [LaneWorker]
  private let emulator: Emulator?
  private var lsn: UInt64 = 0
  private var ordinal: UInt64 = 0

  struct Setup {
    var lanes = 1
    var envelope = Envelope.postgres(batchSize: 5000)
    var isPipelined = true
    var pool = PoolState.Limits(maxSize: 20, lifetime: .seconds(600))
    var limiter = ConcurrencyLimiter(.init(most: 64))
    var isBinary = false
    var bytesMax = 64 << 20
    var rows = PreparedRows()
    var fresh: FreshTables?
    var deadLetters = DeadLetters(classes: [], perMinute: 0)
    var retry = Backoff.Limits(initialDelay: .milliseconds(1), maxDelay: .milliseconds(20), maxElapsed: .seconds(300))
    /// Put an emulated DSQL with these faults before the database.
    var emulator: ((inout EmulatorOptions) -> Void)?
  }

  /// - Parameter ddl: what makes the tables of `plans`.
  init(_ ddl: String, _ plans: [TablePlan], _ setup: Setup = Setup()) throws {
    let cluster = try TestCluster.shared
    let database = try Rig.free.withLock { $0.popLast() } ?? cluster.createDatabase()
    self.plans = plans
    rows = setup.rows
    let direct = ConnectionSettings(
      role: .sink,
      parameters: [("host", "127.0.0.1"), ("port", "\(cluster.port)"), ("user", "postgres"), ("dbname", database)])
    session = try Connection(direct)
    try session.query(ddl)
    try state.migrate(session)
    try state.create(
      PipelineState(
        pipeline: "p", epoch: 0, phase: .streaming, source: "s", slot: "s", publication: "p", madeSlot: true,
        madePublication: true), session)
    identity = try state.claim(session, endingSessionsOf: nil)
    try state.resetLanes(setup.lanes, at: .zero, identity, session)
    emulator = try setup.emulator.map { try Rig.emulator(cluster.url(database: database), $0) }
    options = SinkOptions(
      dialect: emulator == nil ? .postgres : .dsql,
      connection: emulator.map { Rig.settings($0) } ?? direct, envelope: setup.envelope,
      pool: setup.pool, limiter: setup.limiter, retry: setup.retry, isPipelined: setup.isPipelined,
      deadLetters: setup.deadLetters)
    lanes = RoutedLanes(setup.lanes, plans, bytesMax: setup.bytesMax, consistentFrom: .zero)
    var context = LaneContext(
      options: options, identity: identity, plans: plans, format: setup.isBinary ? .binary : .text, group: lanes.group,
      sourceRows: rows, progress: progress, log: Log(level: .error), keepsTransactions: false)
    context.fresh = setup.fresh
    workers = (0..<setup.lanes).map { LaneWorker(lane: $0, context: context) }
  }

  /// Databases that a test has left, emptied: making one takes longer than most tests.
  private static let free = Mutex<[String]>([])

  deinit {
    emulator?.stop()
    guard emulator == nil, !session.isInTransaction else { return }
    let rest = "DROP SCHEMA penstock CASCADE; DROP SCHEMA public CASCADE; CREATE SCHEMA public"
    if (try? session.query(rest)) != nil, let name = session.settings["dbname"] {
      Rig.free.withLock { $0.append(name) }
    }
  }

  private static func emulator(_ backend: String, _ adjust: (inout EmulatorOptions) -> Void) throws -> Emulator {
    var options = EmulatorOptions()
    options.backend = backend
    options.certificateFolder = try temporaryDirectory("certificates")
    adjust(&options)
    return try Emulator(options, credentials: nil)
  }

  private static func settings(_ emulator: Emulator) -> ConnectionSettings {
    let host = "abcdefghijklmnopqrstuvwxyz.dsql.us-east-1.on.aws"
    let port = "\(emulator.port)"
    let authority = emulator.authorityFile ?? ""
    return ConnectionSettings(
      role: .sink,
      parameters: [
        ("host", host), ("hostaddr", "127.0.0.1"), ("port", port), ("user", "admin"), ("dbname", "postgres"),
        ("sslmode", "verify-full"), ("sslrootcert", authority),
      ],
      password: { () throws(Failure) in
        DSQLToken.sign(
          credentials: AWSCredentials(accessKeyID: "AKIDEXAMPLE", secretAccessKey: "c2VjcmV0"), host: host,
          region: "us-east-1", action: DSQLToken.Action(user: "admin"), date: .now, expiresAfterSeconds: 900)
      })
  }

  /// Sends changes as a transaction each and hands them to the lanes.
  func send(_ changes: [RowChange], table: UInt32 = 0) {
    for change in changes {
      lsn += 1
      lanes.route(change, table: table, at: at(lsn))
    }
    lanes.flush()
    group.completeBefore = LSN(lsn + 1)
  }

  /// Sends changes as parts of one transaction and hands them to the lanes.
  /// - Parameter isFirst: whether it begins with them. It does not end.
  func sendPart(_ changes: [RowChange], isFirst: Bool) {
    if isFirst { (lsn, ordinal) = (lsn + 1, 0) }
    for change in changes {
      ordinal += 1
      lanes.route(change, table: 0, at: at(lsn, ordinal))
    }
    lanes.flush()
  }

  /// Lets the lanes work, one piece after the other in a random order, until nothing is left.
  func work(seed: UInt64 = 1) throws {
    var random = SeededGenerator(seed: seed)
    while !group.isDrained { _ = try workers.randomElement(using: &random)!.turn() }
  }

  /// Lets all lanes work at once, each on a thread of its own, until nothing is left or one has failed.
  func workInParallel() async throws {
    nonisolated(unsafe) let workers = workers
    let group = group
    await withTaskGroup(of: Void.self) { tasks in
      for lane in workers.indices {
        tasks.addThread(named: "lane-\(lane)") { workers[lane].run() }
      }
      try? await eventually(timeout: .seconds(100), "the lanes to finish") { group.isDrained || group.failure != nil }
      group.stop()
    }
    if let failure = group.failure { throw failure }
  }

  /// The table's rows as text, sorted.
  func table(_ name: String = "t") throws -> [[String?]] {
    try session.query("SELECT * FROM \(name)").values.sorted { "\($0)" < "\($1)" }
  }

  /// Position and counted changes by lane.
  func laneRows() throws -> [String] {
    try session.query(
      "SELECT position || ' ' || changes FROM penstock.lane WHERE position<>'' ORDER BY lane"
    ).values.map { $0[0] ?? "" }
  }
}

/// What the changes make of rows that are there, in the form of `Rig.table`.
func expected(_ initial: [[Cell]], _ changes: [RowChange], _ plan: TablePlan) -> [[String?]] {
  var model = ModelDatabase()
  for row in initial { model.apply(plan.mapping.isKeyless ? .add(row) : .upsert(row), plan) }
  for change in changes { model.apply(change, plan) }
  let bags = model.bags.flatMap { Array(repeating: $0.key.key, count: $0.value) }
  return (Array(model.rows.values) + bags).map { $0.map { $0 == .null ? nil : "\($0)" } }
    .sorted { "\($0)" < "\($1)" }
}
