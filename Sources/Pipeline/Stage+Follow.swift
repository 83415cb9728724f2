internal import Apply
internal import ChangeModel
internal import DSQLSink
internal import Lanes
internal import Postgres
internal import PostgresSource
internal import Runtime
internal import SQLMapping
internal import Settings

extension Stage {
  /// Streams: first past the load's high mark if there is one, then until told to stop.
  func follow(_ state: inout PipelineState) async throws(Failure) {
    if state.phase == .catchingUp {
      run.monitor.phase = .catchingUp
      try raiseHighMark(&state)
      log.info("catching up to \(state.highMark ?? .zero)")
      try await stream(state, stopAt: state.highMark, from: currentLSN())
      if run.isStopping { return }
      Failpoint.reach(.caughtUp)
      try buildIndexes()
      if run.isStopping { return }
      state.phase = .streaming
      try update(state, [("phase", state.phase.rawValue)])
    }
    run.monitor.phase = .streaming
    let now = try currentLSN()
    let stopAt = run.exitWhenCaughtUp ? now : nil
    if let stopAt { log.info("streaming up to \(stopAt)") } else { log.info("streaming") }
    try await stream(state, stopAt: stopAt, from: now)
  }

  /// Moves the mark past where the lanes of an earlier run have come, each by itself: before that the target is of no one
  /// moment, and a unique index could not be built.
  private func raiseHighMark(_ state: inout PipelineState) throws(Failure) {
    let known = try self.state("reading the lanes") { connection throws(Failure) in try store.lanes(connection) }
    guard let furthest = known.map({ LSN($0.commitLSN.rawValue + 1) }).max(), furthest > state.highMark ?? .zero else {
      return
    }
    state.highMark = furthest
    try update(state, [("high_mark", furthest.description)])
  }

  /// One replication session with its lanes, from their committed positions.
  /// - Parameter now: where the source's log ends. Lanes that are ahead, chunks that were read late and rows that were
  ///   read again are older.
  private func stream(_ state: PipelineState, stopAt: LSN?, from now: LSN) async throws(Failure) {
    let committed = try openLanes(state)
    Failpoint.reach(.lanesWritten)
    let plans = try streamPlans()
    let replication = try openReplication(state)
    let group = LaneGroup(
      laneCount: committed.count, bytesMax: settings.sink.bufferSize, committed: committed,
      // Of rows that we have not loaded nothing is known.
      consistentFrom: settings.mode.loads ? now : LSN(.max))
    let context = LaneContext(
      options: run.endpoints.sink, identity: identity, plans: plans,
      format: preparation.canStreamBinary ? .binary : .text, group: group,
      sourceRows: SourceRowReader(source: run.endpoints.source, interrupt: group.cutSignal),
      progress: run.monitor.apply, log: log,
      keepsTransactions: settings.fidelity == .transaction)
    var stream = ReplicationStream(
      connection: replication,
      settings: StreamSettings(
        slot: state.slot, publication: state.publication, isBinary: preparation.canStreamBinary,
        reportInterval: reportInterval, catalogLSN: preparation.catalogLSN, stopAt: stopAt),
      group: group,
      router: ChangeRouter(
        group: group, plans: plans, committed: committed, keepsTransactions: settings.fidelity == .transaction),
      tables: preparation.streamedTables, progress: run.monitor.stream)
    let watch = OwnershipWatch(
      store: store, identity: identity, options: run.endpoints.sink, group: group, source: run.endpoints.source,
      progress: run.monitor.stream, log: log)
    run.attach(group)
    defer { run.attach(nil) }
    await runLanes(context, count: committed.count, watch) { () throws(Failure) in try stream.run() }
    // The lanes have ended: what they committed last is told to the source, if both sides still listen.
    do throws(Failure) {
      try watch.raiseLimit(session.connection())
      try stream.reportFinally()
    } catch {
      log.debug("last report: \(error.message)")
    }
    if let failure = group.failure { throw failure }
  }

  /// Runs the lanes and the watch, each on a thread of its own, until the source has ended, or something failed; the group
  /// then knows what.
  ///
  /// - Parameters:
  ///   - atEnd: called once the run ends, for a source that must be told to stop.
  ///   - source: reads it to its end.
  func runLanes(
    _ context: LaneContext, count: Int, _ watch: OwnershipWatch, atEnd: (@Sendable () -> Void)? = nil,
    source: () async throws(Failure) -> Void
  ) async {
    let group = context.group
    await withTaskGroup(of: Void.self) { tasks in
      for lane in 0..<count {
        tasks.addThread(named: "lane-\(lane)") { LaneWorker(lane: lane, context: context).run() }
      }
      tasks.addThread(named: "ownership") { watch.run() }
      if let atEnd {
        tasks.addThread(named: "source end") {
          group.endSignal.wait(for: nil)
          atEnd()
        }
      }
      do throws(Failure) { try await source() } catch { group.fail(error) }
      group.stop()
      await tasks.waitForAll()
    }
  }

  /// Below 60 % of the server's patience, so that a late report is no reason to drop us.
  var reportInterval: Duration {
    min(settings.sink.flushInterval, (preparation.senderTimeout ?? .seconds(20)) / 2, .seconds(10))
  }

  /// The lanes' committed positions. Their number changes only when the slot sends nothing again that a lane has
  /// committed: keys then belong to other lanes, which know nothing of it.
  private func openLanes(_ pipeline: PipelineState) throws(Failure) -> [StreamPosition] {
    let known = try state("reading the lanes") { connection throws(Failure) in try store.lanes(connection) }
    let wanted = settings.fidelity == .transaction ? 1 : settings.sink.parallelism
    if known.count == wanted { return known }
    let slot = known.isEmpty ? nil : try ReplicationSlot.status(pipeline.slot, run.connect(run.endpoints.source))
    return try changeLanes(known, to: wanted, nothingComesAgainBefore: slot?.confirmedFlush ?? .zero)
  }

  /// Gives the pipeline another number of lanes if none of them has more than what is confirmed.
  ///
  /// - Parameter confirmed: the source sends nothing again that was committed before it.
  func changeLanes(
    _ known: [StreamPosition], to wanted: Int, nothingComesAgainBefore confirmed: LSN
  ) throws(Failure) -> [StreamPosition] {
    if let furthest = known.max(), furthest.commitLSN >= confirmed {
      log.warning(
        "going on with \(known.count) lanes, as some have changes that others lack; the next start has \(wanted)")
      return known
    }
    let start = known.min() ?? .zero
    try state("writing the lanes") { connection throws(Failure) in
      try store.resetLanes(wanted, at: start, identity, connection)
    }
    return Array(repeating: start, count: wanted)
  }

  private func streamPlans() throws(Failure) -> [TablePlan] {
    let known = try state("reading the state") { connection throws(Failure) in try store.tables(connection) }
    return preparation.plans(binary: preparation.canStreamBinary) { mapping in
      known.first { $0.sourceTable == mapping.source.name.description }?.loadLSN
    }
  }

  /// Opens the replication session, ending an older one that still holds the slot: this instance owns the pipeline.
  private func openReplication(_ state: PipelineState) throws(Failure) -> Connection {
    let source = try run.connect(run.endpoints.source)
    var slot = try usableSlot(state, source)
    if slot == nil && !settings.mode.loads && state.slotLSN == nil {
      let maker = try Connection(run.endpoints.replication, interrupt: run.stopSignal)
      let created = try ReplicationSlot.create(state.slot, isTemporary: false, on: maker) {
        log.warning("making slot \(state.slot) waits for older transactions to end")
      }
      slot = try ReplicationSlot.status(state.slot, source)
      log.info("created slot \(state.slot) at \(created.consistentPoint)")
    }
    guard let slot else {
      throw Failure(
        .source, "slot \"\(state.slot)\" is gone, and with it the changes since it was last used",
        location: source.settings.place, hint: "Run penstock reset, then load again.")
    }
    try checkUnmoved(slot, state, at: source.settings.place)
    if let pid = slot.activePID {
      guard try ReplicationSlot.application(of: pid, source) == run.endpoints.replication["application_name"] else {
        throw Failure(
          .source, "slot \"\(slot.name)\" is used by process \(pid), which is no Penstock of this pipeline",
          location: source.settings.place, hint: "Stop that process, or set source.slot-name to a name of its own.",
          isTransient: true)
      }
      try self.state("reading the state") { connection throws(Failure) in try store.check(identity, connection) }
      log.warning("ending the session of process \(pid), which holds slot \(slot.name)")
      try ReplicationSlot.end(session: pid, of: slot.name, source)
    }
    return try run.connect(run.endpoints.replication)
  }
}

extension Stage {
  /// Refuses a slot that somebody else has moved: what it passed will never be sent again.
  private func checkUnmoved(_ slot: SlotStatus, _ state: PipelineState, at place: String) throws(Failure) {
    let progress = run.monitor.stream
    guard let known = [state.slotLSN, state.confirmLimit].compactMap(\.self).max() else {
      // The stream begins here, at a slot of the user's or one just made.
      try update(state, [("slot_lsn", slot.confirmedFlush.description)])
      progress.reportLimit = max(progress.reportLimit, slot.confirmedFlush)
      return
    }
    progress.reportLimit = max(progress.reportLimit, known)
    guard slot.confirmedFlush > progress.reportLimit else { return }
    throw Failure(
      .source,
      "slot \"\(slot.name)\" was moved to \(slot.confirmedFlush) by somebody else, and the changes since "
        + "\(progress.reportLimit), up to which this pipeline has taken them, will not come again",
      location: place,
      hint: "Find who reads or advances this slot, such as pg_recvlogical; then run penstock reset and load again.")
  }
}

/// How long a drain waits for transactions in flight before it gives them up; the next start finds out what became of
/// them.
let drainLimit = Duration.seconds(8)

/// Looks every few seconds whether this instance still owns the pipeline, also when there is nothing to write, and
/// where the source's log ends, which tells the lag.
struct OwnershipWatch: Sendable {
  let store: StateStore
  let identity: WriterIdentity
  let options: SinkOptions
  let group: LaneGroup
  /// `nil` for a registered source, whose end nobody knows.
  let source: ConnectionSettings?
  let progress: StreamProgress
  /// Of a source with shards: writes down what every lane has.
  var settle: (@Sendable (Connection) throws(Failure) -> Void)?
  let log: Log

  /// Lets the source be told what is committed now, once the target remembers that it was.
  func raiseLimit(_ connection: Connection) throws(Failure) {
    if let settle { return try settle(connection) }
    let committed = progress.committed
    guard committed > progress.reportLimit else { return }
    try store.update(identity, [("confirm_limit", committed.description)], connection)
    progress.reportLimit = committed
  }

  /// Between two looks the limit is raised once what is committed has come to rest, so that a quiet source is told soon.
  private func rest(_ session: SinkSession) {
    var last = progress.committed
    for _ in 0..<8 {
      group.endSignal.wait(for: .milliseconds(250))
      if group.endSignal.isSignalled { return }
      let committed = progress.committed
      if committed == last || settle != nil {
        attempt(session) { connection throws(Failure) in try raiseLimit(connection) }
      }
      last = committed
    }
  }

  private func attempt(_ session: SinkSession, _ work: (Connection) throws(Failure) -> Void) {
    do throws(Failure) {
      try work(session.connection())
      session.rest()
    } catch {
      // A target that is away is the lanes' concern.
      session.discard()
      if error.kind == .fenced { group.fail(error) }
    }
  }

  func run() {
    var connection: Connection?
    let session = SinkSession(options, interrupt: group.endSignal, log: log)
    while !group.endSignal.isSignalled {
      attempt(session) { connection throws(Failure) in
        try store.check(identity, connection)
        try raiseLimit(connection)
        try options.pool.tend()
      }
      do throws(Failure) {
        if connection == nil, let source { connection = try Connection(source, interrupt: group.endSignal) }
        if let connection { progress.serverEnd = try ReplicationSlot.currentLSN(connection) }
      } catch {
        // A source that is away is the stream's concern.
        connection = nil
      }
      rest(session)
    }
    group.lanesEnded.wait(for: drainLimit)
    group.cutSignal.signal()
  }
}
