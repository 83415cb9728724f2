internal import ChangeModel
internal import DSQLSink
internal import Runtime
internal import SQLMapping

/// What every attempt begins with, whatever its source is.
extension PipelineRun {
  /// Brings the state tables up to date and reads the pipeline's state, or writes its first.
  ///
  /// - Parameter first: the state of a pipeline that begins.
  /// - Throws: when the pipeline was begun with another source.
  func openState(
    _ preparation: Preparation, _ session: SinkSession, _ store: StateStore,
    first: () throws(Failure) -> PipelineState
  ) throws(Failure) -> PipelineState {
    try session.retrying("opening the state tables") { connection throws(Failure) in try store.migrate(connection) }
    if let state = try session.retrying(
      "reading the state", { connection throws(Failure) in try store.read(connection) })
    {
      try checkSource(of: state, preparation)
      return state
    }
    let state = try first()
    let written = try session.retrying("writing the first state") { connection throws(Failure) in
      try store.create(state, connection)
      Failpoint.reach(.stateRowWritten)
      return try store.read(connection) ?? state
    }
    try checkSource(of: written, preparation)
    return written
  }

  /// Makes the target's tables, and begins to write down how the instance is doing.
  ///
  /// - Returns: the attempt's hands, and who writes its health until it is ended.
  func makeStage(
    _ preparation: Preparation, _ session: SinkSession, _ store: StateStore, _ owner: WriterIdentity
  ) throws(Failure) -> (Stage, HealthReporter) {
    let tables = TargetTables(.init(dialect: endpoints.sink.dialect), session, log: log)
    try tables.prepare(preparation.mappings)
    Failpoint.reach(.targetTablesMade)
    let reporter = HealthReporter(store, owner, endpoints, collisions: monitor.apply.collisions, log: log)
    let stage = Stage(
      run: self, preparation: preparation, session: session, store: store, identity: owner, tables: tables)
    return (stage, reporter)
  }
}
