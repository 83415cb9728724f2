internal import Apply
package import ChangeModel
internal import DSQLSink
internal import Lanes
internal import Postgres
internal import PostgresSource
internal import SQLMapping
package import Runtime
package import Settings
internal import Synchronization

/// One instance's life with a pipeline: it takes the pipeline over, loads what is not loaded, follows the stream, and
/// begins again from what the target remembers whenever something breaks that may pass.
package final class PipelineRun: Sendable {
  let settings: PipelineSettings
  let endpoints: Endpoints
  package let monitor = RunMonitor()
  let log: Log
  let exitWhenCaughtUp: Bool
  /// Signalled by `requestStop`, and to end the workers of a load when one of them fails.
  let stopSignal = Wakeup()
  private let control = Mutex(Control())

  private struct Control {
    var isStopping = false
    var group: LaneGroup?
    var loadInterrupt: Wakeup?
  }

  package init(
    _ settings: PipelineSettings, _ surroundings: Surroundings, exitWhenCaughtUp: Bool, log: Log
  ) throws(Failure) {
    self.settings = settings
    self.log = log
    self.exitWhenCaughtUp = exitWhenCaughtUp
    endpoints = try Endpoints(settings, surroundings, log: log)
  }

  /// Works until it is done or told to stop.
  ///
  /// - Throws: what another try can't mend, or what outlasted the retry budget.
  package func run() async throws(Failure) {
    let executor = ThreadExecutor(name: "pipeline")
    defer { executor.shutdown() }
    let end: Result<Void, Failure> = await withTaskExecutorPreference(executor) {
      do throws(Failure) {
        try await self.supervise()
        return .success(())
      } catch {
        return .failure(error)
      }
    }
    try end.get()
  }

  /// Drains: batches in flight are finished and committed, then `run` returns.
  package func requestStop() {
    let (group, load) = control.withLock { control in
      control.isStopping = true
      return (control.group, control.loadInterrupt)
    }
    monitor.phase = .draining
    Failpoint.reach(.draining)
    stopSignal.signal()
    endpoints.ownSource?.stop()
    // Once it takes changes, it has time to make them durable.
    if group == nil { endpoints.ownSink?.stop() }
    group?.stop()
    load?.signal()
  }

  var isStopping: Bool { control.withLock { $0.isStopping } }

  /// Makes a stop reach the lanes of a stream.
  func attach(_ group: LaneGroup?) {
    let mustStop = control.withLock { control in
      control.group = group
      return control.isStopping
    }
    if mustStop { group?.stop() }
  }

  /// Makes a stop reach the workers of a load.
  func attach(loadInterrupt: Wakeup?) {
    let mustStop = control.withLock { control in
      control.loadInterrupt = loadInterrupt
      return control.isStopping
    }
    if mustStop { loadInterrupt?.signal() }
  }

  /// Opens a session. A stop ends the wait for it: the server's host may swallow what is sent to it.
  func connect(_ settings: ConnectionSettings) throws(Failure) -> Connection {
    let connection = try Connection(settings, interrupt: stopSignal)
    connection.interrupt = nil
    return connection
  }

  private func supervise() async throws(Failure) {
    var backoff = Backoff(settings.sink.retry)
    var identity: WriterIdentity?
    while !isStopping {
      let startedAt = monotonicNow()
      let failure: Failure
      do throws(Failure) {
        return try await attempt(&identity)
      } catch {
        failure = fenced(identity) ?? error
      }
      if isStopping { break }
      // An attempt that worked for a while has spent nothing of the budget.
      if monotonicNow() - startedAt > .seconds(60) { backoff.reset() }
      guard failure.isTransient, let delay = backoff.next(now: monotonicNow(), random: .random(in: 0..<1)) else {
        throw failure
      }
      monitor.phase = .waiting
      log.warning("\(failure.message) (\(failure.location)); going on in \(delay.seconds.rounded(2)) s")
      stopSignal.wait(for: delay)
    }
  }

  /// The reason behind any other, if there is one: a newer instance has changed what this one relied on.
  private func fenced(_ identity: WriterIdentity?) -> Failure? {
    guard let identity else { return nil }
    let session = SinkSession(endpoints.sink, interrupt: stopSignal, log: log)
    do throws(Failure) {
      try StateStore(pipeline: settings.name).check(identity, session.connection())
    } catch {
      if error.kind == .fenced { return error }
    }
    return nil
  }

  /// From the state in the target to the end, or to the first failure.
  private func attempt(_ identity: inout WriterIdentity?) async throws(Failure) {
    monitor.phase = .starting
    if let sink = endpoints.ownSink { return try await attempt(sink) }
    if let source = endpoints.ownSource { return try await attempt(source, &identity) }
    if let source = endpoints.dynamodb { return try await attempt(source, &identity) }
    let preparation = try Preparation(settings, endpoints, interrupt: stopSignal)
    let session = SinkSession(endpoints.sink, interrupt: stopSignal, log: log)
    let store = StateStore(pipeline: settings.name)
    let isKnown = try session.retrying("reading the state") { connection throws(Failure) in
      try store.exists(connection) ? try store.read(connection) != nil : false
    }
    if !isKnown { try refuseUnfit(preparation) }
    var state = try openState(preparation, session, store) { () throws(Failure) in try firstState(preparation) }
    let owner = try own(&identity, preparation, store, session)
    state.epoch = owner.epoch
    let (stage, reporter) = try makeStage(preparation, session, store, owner)
    defer { reporter.end() }
    if settings.mode.follows { try stage.preparePublication(state) }
    if state.phase == .loading { try await stage.load(&state) }
    guard settings.mode.follows else {
      log.info("the full load is done")
      return
    }
    try stage.checkTablesAreLoaded()
    try await stage.follow(&state)
  }

  /// Takes the pipeline over, or makes sure that it is still this instance's.
  func own(
    _ identity: inout WriterIdentity?, _ preparation: Preparation, _ store: StateStore, _ session: SinkSession
  ) throws(Failure) -> WriterIdentity {
    if let known = identity {
      try session.retrying("reading the state") { connection throws(Failure) in try store.check(known, connection) }
      return known
    }
    let owner = try session.retrying("taking the pipeline over") { connection throws(Failure) in
      try store.claim(
        connection,
        endingSessionsOf: endpoints.sink.dialect == .postgres ? endpoints.sink.connection["application_name"] : nil)
    }
    identity = owner
    Failpoint.reach(.claimed)
    for sentence in preparation.uncopied { log.warning(sentence) }
    log.info("pipeline \(settings.name), epoch \(owner.epoch), \(preparation.mappings.count) tables")
    return owner
  }

  /// Refuses to go on with another source than the pipeline was begun with.
  func checkSource(of state: PipelineState, _ preparation: Preparation) throws(Failure) {
    guard state.source != preparation.sourceIdentity else { return }
    throw Failure(
      .source, "pipeline \"\(settings.name)\" was begun with another source database",
      location: "\(endpoints.source.place); then \(state.source), now \(preparation.sourceIdentity)",
      hint: "Give the new pipeline a name of its own, or run penstock reset to begin again.")
  }

  /// Refuses a source that `penstock check` would refuse, before anything is created.
  func refuseUnfit(_ preparation: Preparation) throws(Failure) {
    let request = CheckRequest(
      slotName: settings.source.slotName, publicationName: settings.source.publicationName,
      followsChanges: settings.mode.follows, dialect: endpoints.sink.dialect)
    let facts = try SourceFacts.read(connect(endpoints.source), for: request) { settings.source.selects($0) }
    let errors = SourceCheck.findings(facts, request).filter { $0.severity == .error }
    guard let first = errors.first else { return }
    for other in errors.dropFirst() { log.error("\(other)") }
    throw Failure(
      .source, "\(first.subject): \(first.evidence) [\(first.id.rawValue)]", location: endpoints.source.place,
      hint: first.fix)
  }

  /// The state of a pipeline that begins: whether slot and publication are its own is decided here.
  private func firstState(_ preparation: Preparation) throws(Failure) -> PipelineState {
    let source = try connect(endpoints.source)
    let hasSlot = try ReplicationSlot.status(settings.source.slotName, source) != nil
    let hasPublication = try Publication.exists(settings.source.publicationName, source)
    return PipelineState(
      pipeline: settings.name, epoch: 0, phase: settings.mode.loads ? .loading : .streaming,
      source: preparation.sourceIdentity, slot: settings.source.slotName,
      publication: settings.source.publicationName, madeSlot: settings.mode.follows && !hasSlot,
      madePublication: settings.mode.follows && !hasPublication)
  }
}
