package import ChangeModel
package import Postgres
internal import Runtime

/// A logical slot as `pg_replication_slots` shows it.
package struct SlotStatus: Hashable, Sendable {
  package var name: String
  package var plugin: String
  package var database: String
  /// The server process that streams from it.
  package var activePID: Int?
  package var confirmedFlush: LSN
  /// `reserved`, `extended`, `unreserved` or `lost`; empty before PostgreSQL 13.
  package var walStatus: String
  /// Why the server has given it up, such as `wal_removed` or `idle_timeout`; empty while it is good, and before
  /// PostgreSQL 17.
  package var invalidation: String
}

/// Commands on slots, publications and snapshots of the source.
package enum ReplicationSlot {
  /// A new slot's starting point and the snapshot that shows the database exactly there.
  package struct Created: Sendable {
    package var consistentPoint: LSN
    /// Valid until the next command on the session that made the slot.
    package var snapshot: String
  }

  package static func status(_ name: String, _ connection: Connection) throws(Failure) -> SlotStatus? {
    let rows = try connection.query(statusQuery(connection.serverVersion), [name])
    guard let row = rows.values.first else { return nil }
    return SlotStatus(
      name: name, plugin: row[0] ?? "", database: row[1] ?? "", activePID: row[2].flatMap { Int($0) },
      confirmedFlush: row[3].flatMap { LSN(text: $0) } ?? .zero, walStatus: row[4] ?? "",
      invalidation: row[5] ?? "")
  }

  static func statusQuery(_ serverVersion: Int) -> String {
    let wal = serverVersion >= 130_000 ? "wal_status" : "''"
    let invalidation = serverVersion >= 170_000 ? "invalidation_reason" : "''"
    return """
      SELECT coalesce(plugin, ''), coalesce(database, ''), active_pid, confirmed_flush_lsn, coalesce(\(wal), ''),
        coalesce(\(invalidation), '')
      FROM pg_catalog.pg_replication_slots WHERE slot_name=$1
      """
  }

  /// Makes a slot and exports its snapshot. Waits for transactions that were open when it began.
  ///
  /// - Parameters:
  ///   - replication: a session opened with `replication=database`; keep it open and idle to keep the snapshot.
  ///   - whileWaiting: called every ten seconds until the slot is there.
  package static func create(
    _ name: String, isTemporary: Bool, on replication: Connection, whileWaiting: () -> Void
  ) throws(Failure) -> Created {
    let temporary = isTemporary ? " TEMPORARY" : ""
    let rows = try replication.query(
      "CREATE_REPLICATION_SLOT \"\(name)\"\(temporary) LOGICAL pgoutput EXPORT_SNAPSHOT", every: .seconds(10),
      whileWaiting)
    guard let row = rows.values.first, row.count >= 3, let point = row[1].flatMap({ LSN(text: $0) }),
      let snapshot = row[2]
    else {
      throw Failure(
        .source, "the server made slot \"\(name)\" without a snapshot", location: replication.settings.place)
    }
    return Created(consistentPoint: point, snapshot: snapshot)
  }

  /// A fingerprint of what the server decodes a publication's tables by: it changes with every TRUNCATE, rewrite or
  /// change of a definition that has been committed.
  ///
  /// A slot can't be trusted when this changed while the slot was made. Up to PostgreSQL 18 the snapshot for
  /// transactions that were open at the slot's start may lack a change of the catalog that was committed a little
  /// earlier: the server then decodes rows by the definition before it, or fails for ever with `could not map filenode`.
  /// (pgsql-hackers, "Historic snapshot doesn't track txns committed in BUILDING_SNAPSHOT state".)
  package static func definitions(ofPublication name: String, _ connection: Connection) throws(Failure) -> String {
    try connection.query(
      """
      WITH published AS (
        SELECT format('%I.%I', schemaname, tablename)::regclass AS root FROM pg_catalog.pg_publication_tables
        WHERE pubname=$1
      ), leaf AS (
        SELECT root AS oid FROM published UNION SELECT t.relid FROM published, pg_catalog.pg_partition_tree(root) t
      )
      SELECT coalesce(md5(string_agg(concat_ws(' ', c.oid, c.xmin, c.relfilenode, a.columns, i.keys), ',' ORDER BY c.oid)), '')
      FROM leaf JOIN pg_catalog.pg_class c USING (oid),
        LATERAL (SELECT string_agg(xmin::text, ' ' ORDER BY attnum) AS columns FROM pg_catalog.pg_attribute
          WHERE attrelid=c.oid AND attnum>0) a,
        LATERAL (SELECT string_agg(xmin::text, ' ' ORDER BY indexrelid) AS keys FROM pg_catalog.pg_index
          WHERE indrelid=c.oid AND (indisprimary OR indisreplident)) i
      """, [name]
    ).single ?? ""
  }

  /// Drops a slot if it is there, ending a session that still streams from it.
  package static func drop(_ name: String, _ connection: Connection) throws(Failure) {
    guard let status = try status(name, connection) else { return }
    if let pid = status.activePID { try end(session: pid, of: name, connection) }
    try connection.query("SELECT pg_catalog.pg_drop_replication_slot($1)", [name])
  }

  /// Ends the session that streams from the slot and waits until the slot is free.
  package static func end(session pid: Int, of name: String, _ connection: Connection) throws(Failure) {
    try connection.query("SELECT pg_catalog.pg_terminate_backend($1::int)", [String(pid)])
    for _ in 0..<100 {
      if try status(name, connection)?.activePID == nil { return }
      Wakeup().wait(for: .milliseconds(50))
    }
    throw Failure(
      .source, "slot \"\(name)\" is still used by process \(pid)", location: connection.settings.place,
      hint: "End that session, or grant this user pg_signal_backend.", isTransient: true)
  }

  /// The application name of a server process; `nil` when it is gone or this user may not see it.
  package static func application(of pid: Int, _ connection: Connection) throws(Failure) -> String? {
    try connection.query(
      "SELECT application_name FROM pg_catalog.pg_stat_activity WHERE pid=$1::int", [String(pid)]
    ).single
  }

  /// What holds a slot's creation up: open transactions older than it, oldest first, as sentences.
  package static func blockers(_ connection: Connection) throws(Failure) -> [String] {
    let rows = try connection.query(
      """
      SELECT pid, usename, coalesce(application_name, ''), extract(epoch FROM now()-xact_start)::int
      FROM pg_catalog.pg_stat_activity WHERE backend_xid IS NOT NULL AND pid<>pg_backend_pid()
      ORDER BY xact_start LIMIT 5
      """)
    return rows.values.map { row in
      "process \(row[0] ?? "?") of \(row[1] ?? "?") (\(row[2] ?? "")), open for \(row[3] ?? "?") s"
    }
  }

  /// Where the log is now.
  package static func currentLSN(_ connection: Connection) throws(Failure) -> LSN {
    let sql =
      "SELECT CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END"
    return LSN(text: try connection.query(sql).single ?? "") ?? .zero
  }

  /// The system identifier and database: two servers with the same answer hold the same data.
  package static func sourceIdentity(_ connection: Connection) throws(Failure) -> String {
    try connection.query(
      "SELECT system_identifier::text || '/' || current_database() FROM pg_catalog.pg_control_system()"
    ).single ?? ""
  }
}

/// Publications.
package enum Publication {
  package static func exists(_ name: String, _ connection: Connection) throws(Failure) -> Bool {
    try connection.hasRows("SELECT 1 FROM pg_catalog.pg_publication WHERE pubname=$1", [name])
  }

  /// Publishes these tables with everything that can happen to them; partitioned ones as their root.
  package static func create(
    _ name: String, tables: [String], _ connection: Connection
  ) throws(Failure) {
    let root = connection.serverVersion >= 130_000 ? " WITH (publish_via_partition_root = true)" : ""
    try connection.query("CREATE PUBLICATION \(name) FOR TABLE \(tables.joined(separator: ", "))\(root)")
  }

  package static func drop(_ quotedName: String, _ connection: Connection) throws(Failure) {
    try connection.query("DROP PUBLICATION IF EXISTS \(quotedName)")
  }

  /// The tables of a publication as it streams them.
  package static func tables(_ name: String, _ connection: Connection) throws(Failure) -> Set<TableName> {
    let rows = try connection.query(
      "SELECT schemaname, tablename FROM pg_catalog.pg_publication_tables WHERE pubname=$1", [name])
    return Set(rows.values.map { TableName($0[0] ?? "", $0[1] ?? "") })
  }

  /// Whether a row of `pg_publication_tables` leaves out rows or columns, as SQL. A list of all columns is no filter; the
  /// server prints every column when there is no list, from 18 on perhaps with generated ones.
  static func filterTest(_ serverVersion: Int) -> String {
    serverVersion >= 150_000
      ? """
      rowfilter IS NOT NULL OR EXISTS (SELECT FROM pg_attribute a
        WHERE a.attrelid = format('%I.%I', schemaname, tablename)::regclass AND a.attnum > 0
          AND NOT a.attisdropped AND a.attgenerated = '' AND a.attname <> ALL (attnames))
      """ : "false"
  }

  /// The tables of which a publication leaves out rows or columns.
  package static func filteredTables(_ name: String, _ connection: Connection) throws(Failure) -> Set<TableName> {
    let rows = try connection.query(
      "SELECT schemaname, tablename FROM pg_catalog.pg_publication_tables WHERE pubname=$1 AND (\(filterTest(connection.serverVersion)))",
      [name])
    return Set(rows.values.map { TableName($0[0] ?? "", $0[1] ?? "") })
  }

  /// Adds tables to a publication that Penstock made.
  package static func add(_ quotedName: String, tables: [String], _ connection: Connection) throws(Failure) {
    try connection.query("ALTER PUBLICATION \(quotedName) ADD TABLE \(tables.joined(separator: ", "))")
  }
}
