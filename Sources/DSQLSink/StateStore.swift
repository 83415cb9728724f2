package import ChangeModel
internal import Migrations
package import Postgres

/// Where a pipeline stands, as its target remembers it.
package struct PipelineState: Hashable, Sendable {
  package enum Phase: String, Hashable, Sendable {
    /// Tables are being loaded.
    case loading
    /// The stream has not yet passed `highMark`: rows may be of different times.
    case catchingUp = "catching-up"
    case streaming
  }

  package var pipeline: String
  package var epoch: Int64
  package var phase: Phase
  /// The source's system identifier and database.
  package var source: String
  package var slot: String
  package var publication: String
  package var madeSlot: Bool
  package var madePublication: Bool
  /// Where the slot began; `nil` until it is made.
  package var slotLSN: LSN?
  /// The stream must pass this before the tables are consistent.
  package var highMark: LSN?
  /// No position above it was ever reported to the source.
  package var confirmLimit: LSN?

  package init(
    pipeline: String, epoch: Int64, phase: Phase, source: String, slot: String, publication: String,
    madeSlot: Bool, madePublication: Bool, slotLSN: LSN? = nil, highMark: LSN? = nil, confirmLimit: LSN? = nil
  ) {
    self.pipeline = pipeline
    self.epoch = epoch
    self.phase = phase
    self.source = source
    self.slot = slot
    self.publication = publication
    self.madeSlot = madeSlot
    self.madePublication = madePublication
    self.slotLSN = slotLSN
    self.highMark = highMark
    self.confirmLimit = confirmLimit
  }
}

/// A table's row in the state: what was planned when its load began.
package struct TableState: Hashable, Sendable {
  package var sourceTable: String
  package var targetTable: String
  /// pending, loading, reloading or ready; see the migration that makes the table.
  package var state: String
  package var filenodes: String
  /// For a table without a key: its rows are as of here, older changes are not applied again.
  package var loadLSN: LSN?
  package var indexesBuilt: Bool

  package init(
    sourceTable: String, targetTable: String, state: String, filenodes: String, loadLSN: LSN? = nil,
    indexesBuilt: Bool = false
  ) {
    self.sourceTable = sourceTable
    self.targetTable = targetTable
    self.state = state
    self.filenodes = filenodes
    self.loadLSN = loadLSN
    self.indexesBuilt = indexesBuilt
  }
}

/// The `penstock.*` tables in the target, over a session used for nothing else.
package struct StateStore: Sendable {
  package let pipeline: String

  package init(pipeline: String) { self.pipeline = pipeline }

  /// Makes the state tables or brings them up to date.
  package func migrate(_ connection: Connection) throws(Failure) { try Migration.apply(on: connection) }

  package func exists(_ connection: Connection) throws(Failure) -> Bool {
    try connection.query("SELECT to_regclass('penstock.pipeline') IS NOT NULL").single == "t"
  }

  package func read(_ connection: Connection) throws(Failure) -> PipelineState? {
    let rows = try connection.query(
      """
      SELECT epoch, phase, source, slot_name, publication_name, made_slot, made_publication, slot_lsn, high_mark,
      confirm_limit FROM penstock.pipeline WHERE pipeline=$1
      """, [pipeline])
    guard let row = rows.values.first, let epoch = Int64(row[0] ?? ""),
      let phase = PipelineState.Phase(rawValue: row[1] ?? "")
    else { return nil }
    func lsn(_ index: Int) -> LSN? { row[index].flatMap { LSN(text: $0) } }
    return PipelineState(
      pipeline: pipeline, epoch: epoch, phase: phase, source: row[2] ?? "", slot: row[3] ?? "",
      publication: row[4] ?? "", madeSlot: row[5] == "t", madePublication: row[6] == "t", slotLSN: lsn(7),
      highMark: lsn(8), confirmLimit: lsn(9))
  }

  /// Writes a new pipeline's row; nothing happens when another instance was first.
  ///
  /// The first epoch is the time in milliseconds: were the pipeline reset and made again while an older instance hangs,
  /// that one's epoch would still be lower.
  package func create(_ state: PipelineState, _ connection: Connection) throws(Failure) {
    try connection.query(
      """
      INSERT INTO penstock.pipeline (pipeline, epoch, phase, source, slot_name, publication_name, made_slot,
      made_publication) VALUES ($1, (extract(epoch FROM now())*1000)::bigint, $2, $3, $4, $5, $6::boolean, $7::boolean)
      ON CONFLICT (pipeline) DO NOTHING
      """,
      [
        pipeline, state.phase.rawValue, state.source, state.slot, state.publication, String(state.madeSlot),
        String(state.madePublication),
      ])
  }

  /// Takes the pipeline over: from now on only this instance's transactions commit.
  ///
  /// The lanes' and chunks' rows carry the epoch too, so that an older instance's open transaction meets ours in a
  /// row that both write.
  ///
  /// - Parameter application: sessions of this name are an older instance's, and end: were it frozen in the middle of a
  ///   transaction, its locks would hold us up. `nil` where the target has no locks.
  package func claim(_ connection: Connection, endingSessionsOf application: String?) throws(Failure) -> WriterIdentity
  {
    let rows = try connection.query(
      "UPDATE penstock.pipeline SET epoch=epoch+1 WHERE pipeline=$1 RETURNING epoch", [pipeline])
    guard let epoch = rows.single.flatMap({ Int64($0) }) else {
      throw Failure(.sink, "pipeline \"\(pipeline)\" has no state row", location: connection.settings.place)
    }
    let identity = WriterIdentity(pipeline: pipeline, epoch: epoch)
    if let application {
      try connection.query(
        """
        SELECT pg_catalog.pg_terminate_backend(pid) FROM pg_catalog.pg_stat_activity
        WHERE application_name=$1 AND usename=current_user AND datname=current_database() AND pid<>pg_backend_pid()
        """, [application])
    }
    // Looked for first, as a write that finds nothing may have far to go nevertheless.
    let older = "pipeline=$1 AND epoch<$2::bigint"
    if try connection.hasRows("SELECT 1 FROM penstock.lane WHERE \(older) LIMIT 1", [pipeline, String(epoch)]) {
      try connection.query("UPDATE penstock.lane SET epoch=$2::bigint WHERE \(older)", [pipeline, String(epoch)])
    }
    // In slices, as DSQL takes 3,000 rows in a transaction.
    while try connection.hasRows(
      "SELECT 1 FROM penstock.chunk WHERE \(older) AND NOT done LIMIT 1", [pipeline, String(epoch)])
    {
      try connection.query(
        """
        UPDATE penstock.chunk SET epoch=$2::bigint WHERE pipeline=$1 AND (source_table, chunk) IN
        (SELECT source_table, chunk FROM penstock.chunk WHERE \(older) AND NOT done LIMIT 2000)
        """, [pipeline, String(epoch)])
    }
    return identity
  }

  /// Throws `fenced` unless `identity` still owns the pipeline.
  package func check(_ identity: WriterIdentity, _ connection: Connection) throws(Failure) {
    let epoch = try connection.query("SELECT epoch FROM penstock.pipeline WHERE pipeline=$1", [pipeline]).single
    if epoch != String(identity.epoch) { throw identity.fenced }
  }

  /// Changes columns of the pipeline's row, if `identity` still owns it.
  package func update(
    _ identity: WriterIdentity, _ assignments: [(column: String, value: String?)], _ connection: Connection
  ) throws(Failure) {
    let list = assignments.enumerated().map { "\($1.column)=$\($0 + 3)" }.joined(separator: ", ")
    let rows = try connection.query(
      "UPDATE penstock.pipeline SET \(list) WHERE pipeline=$1 AND epoch=$2::bigint",
      [pipeline, String(identity.epoch)] + assignments.map(\.value))
    if rows.affected != 1 { throw identity.fenced }
  }

  /// Does `work` in one transaction that commits only if `identity` still owns the pipeline.
  ///
  /// - Parameter work: may be done again after a failure; no DDL, and few enough rows for one transaction.
  package func owning(
    _ identity: WriterIdentity, _ connection: Connection, _ work: () throws(Failure) -> Void
  ) throws(Failure) {
    try connection.query("BEGIN")
    let owned = try connection.query(
      "UPDATE penstock.pipeline SET epoch=epoch WHERE pipeline=$1 AND epoch=$2::bigint",
      [pipeline, String(identity.epoch)])
    if owned.affected != 1 {
      try connection.query("ROLLBACK")
      throw identity.fenced
    }
    try work()
    try connection.query("COMMIT")
  }

  // MARK: Lanes

  /// Positions by lane number, retired lanes left out.
  package func lanes(_ connection: Connection) throws(Failure) -> [StreamPosition] {
    let rows = try connection.query(
      "SELECT position FROM penstock.lane WHERE pipeline=$1 AND stream='main' AND position<>'' ORDER BY lane",
      [pipeline])
    return rows.values.map { StreamPosition(text: $0[0] ?? "") ?? .zero }
  }

  /// Makes the lanes' rows anew, all at `position`.
  ///
  /// Rows of lanes that are no longer used stay, with an empty position, so that an older instance that still writes
  /// by them meets the new epoch.
  package func resetLanes(
    _ count: Int, at position: StreamPosition, _ identity: WriterIdentity, _ connection: Connection
  ) throws(Failure) {
    try owning(identity, connection) { () throws(Failure) in
      for lane in 0..<count {
        try connection.query(
          """
          INSERT INTO penstock.lane (pipeline, stream, lane, epoch, position, changes)
          VALUES ($1, 'main', $2::int, $3::bigint, $4, 0) ON CONFLICT (pipeline, stream, lane) DO UPDATE
          SET epoch=EXCLUDED.epoch, position=EXCLUDED.position, changes=0, shards=NULL
          """, [pipeline, String(lane), String(identity.epoch), position.description])
      }
      try connection.query(
        """
        UPDATE penstock.lane SET position='', epoch=$1::bigint WHERE pipeline=$2 AND stream='main' AND lane>=$3::int
        """, [String(identity.epoch), pipeline, String(count)])
    }
  }

  /// A lane's position now: waits for a transaction of a lost session that is still committing.
  package func lanePosition(_ lane: Int, _ identity: WriterIdentity, _ connection: Connection) throws(Failure)
    -> StreamPosition
  {
    let rows = try connection.query(
      "SELECT position, epoch FROM penstock.lane WHERE pipeline=$1 AND stream='main' AND lane=$2::int FOR UPDATE",
      [pipeline, String(lane)])
    guard let row = rows.values.first, row[1] == String(identity.epoch),
      let position = StreamPosition(text: row[0] ?? "")
    else { throw identity.fenced }
    return position
  }

  // MARK: Tables

  package func tables(_ connection: Connection) throws(Failure) -> [TableState] {
    let rows = try connection.query(
      """
      SELECT source_table, target_table, state, filenodes, load_lsn, indexes_built FROM penstock.table_state
      WHERE pipeline=$1 ORDER BY source_table
      """, [pipeline])
    return rows.values.map { row in
      TableState(
        sourceTable: row[0] ?? "", targetTable: row[1] ?? "", state: row[2] ?? "", filenodes: row[3] ?? "",
        loadLSN: row[4].flatMap { LSN(text: $0) }, indexesBuilt: row[5] == "t")
    }
  }

  /// Writes a table's row, if `identity` still owns the pipeline.
  package func write(
    _ table: TableState, _ identity: WriterIdentity, _ connection: Connection
  ) throws(Failure) {
    try owning(identity, connection) { () throws(Failure) in try put(table, connection) }
  }

  /// The same as a part of the caller's transaction, which makes sure of the owner.
  package func put(_ table: TableState, _ connection: Connection) throws(Failure) {
    try connection.query(
      """
      INSERT INTO penstock.table_state (pipeline, source_table, target_table, state, filenodes, load_lsn, indexes_built)
      VALUES ($1, $2, $3, $4, $5, $6, $7::boolean) ON CONFLICT (pipeline, source_table) DO UPDATE SET
      state=EXCLUDED.state, filenodes=EXCLUDED.filenodes, load_lsn=EXCLUDED.load_lsn,
      indexes_built=EXCLUDED.indexes_built
      """,
      [
        pipeline, table.sourceTable, table.targetTable, table.state, table.filenodes, table.loadLSN?.description,
        String(table.indexesBuilt),
      ])
  }

  /// Forgets everything about the pipeline.
  package func remove(_ connection: Connection) throws(Failure) {
    let letters = LetterStore(pipeline: pipeline)
    if try letters.exists(connection) { try letters.remove(nil, connection) }
    while true {
      let gone = try connection.query(
        """
        DELETE FROM penstock.chunk WHERE pipeline=$1 AND (source_table, chunk) IN
        (SELECT source_table, chunk FROM penstock.chunk WHERE pipeline=$1 LIMIT 2000)
        """, [pipeline])
      if gone.affected == 0 { break }
    }
    for table in ["health", "table_state", "item_mapping", "shard", "lane", "pipeline"] {
      try connection.query("DELETE FROM penstock.\(table) WHERE pipeline=$1", [pipeline])
    }
  }
}
