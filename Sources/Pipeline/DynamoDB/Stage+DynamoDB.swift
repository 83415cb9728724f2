internal import AWS
internal import Apply
internal import ChangeModel
internal import DSQLSink
internal import DynamoDBSource
internal import FullLoad
internal import Lanes
internal import Postgres
internal import Runtime
internal import SQLMapping
internal import Settings

extension Stage {
  /// Loads the tables of a DynamoDB source and follows their streams, both at the same time and through the same lanes:
  /// first the streams' positions, then the scan.
  func replicate(
    _ service: DynamoDBService, _ source: DynamoDBSettings, _ state: PipelineState
  ) async throws(Failure) {
    let load = try openLoad(state, source)
    let known = try openShards(state, hasBegun: load.hasBegun)
    let lanes = try openLanes(known)
    let plans = preparation.plans(binary: false)
    let shardLog = ShardLog(lanes: lanes.map(\.marks))
    let committed = lanes.map(\.position)
    let group = LaneGroup(
      laneCount: lanes.count, bytesMax: settings.sink.bufferSize, committed: committed, consistentFrom: .zero)
    var context = LaneContext(
      options: run.endpoints.sink, identity: identity, plans: plans, format: .text, group: group,
      sourceRows: NoSourceRows(), progress: run.monitor.apply, log: log, keepsTransactions: false)
    context.shardLog = shardLog
    if state.phase == .loading, !load.hasBegun { context.fresh = FreshTables(plans.map { $0.mapping.merge == nil }) }
    let router = try ItemRouter(
      group: group, router: ChangeRouter(group: group, plans: plans, committed: committed),
      tables: zip(preparation.items, plans).map { ItemTable($0.mapping, $1, expiry: ItemExpiry(source.expiry)) },
      shardLog: shardLog, after: committed.map(\.commitLSN.rawValue).max() ?? 0, lanes: lanes.map(\.marks),
      readsConsistently: source.readsConsistently)
    let scan = SegmentScan(
      service, router, group, segments: load.segments, tables: preparation.items.map(\.table.name),
      .init(
        readsConsistently: source.readsConsistently, pageItems: source.pageItems, readCapacity: source.readCapacity,
        parallelism: settings.sink.parallelism)
    ) { [load = run.monitor.load] table, items, bytes in load.add(rows: items, bytes: bytes, to: table) }
    let keeper = ShardKeeper(
      known, store, identity, router, shardLog, ledger, scan.progress, run.monitor.load)
    let followers = settings.mode.follows ? makeFollowers(service, known, router, group, keeper) : []
    let lag = LagWatch(followers, service, run.monitor, log)
    let watch = OwnershipWatch(
      store: store, identity: identity, options: run.endpoints.sink, group: group, source: nil,
      progress: run.monitor.stream,
      settle: { connection throws(Failure) in
        lag.look()
        try keeper.settle(connection)
      }, log: log)
    run.attach(group)
    defer { run.attach(nil) }
    let phase = state.phase
    if phase == .loading { run.endpoints.sink.limiter.startLow() }
    await runLanes(context, count: lanes.count, watch) { () async throws(Failure) in
      await read(followers, scan, router, group, phase) { context.fresh?.end() }
    }
    await noteFinally(keeper)
    if let failure = group.failure { throw failure }
  }

  /// Writes down what every lane has in the end, if the target still answers: so that less is read again next time, and the
  /// number of lanes may change.
  private func noteFinally(_ keeper: ShardKeeper) async {
    let patience = Wakeup()
    let alarm = Task {
      try? await Task.sleep(for: .seconds(3))
      patience.signal()
    }
    let session = SinkSession(run.endpoints.sink, interrupt: patience, log: log)
    do throws(Failure) { try keeper.settle(session.connection()) } catch { log.debug("last note: \(error.message)") }
    alarm.cancel()
  }

  // MARK: State

  private var ledger: SegmentLedger {
    SegmentLedger(pipeline: settings.name, tables: preparation.mappings.map(\.source.name))
  }

  private struct Load {
    /// Those that are not done.
    var segments: [ScanSegment] = []
    /// Whether an earlier run has begun it.
    var hasBegun = false
  }

  /// Reads the segments of all tables, or plans them.
  private func openLoad(_ state: PipelineState, _ source: DynamoDBSettings) throws(Failure) -> Load {
    let known = try self.state("reading the state") { connection throws(Failure) in try store.tables(connection) }
    var load = Load()
    var shown: [LoadProgress.Table] = []
    for (index, mapping) in preparation.mappings.enumerated() {
      let name = mapping.source.name
      let table = preparation.items[index].table
      let row = known.first { $0.sourceTable == "\(name)" }
      if let row, row.filenodes != table.id {
        throw Failure(
          .source, "table \(name) was deleted and made again since the pipeline began", location: "\(name)",
          hint: "Run penstock reset, empty the target's tables, then load again.")
      }
      if row == nil {
        let isShared = known.contains { $0.targetTable == "\(mapping.target)" }
        try beginTable(mapping, table, state, isShared: isShared)
      }
      guard settings.mode.loads else { continue }
      var entries = try self.state("reading the ledger") { connection throws(Failure) in
        try ledger.read(table: index, connection)
      }
      load.hasBegun = load.hasBegun || !entries.isEmpty
      if entries.isEmpty {
        let count = source.segments ?? settings.sink.parallelism
        entries = try self.state("planning \(name)") { connection throws(Failure) in
          try ledger.create(table: index, count: count, store, identity, connection)
        }
      }
      load.segments += entries.filter { !$0.isDone }.map(\.segment)
      var progress = LoadProgress.Table(name: name)
      progress.chunksTotal = entries.count
      progress.chunksDone = entries.count(where: \.isDone)
      progress.rows = entries.reduce(0) { $0 + $1.segment.items }
      progress.rowsEstimate = Int(clamping: table.itemCount)
      shown.append(progress)
    }
    run.monitor.load.begin(shown)
    return load
  }

  /// Remembers a table before its first row, and refuses one that holds rows of others or comes too late.
  ///
  /// - Parameter isShared: whether another table of the pipeline has the same target, so that rows may be its.
  private func beginTable(
    _ mapping: TableMapping, _ table: DynamoDBTable, _ state: PipelineState, isShared: Bool
  ) throws(Failure) {
    if settings.mode.loads {
      guard state.phase == .loading else { throw tooLate(mapping) }
      if !isShared, try tables.hasRows(mapping.target) { throw foreignRows(mapping) }
    }
    try self.state("writing the state") { connection throws(Failure) in
      try store.write(
        TableState(
          sourceTable: "\(mapping.source.name)", targetTable: "\(mapping.target)",
          state: settings.mode.loads ? "loading" : "ready", filenodes: table.id), identity, connection)
    }
  }

  /// The shards that were read before, and a pipeline's first moment forgotten when nothing was loaded after it.
  private func openShards(_ state: PipelineState, hasBegun: Bool) throws(Failure) -> [ShardState] {
    let known = try self.state("reading the shards") { connection throws(Failure) in try store.shards(connection) }
    guard settings.mode.follows else { return [] }
    if state.phase == .loading, !hasBegun, !known.isEmpty {
      // Some shards may be missing among them, and nothing was read that depends on them.
      try self.state("writing the shards") { connection throws(Failure) in
        try store.forget(shards: known.map(\.number), identity, connection)
      }
      return []
    }
    for item in preparation.items {
      let stream = item.table.latestStreamARN ?? ""
      guard let old = known.first(where: { $0.sourceTable == item.table.name && $0.stream != stream }) else { continue }
      throw Failure(
        .source, "the stream of table \(item.table.name) was disabled and enabled again: changes in between are lost",
        location: "then \(old.stream), now \(stream)",
        hint: "Run penstock reset, empty the target's tables, then load again.")
    }
    return known
  }

  private struct Lane {
    var position: StreamPosition
    var marks: ShardLog.Marks
  }

  /// The lanes as they were, or another number of them if none has more than all have.
  private func openLanes(_ shards: [ShardState]) throws(Failure) -> [Lane] {
    let (positions, marks) = try state("reading the lanes") { connection throws(Failure) in
      (try store.lanes(connection), try store.laneShards(connection))
    }
    // An older instance's shards may be forgotten already.
    let open = Dictionary(shards.filter { !$0.isEnded }.map { ($0.number, $0) }) { first, _ in first }
    let lanes = zip(positions, marks).map { position, marks in
      Lane(position: position, marks: marks.filter { open[$0.key] != nil })
    }
    let wanted = settings.sink.parallelism
    if lanes.count == wanted { return lanes }
    let isAhead = lanes.contains { lane in
      lane.marks.contains { number, mark in open[number]?.committed.map { $0 < mark } ?? true }
    }
    if isAhead {
      log.warning(
        "going on with \(lanes.count) lanes, as some have changes that others lack; the next start has \(wanted)")
      return lanes
    }
    let start = positions.max() ?? .zero
    try state("writing the lanes") { connection throws(Failure) in
      try store.resetLanes(wanted, at: start, identity, connection)
    }
    return Array(repeating: Lane(position: start, marks: [:]), count: wanted)
  }

  // MARK: Reading

  private func makeFollowers(
    _ service: DynamoDBService, _ known: [ShardState], _ router: ItemRouter, _ group: LaneGroup, _ keeper: ShardKeeper
  ) -> [StreamFollower] {
    preparation.items.enumerated().map { index, item in
      let stream = item.table.latestStreamARN ?? ""
      let consumer = TableFollower(
        table: index, name: item.table.name, stream: stream, router, group, keeper, run.monitor.stream
      ) { [store, identity, run] shards throws(Failure) in
        // The stage's own session is the load's.
        let session = SinkSession(run.endpoints.sink, interrupt: run.stopSignal, log: run.log)
        defer { session.rest() }
        try session.retrying("writing the shards") { connection throws(Failure) in
          try store.write(shards, identity, connection)
        }
      }
      var positions: [String: ShardPosition] = [:]
      for shard in known where shard.stream == stream { positions[shard.shard] = ShardPosition(shard) }
      return StreamFollower(
        service, .init(stream: stream, table: item.table.name, positions: positions, start: .latest),
        consumer: consumer)
    }
  }

  /// Reads streams and scans until told to stop, or until everything is there that was to be read.
  private func read(
    _ followers: [StreamFollower], _ scan: SegmentScan, _ router: ItemRouter, _ group: LaneGroup,
    _ phase: PipelineState.Phase, atLoadEnd: () -> Void
  ) async {
    // The load waits for the target; the streams go on meanwhile.
    let streams = ThreadExecutor(name: "streams")
    defer { streams.shutdown() }
    await withTaskGroup(of: Void.self) { tasks in
      for (follower, item) in zip(followers, preparation.items) {
        tasks.addTask(executorPreference: streams) {
          do throws(Failure) { try await item.follow(follower) } catch { group.fail(error) }
        }
      }
      do throws(Failure) { try await lead(followers, scan, router, group, phase, atLoadEnd) } catch {
        group.fail(error)
      }
      for follower in followers { follower.stop() }
      await tasks.waitForAll()
    }
  }

  /// Loads what is not loaded, builds indexes, and sees to the end.
  private func lead(
    _ followers: [StreamFollower], _ scan: SegmentScan, _ router: ItemRouter, _ group: LaneGroup,
    _ phase: PipelineState.Phase, _ atLoadEnd: () -> Void
  ) async throws(Failure) {
    var phase = phase
    if phase == .loading {
      run.monitor.phase = .loading
      // From now on nothing that is written may be missed, or be taken for older than what the scan shows.
      router.isLoading = true
      guard await comes(group, { followers.allSatisfy(\.hasBegun) }) else { return }
      try await scan.run()
      guard await comes(group, { scan.progress.isDone }) else { return }
      router.isLoading = false
      atLoadEnd()
      Failpoint.reach(.rowsLoaded)
      let tables = run.monitor.load.tables
      log.info("loaded \(tables.reduce(0) { $0 + $1.rows }) items in \(run.monitor.load.elapsed.seconds.rounded(1)) s")
      phase = settings.mode.follows ? .catchingUp : .streaming
      try update([("phase", PipelineState.Phase.catchingUp.rawValue)])
    }
    if phase == .catchingUp {
      // Rows are of different times until the streams have passed the load's end.
      run.monitor.phase = .catchingUp
      guard await hasCaughtUp(followers, router, group) else { return }
    }
    try buildIndexes()
    if run.isStopping || group.failure != nil { return }
    try update([("phase", PipelineState.Phase.streaming.rawValue)])
    run.monitor.phase = .streaming
    log.info(settings.mode.follows ? "streaming" : "the full load is done")
    if settings.mode.follows && !run.exitWhenCaughtUp {
      _ = await comes(group) { false }
    } else if await hasCaughtUp(followers, router, group) {
      for follower in followers { follower.stop() }
      _ = await comes(group) { group.isDrained }
    }
  }

  /// Waits until everything is in the target that is in the streams now.
  /// - Returns: false when the run is over.
  private func hasCaughtUp(
    _ followers: [StreamFollower], _ router: ItemRouter, _ group: LaneGroup
  ) async -> Bool {
    let now = monotonicNow()
    guard await comes(group, { followers.allSatisfy { $0.hasCaughtUp(with: now) } }) else { return false }
    // More arrives all the time.
    let arrival = router.arrival
    return await comes(group) { router.settled >= arrival }
  }

  private func update(_ assignments: [(column: String, value: String?)]) throws(Failure) {
    try state("writing the state") { connection throws(Failure) in
      try store.update(identity, assignments, connection)
    }
  }

  /// Waits until something is so.
  /// - Returns: false when the run is over.
  private func comes(_ group: LaneGroup, _ isSo: () -> Bool) async -> Bool {
    while !group.isStopping, group.failure == nil {
      if isSo() { return true }
      try? await Task.sleep(for: .milliseconds(20))
    }
    return false
  }
}

extension ItemSource {
  /// Follows the table's stream until told to stop.
  fileprivate func follow(_ follower: StreamFollower) async throws(Failure) {
    let end = try await follower.run()
    let failure = end.failure(
      table: table.name, stream: table.latestStreamARN ?? "",
      reload: "Run penstock reset, empty the target's tables, then load again.")
    if let failure { throw failure }
  }
}

extension ShardPosition {
  fileprivate init(_ shard: ShardState) {
    if shard.isEnded {
      self = .done
    } else if let committed = shard.committed {
      self = .after("\(committed)")
    } else if case .since(let seconds) = shard.start {
      self = .since(UnixTime(seconds: seconds))
    } else {
      self = .trimHorizon
    }
  }
}
