internal import Apply
internal import ChangeModel
internal import DSQLSink
internal import FullLoad
internal import Postgres
internal import PostgresSource
internal import Runtime
internal import SQLMapping
internal import Settings

extension Stage {
  /// What the load reads under: the session that keeps a snapshot open, if there is one.
  private struct SnapshotHold {
    var session: Connection?
    var name: String?
    /// For a snapshot of a slot: where it stands in the log.
    var point: LSN?
    /// Whether the stream begins exactly at the snapshot, so that nothing has to converge.
    var joinsStream = false
  }

  /// Loads every chunk that is not done, then builds indexes; on return the phase is past loading.
  func load(_ state: inout PipelineState) async throws(Failure) {
    run.monitor.phase = .loading
    var plan = try planLoad(&state)
    let hold = try openSnapshot(&state, &plan)
    if !plan.chunks.isEmpty && !hold.joinsStream && settings.mode.follows {
      try holdPositions(&state)
    }
    try await execute(plan, hold)
    if run.isStopping { throw Failure(.sink, "stopped while loading") }
    Failpoint.reach(.rowsLoaded)
    try finishLoad(&state)
    Failpoint.reach(.phaseWritten)
  }

  /// Notes that rows are not all of the slot's snapshot: until the end of this load is known, no position counts as
  /// past it.
  private func holdPositions(_ state: inout PipelineState) throws(Failure) {
    guard settings.mode.follows, state.highMark == nil else { return }
    state.highMark = LSN(.max)
    try update(state, [("high_mark", LSN(.max).description)])
  }

  /// The chunks to load and the tables that hold rows of an earlier snapshot.
  private struct LoadPlan {
    var chunks: [Chunk] = []
    var entries: [[ChunkLedger.Entry]] = []
    /// Tables of which an earlier run has committed rows: their slot must stay, and their rows are written over.
    var begun: Set<Int> = []
  }

  private var ledger: ChunkLedger { ChunkLedger(pipeline: settings.name) }

  private var planner: ChunkPlanner { ChunkPlanner(settings) }

  /// Reads the ledger, or writes it for tables that have none or whose heap was rewritten since.
  private func planLoad(_ pipeline: inout PipelineState) throws(Failure) -> LoadPlan {
    var plan = LoadPlan()
    let known = try state("reading the state") { connection throws(Failure) in try store.tables(connection) }
    let source = try run.connect(run.endpoints.source)
    for (index, mapping) in preparation.mappings.enumerated() {
      let name = mapping.source.name
      let before = known.first { $0.sourceTable == name.description }
      var entries: [ChunkLedger.Entry] = []
      if before != nil {
        entries = try state("reading the chunks") { connection throws(Failure) in
          try ledger.read(table: index, source: name, connection)
        }
        let hasRows =
          before?.state == "reloading" || before?.state == "pending" && pipeline.highMark != nil
          || entries.contains { $0.isDone || $0.rows > 0 }
        if hasRows { plan.begun.insert(index) }
      } else if !known.contains(where: { $0.targetTable == "\(mapping.target)" }), try tables.hasRows(mapping.target) {
        throw foreignRows(mapping)
      }
      let isRewritten = before.map { $0.filenodes != mapping.filenodes } ?? true
      let isWhole = before?.state != "pending"
      if entries.isEmpty || !isWhole || isRewritten && entries.contains(where: { $0.chunk.kind == .ctid }) {
        // What is in the target of it stays, so the stream must replay what became of it.
        if plan.begun.contains(index) { try holdPositions(&pipeline) }
        entries = try write(index, mapping, source, isBegun: plan.begun.contains(index), isKnown: before != nil)
      }
      plan.entries.append(entries)
    }
    return plan
  }

  private func write(
    _ index: Int, _ mapping: TableMapping, _ source: Connection, isBegun: Bool, isKnown: Bool
  ) throws(Failure) -> [ChunkLedger.Entry] {
    let chunks = try planner.splitTableIntoChunks(mapping, index: index, source)
    let table = TableState(
      sourceTable: mapping.source.name.description, targetTable: mapping.target.description,
      state: isBegun ? "reloading" : "loading", filenodes: mapping.filenodes)
    var mayBeThere = isKnown
    try state("writing the chunks") { connection throws(Failure) in
      if mayBeThere {
        try ledger.write(chunks, table, source: mapping.source.name, store, identity, connection)
      } else {
        mayBeThere = true
        try ledger.writeFirst(chunks, table, source: mapping.source.name, store, identity, connection)
      }
    }
    Failpoint.reach(.chunksWritten)
    return chunks.map { ChunkLedger.Entry(chunk: $0, isDone: false, rows: 0) }
  }

  /// Opens the snapshot to read under: the slot's own when the load begins, a later one when it goes on.
  private func openSnapshot(_ state: inout PipelineState, _ plan: inout LoadPlan) throws(Failure) -> SnapshotHold {
    defer { plan.chunks = plan.entries.flatMap { $0.filter { !$0.isDone }.map(\.chunk) } }
    guard settings.mode.follows else {
      try restartKeyless(&plan)
      let session = try run.connect(run.endpoints.source)
      try session.query("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
      return SnapshotHold(session: session, name: try session.query("SELECT pg_export_snapshot()").single)
    }
    let source = try run.connect(run.endpoints.source)
    let slot = try usableSlot(state, source)
    let isFresh = plan.begun.isEmpty && (state.madeSlot || slot == nil)
    if state.slotLSN != nil && slot == nil && !(isFresh && state.madeSlot) {
      throw Failure(
        .source, "slot \"\(state.slot)\" is gone, and with it the changes since the load began",
        location: source.settings.place, hint: "Run penstock reset, then load again.")
    }
    if isFresh {
      // The slot may be a newer instance's by now.
      try self.state("reading the state") { connection throws(Failure) in try store.check(identity, connection) }
      if slot != nil { try ReplicationSlot.drop(state.slot, source) }
      Failpoint.reach(.slotDropped)
      return try createSlot(&state, source)
    }
    if let slot, state.slotLSN == nil {
      state.slotLSN = slot.confirmedFlush
      try update(state, [("slot_lsn", slot.confirmedFlush.description)])
    }
    return try openLaterSnapshot(&plan)
  }

  private func createSlot(_ state: inout PipelineState, _ source: Connection) throws(Failure) -> SnapshotHold {
    let (created, replication) = try makeSlot(state.slot, source)
    Failpoint.reach(.slotMade)
    state.slotLSN = created.consistentPoint
    try update(state, [("slot_lsn", created.consistentPoint.description), ("high_mark", nil)])
    state.highMark = nil
    Failpoint.reach(.slotRemembered)
    log.info("created slot \(state.slot) at \(created.consistentPoint)")
    return SnapshotHold(
      session: replication, name: created.snapshot, point: created.consistentPoint, joinsStream: true)
  }

  /// How often a slot is made before one is taken that was made while a table's definition changed.
  private static let slotAttempts = 5

  /// Makes the slot, and again while that coincides with a change of a definition.
  /// - Returns: the slot, and the session that holds its snapshot.
  private func makeSlot(
    _ slot: String, _ source: Connection
  ) throws(Failure) -> (ReplicationSlot.Created, Connection) {
    let publication = settings.source.publicationName
    var attempts = 0
    while true {
      attempts += 1
      let before = try ReplicationSlot.definitions(ofPublication: publication, source)
      let replication = try Connection(run.endpoints.replication, interrupt: run.stopSignal)
      let created = try ReplicationSlot.create(slot, isTemporary: false, on: replication) {
        let blockers = (try? ReplicationSlot.blockers(source)) ?? []
        log.warning(
          "making slot \(slot) waits for older transactions to end: "
            + (blockers.isEmpty ? "none is visible to this user" : blockers.joined(separator: "; ")))
      }
      if try ReplicationSlot.definitions(ofPublication: publication, source) == before { return (created, replication) }
      if attempts == Self.slotAttempts {
        log.warning(
          "slot \(slot) was made \(attempts) times, and a table was truncated or altered each time: PostgreSQL may be "
            + "unable to decode what was open then. If the stream fails, run penstock reset and load at a quieter time."
        )
        return (created, replication)
      }
      log.warning("a table was truncated or altered while slot \(slot) was made: making it again")
      try ReplicationSlot.drop(slot, source)
    }
  }

  /// A snapshot after the slot's: changes in between are streamed over what is read, and converge. Tables without a
  /// key can't converge, so they are read anew from one exact point.
  private func openLaterSnapshot(_ plan: inout LoadPlan) throws(Failure) -> SnapshotHold {
    guard try restartKeyless(&plan) else { return SnapshotHold() }
    let replication = try Connection(run.endpoints.replication, interrupt: run.stopSignal)
    let created = try ReplicationSlot.create("\(settings.source.slotName)_tmp", isTemporary: true, on: replication) {}
    for (index, mapping) in preparation.mappings.enumerated()
    where mapping.isKeyless && plan.entries[index].contains(where: { !$0.isDone }) {
      try state("writing the state") { connection throws(Failure) in
        try store.write(
          TableState(
            sourceTable: mapping.source.name.description, targetTable: mapping.target.description, state: "loading",
            filenodes: mapping.filenodes, loadLSN: created.consistentPoint), identity, connection)
      }
    }
    return SnapshotHold(session: replication, name: created.snapshot, point: created.consistentPoint)
  }

  /// Empties tables without a key that are loaded in part, so that they are loaded as a whole.
  /// - Returns: whether there is any such table left to load.
  @discardableResult
  private func restartKeyless(_ plan: inout LoadPlan) throws(Failure) -> Bool {
    var found = false
    let source = try run.connect(run.endpoints.source)
    for (index, mapping) in preparation.mappings.enumerated()
    where mapping.isKeyless && plan.entries[index].contains(where: { !$0.isDone }) {
      found = true
      try empty(mapping)
      plan.begun.remove(index)
      Failpoint.reach(.keylessEmptied)
      plan.entries[index] = try write(index, mapping, source, isBegun: false, isKnown: true)
    }
    return found
  }

  private func empty(_ mapping: TableMapping) throws(Failure) {
    var gone = 1
    while gone > 0 {
      try state("emptying \(mapping.target)") { connection throws(Failure) in
        try store.owning(identity, connection) { () throws(Failure) in
          gone = try TargetTables.removeRows(of: mapping, atMost: 1000, connection)
        }
      }
    }
  }

  private func execute(_ plan: LoadPlan, _ hold: SnapshotHold) async throws(Failure) {
    let interrupt = Wakeup()
    run.attach(loadInterrupt: interrupt)
    defer { run.attach(loadInterrupt: nil) }
    let context = LoadContext(
      options: run.endpoints.sink, identity: identity, plans: preparation.plans(binary: true),
      method: settings.sink.loadMethod == .copy ? .copy : .insert, source: run.endpoints.source, snapshot: hold.name,
      progress: run.monitor.load, collisions: run.monitor.apply.collisions, log: log.named("load"), interrupt: interrupt
    )
    run.endpoints.sink.limiter.startLow()
    run.monitor.load.begin(preparation.mappings, plan.entries)
    let started = monotonicNow()
    var needingCasts: Set<Int> = []
    for (index, mapping) in preparation.mappings.enumerated() where try tables.hasOtherTypes(mapping) {
      needingCasts.insert(index)
    }
    try await LoadCoordinator(
      context, chunks: plan.chunks, overlapping: plan.begun, needingCasts: needingCasts
    ).executeFullLoad(workers: min(settings.sink.parallelism, max(1, plan.chunks.count)))
    withExtendedLifetime(hold.session) {}
    guard !plan.chunks.isEmpty, !run.isStopping else { return }
    let tables = run.monitor.load.tables
    let (rows, bytes) = (tables.reduce(0) { $0 + $1.rows }, tables.reduce(0) { $0 + $1.bytes })
    let seconds = max(0.001, (monotonicNow() - started).seconds)
    log.info(
      "loaded \(rows) rows, \(bytes >> 20) MiB in \(seconds.rounded(1)) s: \(Int(Double(rows) / seconds)) rows/s")
  }

  /// Ends the loading phase: with indexes if the rows are of one moment, else once the stream has passed the mark.
  private func finishLoad(_ state: inout PipelineState) throws(Failure) {
    if state.highMark != nil && settings.mode.follows {
      let mark = try currentLSN()
      state.highMark = mark
      state.phase = .catchingUp
      try update(state, [("high_mark", mark.description), ("phase", state.phase.rawValue)])
      return
    }
    try buildIndexes()
    if run.isStopping { throw Failure(.sink, "stopped while building indexes") }
    state.phase = .streaming
    try update(state, [("phase", state.phase.rawValue)])
  }
}
