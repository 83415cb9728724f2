internal import Apply
internal import ChangeModel
internal import DSQLSink
internal import Postgres
internal import PostgresSource
internal import Runtime
internal import SQLMapping
internal import Settings

/// One attempt's hands: everything that load and stream need, after the state was opened and the pipeline claimed.
struct Stage {
  let run: PipelineRun
  let preparation: Preparation
  let session: SinkSession
  let store: StateStore
  let identity: WriterIdentity
  let tables: TargetTables

  var settings: PipelineSettings { run.settings }
  var log: Log { run.log }

  func state<Result>(_ what: String, _ work: (Connection) throws(Failure) -> Result) throws(Failure) -> Result {
    try session.retrying(what, work)
  }

  func update(_ state: PipelineState, _ assignments: [(column: String, value: String?)]) throws(Failure) {
    try self.state("writing the state") { connection throws(Failure) in
      try store.update(identity, assignments, connection)
    }
  }

  // MARK: Publication and slot

  /// Makes the publication, or checks that the one named covers the tables.
  func preparePublication(_ state: PipelineState) throws(Failure) {
    let source = try run.connect(run.endpoints.source)
    let name = quotedIdentifier(state.publication)
    guard try Publication.exists(state.publication, source) else {
      try Publication.create(name, tables: preparation.publishedNames, source)
      Failpoint.reach(.publicationMade)
      log.info("created publication \(state.publication)")
      return
    }
    let published = try Publication.tables(state.publication, source)
    let filtered = try Publication.filteredTables(state.publication, source)
    for mapping in preparation.mappings {
      let isCovered =
        published.contains(mapping.source.name)
        || mapping.source.heaps.contains { published.contains($0.name) }
        || mapping.source.kind == .partitioned && mapping.source.heaps.isEmpty
      if let table = ([mapping.source.name] + mapping.source.heaps.map(\.name)).first(where: filtered.contains) {
        throw Failure(
          .source, "publication \"\(state.publication)\" leaves out rows or columns of table \(table)",
          location: run.endpoints.source.place,
          hint:
            "ALTER PUBLICATION \(name) DROP TABLE \(table.quoted); ALTER PUBLICATION \(name) ADD TABLE \(table.quoted); "
            + "then start Penstock again. Columns come again by themselves; rows that changed while a filter left them out "
            + "don't: compare them with penstock verify.")
      }
      if isCovered { continue }
      throw Failure(
        .source, "publication \"\(state.publication)\" does not hold table \(mapping.source.name)",
        location: run.endpoints.source.place,
        hint: "ALTER PUBLICATION \(name) ADD TABLE \(mapping.source.name.quoted).")
    }
  }

  /// The slot as it is, after making sure that it is ours to use.
  func usableSlot(_ state: PipelineState, _ source: Connection) throws(Failure) -> SlotStatus? {
    guard let slot = try ReplicationSlot.status(state.slot, source) else { return nil }
    let place = "slot \"\(slot.name)\""
    guard slot.plugin == "pgoutput" else {
      throw Failure(
        .source, "\(place) uses the plugin \(slot.plugin), not pgoutput", location: source.settings.place,
        hint: "Set source.slot-name to a name of its own.")
    }
    guard slot.invalidation.isEmpty || slot.invalidation == "wal_removed" else {
      throw Failure(
        .source, "\(place) was given up by the server: \(slot.invalidation)", location: source.settings.place,
        hint:
          "Remove the reason (for idle_timeout, idle_replication_slot_timeout on the source), then run penstock reset "
          + "and load again.")
    }
    guard slot.walStatus != "lost" else {
      throw Failure(
        .source, "\(place) is lost: the source has removed log that was still needed", location: source.settings.place,
        hint: "Raise max_slot_wal_keep_size on the source, then run penstock reset and load again.")
    }
    return slot
  }

  /// The log's end now; for what has to be passed.
  func currentLSN() throws(Failure) -> LSN {
    try ReplicationSlot.currentLSN(run.connect(run.endpoints.source))
  }

  // MARK: Tables

  /// What is said about rows in the target that nobody of this pipeline has written.
  func foreignRows(_ mapping: TableMapping) -> Failure {
    Failure(
      .sink, "table \(mapping.target) already holds rows, and this pipeline has not loaded it",
      location: "\(mapping.target)",
      hint: run.endpoints.ownSource == nil
        ? "Empty the table, or set pipeline.mode: cdc to follow changes only." : "Empty the table.")
  }

  /// Refuses tables that were added to a pipeline whose load is over.
  func checkTablesAreLoaded() throws(Failure) {
    guard settings.mode.loads else { return }
    let known = try state("reading the state") { connection throws(Failure) in try store.tables(connection) }
    let loaded = Set(known.map(\.sourceTable))
    for mapping in preparation.mappings where !loaded.contains(mapping.source.name.description) {
      throw tooLate(mapping)
    }
  }

  /// What is said about a table that was added to a pipeline whose load is over.
  func tooLate(_ mapping: TableMapping) -> Failure {
    Failure(
      .configuration, "table \(mapping.source.name) was added to a pipeline that has already loaded its tables",
      location: "\(mapping.source.name)",
      hint: "Replicate it by a pipeline of its own, or run penstock reset and load all tables again.")
  }

  /// Builds the indexes that are not built yet, and remembers it.
  func buildIndexes() throws(Failure) {
    run.monitor.phase = .indexing
    let known = try state("reading the state") { connection throws(Failure) in try store.tables(connection) }
    for table in known where !table.indexesBuilt {
      guard let mapping = preparation.mappings.first(where: { $0.source.name.description == table.sourceTable }) else {
        continue
      }
      try tables.buildIndexes(mapping, interrupt: run.stopSignal)
      if run.isStopping { return }
      var built = table
      built.indexesBuilt = true
      try state("writing the state") { connection throws(Failure) in try store.write(built, identity, connection) }
      Failpoint.reach(.indexesBuilt)
    }
  }
}
