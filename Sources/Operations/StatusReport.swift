package import ChangeModel
package import DSQLSink
internal import FullLoad
package import Pipeline
internal import Postgres
internal import PostgresSource
internal import Runtime
package import Settings

/// Where a pipeline is, as the source and the target know it, whether it runs or not.
package struct StatusReport: Sendable {
  /// What the source tells.
  package struct Source: Sendable {
    package var instance: InstanceProbe
    /// The end of the source's log.
    package var end: LSN
    /// Bytes of log that the source keeps for the slot.
    package var retained: UInt64?
    /// Bytes that may still be written before the slot is in danger of being lost; `nil` without a limit.
    package var budget: Int64?
  }

  /// What the target remembers.
  package struct Target: Sendable {
    package var state: PipelineState?
    package var tables: [Table] = []
    package var lanes: [StreamPosition] = []
    /// Rows that were refused and wait as dead letters.
    package var parkedLetters = 0
    /// How the last instance was; `nil` when none has told.
    package var health: PipelineHealth.Record?
  }

  package struct Table: Sendable {
    package var source: String
    package var target: String
    package var state: String
    package var chunks: Int
    package var chunksDone: Int
    package var rows: Int
    package var indexesBuilt: Bool
  }

  package var pipeline: String
  package var slotName: String
  /// `nil` for any source but PostgreSQL, which is no server that could be asked.
  package var source: Result<Source, Failure>?
  /// `nil` for a registered sink.
  package var target: Result<Target, Failure>?

  /// Asks both sides; each that does not answer is a failure in the report.
  package init(_ settings: PipelineSettings, _ endpoints: Endpoints) {
    pipeline = settings.name
    slotName = settings.source.slotName
    let (pipeline, slotName) = (pipeline, slotName)
    target =
      endpoints.ownSink != nil
      ? nil : Result { () throws(Failure) in try Self.readTarget(pipeline, Connection(endpoints.sink.connection)) }
    // The slot that the state names, should the settings have changed.
    let known = (try? target?.get())?.state?.slot ?? slotName
    source =
      settings.source.server == nil
      ? nil
      : Result { () throws(Failure) in
        try Self.readSource(pipeline, known, Connection(InstanceProbe.observing(endpoints.source)))
      }
  }

  /// The first side's failure.
  package var failure: Failure? {
    if case .failure(let failure) = source { return failure }
    if case .failure(let failure) = target { return failure }
    return nil
  }

  /// Bytes of the source's log that are not yet confirmed.
  package var lag: UInt64? {
    guard let source = try? source?.get(), let slot = source.instance.slot else { return nil }
    return source.end.rawValue - min(source.end.rawValue, slot.confirmedFlush.rawValue)
  }

  private static func readSource(
    _ pipeline: String, _ slotName: String, _ connection: Connection
  ) throws(Failure) -> Source {
    var source = Source(
      instance: try InstanceProbe(pipeline: pipeline, slotName: slotName, connection),
      end: try ReplicationSlot.currentLSN(connection))
    let safe = connection.serverVersion >= 130_000 ? "safe_wal_size" : "NULL"
    let row = try connection.query(
      "SELECT restart_lsn, \(safe) FROM pg_catalog.pg_replication_slots WHERE slot_name = $1", [slotName]
    ).values.first
    if let start = row?[0].flatMap({ LSN(text: $0) }) {
      source.retained = source.end.rawValue - min(source.end.rawValue, start.rawValue)
    }
    source.budget = row?[1].flatMap { Int64($0) }
    return source
  }

  private static func readTarget(_ pipeline: String, _ connection: Connection) throws(Failure) -> Target {
    let store = StateStore(pipeline: pipeline)
    var target = Target()
    guard try store.exists(connection), let state = try store.read(connection) else { return target }
    target.state = state
    target.lanes = try store.lanes(connection)
    target.health = try store.health(connection)
    let letters = LetterStore(pipeline: pipeline)
    if try letters.exists(connection) { target.parkedLetters = try letters.parked(connection).count }
    let chunks = try connection.query(
      """
      SELECT source_table, count(*), sum(CASE WHEN done THEN 1 ELSE 0 END), sum(rows) FROM penstock.chunk
      WHERE pipeline = $1 GROUP BY source_table
      """, [pipeline])
    var counts: [String: [Int]] = [:]
    for row in chunks.values { counts[row[0] ?? ""] = row[1...].map { Int($0 ?? "") ?? 0 } }
    target.tables = try store.tables(connection).map { table in
      let count = counts[table.sourceTable] ?? [0, 0, 0]
      let isLoaded = count[0] > 0 && count[0] == count[1]
      return Table(
        source: table.sourceTable, target: table.targetTable,
        state: isLoaded ? (state.phase == .loading ? "loaded" : state.phase.rawValue) : table.state, chunks: count[0],
        chunksDone: count[1], rows: count[2], indexesBuilt: table.indexesBuilt)
    }
    return target
  }
}
