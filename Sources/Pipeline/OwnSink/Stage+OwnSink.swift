internal import Apply
internal import ChangeModel
internal import DSQLSink
internal import Lanes
internal import PenstockExtensions
internal import Postgres
internal import PostgresSource
internal import Runtime
internal import SQLMapping
internal import Settings

extension PipelineRun {
  /// From what a registered sink has to the end, or to the first failure.
  func attempt(_ sink: OwnSink) async throws(Failure) {
    let preparation = try Preparation(settings, endpoints, interrupt: stopSignal)
    if let keyless = preparation.mappings.first(where: \.isKeyless) {
      throw Failure(
        .source, "\(keyless.source.name) has no key, by which a registered sink could tell its rows apart",
        location: "\(keyless.source.name)", hint: "Add a primary key, or leave it out with exclude-tables.")
    }
    let tables = preparation.mappings.map(Table.init)
    let durable = try await sink.call { try await $0.open(tables) }
    if durable == 0, try ReplicationSlot.status(settings.source.slotName, connect(endpoints.source)) == nil {
      try refuseUnfit(preparation)
    }
    // The sink remembers for itself, so this state is in no target.
    let state = PipelineState(
      pipeline: settings.name, epoch: 0, phase: .streaming, source: preparation.sourceIdentity,
      slot: settings.source.slotName, publication: settings.source.publicationName, madeSlot: false,
      madePublication: false)
    let session = SinkSession(endpoints.sink, interrupt: stopSignal, log: log)
    let stage = Stage(
      run: self, preparation: preparation, session: session, store: StateStore(pipeline: settings.name),
      identity: WriterIdentity(pipeline: settings.name, epoch: 0),
      tables: TargetTables(.init(dialect: endpoints.sink.dialect), session, log: log))
    for sentence in preparation.uncopied { log.warning(sentence) }
    log.info("pipeline \(settings.name), \(tables.count) tables, sink \(sink.name) has \(LSN(durable))")
    try stage.preparePublication(state)
    try await stage.follow(sink, state, after: durable)
  }
}

extension Stage {
  /// Streams into a registered sink, from behind what it has.
  func follow(_ sink: OwnSink, _ state: PipelineState, after durable: UInt64) async throws(Failure) {
    let replication = try openReplication(state, isNew: durable == 0)
    let plans = preparation.plans(binary: false)
    let progress = run.monitor.stream
    // What an earlier attempt knew is to be found out again.
    progress.committed = LSN(durable)
    progress.reportLimit = LSN(.max)
    let committed = [StreamPosition(commitLSN: LSN(durable), ordinal: .max)]
    let group = LaneGroup(laneCount: 1, bytesMax: settings.sink.bufferSize, committed: committed)
    let stopAt = run.exitWhenCaughtUp ? try currentLSN() : nil
    var stream = ReplicationStream(
      connection: replication,
      settings: StreamSettings(
        slot: state.slot, publication: state.publication, isBinary: false, reportInterval: reportInterval,
        catalogLSN: preparation.catalogLSN, stopAt: stopAt),
      group: group,
      router: ChangeRouter(
        group: group, plans: plans, committed: committed, keepsTransactions: true),
      tables: preparation.streamedTables, progress: progress)
    run.monitor.phase = .streaming
    log.info("streaming")
    run.attach(group)
    defer { run.attach(nil) }
    let (settings, log, counter) = (settings, log, run.monitor.apply)
    await withTaskGroup(of: Void.self) { tasks in
      tasks.addThread(named: "lane-0") {
        var lane = OwnSinkWorker(
          sink, durable: durable, group: group, plans: plans, stream: progress,
          flushInterval: settings.sink.flushInterval, log: log, count: { counter.count(changes: $0, rows: $0) })
        await lane.run()
      }
      tasks.addThread(named: "sink end") {
        group.endSignal.wait(for: nil)
        group.lanesEnded.wait(for: drainLimit)
        sink.stop()
      }
      do throws(Failure) { try stream.run() } catch { group.fail(error) }
      group.stop()
      await tasks.waitForAll()
    }
    sink.resume()
    do throws(Failure) { try stream.reportFinally() } catch { log.debug("last report: \(error.message)") }
    if let failure = group.failure { throw failure }
  }

  /// Opens the replication session; the slot is made if nothing was ever taken from it.
  private func openReplication(_ state: PipelineState, isNew: Bool) throws(Failure) -> Connection {
    let source = try run.connect(run.endpoints.source)
    if let slot = try usableSlot(state, source) {
      if let pid = slot.activePID {
        throw Failure(
          .source, "slot \"\(slot.name)\" is used by process \(pid)", location: source.settings.place,
          hint: "Stop the other instance, or set source.slot-name to a name of its own.", isTransient: true)
      }
    } else {
      guard isNew else {
        throw Failure(
          .source, "slot \"\(state.slot)\" is gone, and with it the changes since it was last used",
          location: source.settings.place, hint: "Empty the sink and begin again.")
      }
      let maker = try run.connect(run.endpoints.replication)
      let created = try ReplicationSlot.create(state.slot, isTemporary: false, on: maker) {
        log.warning("making slot \(state.slot) waits for older transactions to end")
      }
      log.info("created slot \(state.slot) at \(created.consistentPoint)")
    }
    return try run.connect(run.endpoints.replication)
  }
}

extension Table {
  /// As a registered sink sees it: the target's names, the source's types.
  init(_ mapping: TableMapping) {
    self.init(
      schema: mapping.target.schema, name: mapping.target.name,
      columns: mapping.columns.map { Column($0.targetName, $0.source.formattedType, isNotNull: $0.isNotNull) },
      key: mapping.key.map { mapping.columns[$0].targetName })
  }
}
