package import ChangeModel
internal import DSQLSink
package import Pipeline
internal import Postgres
internal import PostgresSource
internal import SQLMapping
package import Settings

/// Removes what Penstock made for a pipeline, so that its next run starts from nothing.
package struct PipelineReset {
  private let settings: PipelineSettings
  private let endpoints: Endpoints

  package init(_ settings: PipelineSettings, _ endpoints: Endpoints) {
    self.settings = settings
    self.endpoints = endpoints
  }

  /// Removes the slot and the publication if Penstock made them, then the state.
  ///
  /// The state goes last: as long as it is there, another try knows what is ours. An instance that starts meanwhile
  /// finds its state gone and stops.
  /// - Parameter say: gets a sentence for each thing that was removed or left.
  /// - Throws: when an instance is at work, or a side can't be reached.
  package func run(_ say: (String) -> Void) throws(Failure) {
    let sink = try Connection(endpoints.sink.connection)
    let store = StateStore(pipeline: settings.name)
    let state = try store.exists(sink) ? try store.read(sink) : nil
    if settings.source.server != nil { try removeFromSource(state, say) }
    guard state != nil else {
      say("there is no state of pipeline \(settings.name) in the target")
      return
    }
    let tables = try store.tables(sink).map(\.targetTable)
    try store.remove(sink)
    say("removed the state of pipeline \(settings.name) from the target")
    if !tables.isEmpty {
      say("left the rows in \(tables.joined(separator: ", ")); empty them before the next full load")
    }
  }

  private func removeFromSource(_ state: PipelineState?, _ say: (String) -> Void) throws(Failure) {
    let source = try Connection(InstanceProbe.observing(endpoints.source))
    let slotName = state?.slot ?? settings.source.slotName
    try refuseWhileRunning(slotName, source)
    try removeSlot(slotName, isOurs: state?.madeSlot ?? false, source, say)
    let publication = state?.publication ?? settings.source.publicationName
    if try !Publication.exists(publication, source) {
      say("there is no publication \(publication)")
    } else if state?.madePublication ?? false {
      try Publication.drop(quotedIdentifier(publication), source)
      say("dropped publication \(publication)")
    } else {
      say("left publication \(publication), which Penstock did not make")
    }
  }

  private func refuseWhileRunning(_ slotName: String, _ source: Connection) throws(Failure) {
    let instance = try InstanceProbe(pipeline: settings.name, slotName: slotName, source)
    guard instance.isRunning else { return }
    throw Failure(
      .source, "pipeline \"\(settings.name)\" is \(instance.summary)", location: endpoints.source.place,
      hint: "Stop it first: send SIGTERM to the running penstock. If it is gone, end its sessions with "
        + "SELECT pg_terminate_backend(\(instance.slot?.activePID ?? instance.sessions.first ?? 0)) and try again.")
  }

  private func removeSlot(
    _ name: String, isOurs: Bool, _ source: Connection, _ say: (String) -> Void
  ) throws(Failure) {
    if try ReplicationSlot.status(name, source) == nil {
      say("there is no slot \(name)")
    } else if isOurs {
      try source.query("SELECT pg_catalog.pg_drop_replication_slot($1)", [name])
      say("dropped slot \(name)")
    } else {
      say("left slot \(name), which Penstock did not make; while nobody reads it, the source keeps its log")
    }
  }
}
