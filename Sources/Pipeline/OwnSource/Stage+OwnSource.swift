internal import Apply
package import ChangeModel
internal import DSQLSink
internal import Lanes
internal import PenstockExtensions
internal import Postgres
internal import PostgresSource
internal import Runtime
package import SQLMapping
package import Settings

extension Preparation {
  /// The selected tables of a registered source.
  ///
  /// - Throws: when nothing is selected, or a table can't be mapped.
  package init(_ settings: PipelineSettings, _ source: OwnSource, _ dialect: SinkDialect) async throws(Failure) {
    let identity = try await source.call { try await $0.identity() }
    let all = try await source.call { try await $0.tables() }
    var selected: [SourceTable] = []
    var streamed: [UInt32?] = []
    for table in all {
      let isSelected = settings.source.selects(TableName(table.schema, table.name))
      streamed.append(isSelected ? UInt32(selected.count) : nil)
      if isSelected { selected.append(try SourceTable(table)) }
    }
    guard !selected.isEmpty else {
      throw Failure(
        .source, "no table matches source.tables", location: source.name,
        hint: "The source has \(all.map { "\($0.schema).\($0.name)" }.joined(separator: ", ")).")
    }
    let mappings = try SchemaMapper(dialect: dialect).mapSchema(selected) { settings.route(of: $0) }
    self.init(sourceIdentity: "\(source.name) \(identity)", mappings: mappings, ownTables: streamed)
  }
}

extension PipelineRun {
  /// From the state in the target to the source's end, or to the first failure.
  func attempt(_ source: OwnSource, _ identity: inout WriterIdentity?) async throws(Failure) {
    let preparation = try await Preparation(settings, source, endpoints.sink.dialect)
    let session = SinkSession(endpoints.sink, interrupt: stopSignal, log: log)
    let store = StateStore(pipeline: settings.name)
    let state = try openState(preparation, session, store) { () throws(Failure) in
      PipelineState(
        pipeline: settings.name, epoch: 0, phase: .streaming, source: preparation.sourceIdentity, slot: "",
        publication: "", madeSlot: false, madePublication: false)
    }
    let owner = try own(&identity, preparation, store, session)
    let (stage, reporter) = try makeStage(preparation, session, store, owner)
    defer { reporter.end() }
    try await stage.follow(source, state)
  }
}

extension Stage {
  /// Reads a registered source from where every lane has come.
  func follow(_ source: OwnSource, _ state: PipelineState) async throws(Failure) {
    let known = try self.state("reading the lanes") { connection throws(Failure) in try store.lanes(connection) }
    if known.isEmpty { try beginTables() } else { try checkTablesAreLoaded() }
    let done = state.confirmLimit ?? .zero
    let committed = try openLanes(known, done)
    let plans = preparation.plans(binary: false)
    // Nobody but these lanes has written what is in the tables, and no row was read by itself.
    let group = LaneGroup(
      laneCount: committed.count, bytesMax: settings.sink.bufferSize, committed: committed,
      consistentFrom: LSN((committed.max()?.commitLSN.rawValue ?? 0) + 1))
    let keepsTransactions = settings.fidelity == .transaction
    let context = LaneContext(
      options: run.endpoints.sink, identity: identity, plans: plans, format: .text, group: group,
      sourceRows: NoSourceRows(), progress: run.monitor.apply, log: log, keepsTransactions: keepsTransactions)
    let progress = run.monitor.stream
    progress.reportLimit = max(progress.reportLimit, done)
    var reader = OwnSourceReader(
      source, group: group,
      router: ChangeRouter(group: group, plans: plans, committed: committed, keepsTransactions: keepsTransactions),
      plans: plans, tables: preparation.ownTables, after: max(done.rawValue, 1) - 1, progress: progress,
      endsWhenCaughtUp: run.exitWhenCaughtUp)
    let watch = OwnershipWatch(
      store: store, identity: identity, options: run.endpoints.sink, group: group, source: nil, progress: progress,
      log: log)
    run.monitor.phase = .streaming
    log.info("streaming")
    run.attach(group)
    defer { run.attach(nil) }
    await runLanes(context, count: committed.count, watch, atEnd: { source.stop() }) { () async throws(Failure) in
      try await reader.run()
    }
    source.resume()
    reader.noteCommitted()
    do throws(Failure) {
      try watch.raiseLimit(session.connection())
      try await reader.reportFinally()
    } catch {
      log.debug("last report: \(error.message)")
    }
    if let failure = group.failure { throw failure }
  }

  /// Remembers the tables before the first change, and refuses those that hold rows of others.
  private func beginTables() throws(Failure) {
    let known = try state("reading the state") { connection throws(Failure) in try store.tables(connection) }
    for mapping in preparation.mappings where !known.contains(where: { $0.sourceTable == "\(mapping.source.name)" }) {
      if try tables.hasRows(mapping.target) { throw foreignRows(mapping) }
      try state("writing the state") { connection throws(Failure) in
        try store.write(
          TableState(
            sourceTable: "\(mapping.source.name)", targetTable: "\(mapping.target)", state: "ready", filenodes: "",
            indexesBuilt: true), identity, connection)
      }
    }
  }

  /// The lanes' committed positions. Their number changes only when nothing is asked for again that a lane has committed.
  ///
  /// - Parameter done: everything below it is committed.
  private func openLanes(_ known: [StreamPosition], _ done: LSN) throws(Failure) -> [StreamPosition] {
    let wanted = settings.fidelity == .transaction ? 1 : settings.sink.parallelism
    if known.count == wanted { return known }
    return try changeLanes(known, to: wanted, nothingComesAgainBefore: done)
  }
}

/// A registered source and DynamoDB give whole rows, so nothing is ever missing of one.
struct NoSourceRows: SourceRows {
  func fetch(
    _ plan: TablePlan, after transactions: [UInt32], keys: [[UInt8]], into bytes: inout ByteBuffer,
    _ placed: (Int, Range<Int>) -> Bool
  ) throws(Failure) {
    throw Failure(.source, "a row of \(plan.mapping.source.name) came in part", location: "\(plan.mapping.source.name)")
  }

  func endOfLog() -> LSN { .zero }

  func closeIfIdle() {}
}
