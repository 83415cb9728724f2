package import ChangeModel
package import Postgres

extension SourceFacts {
  /// Reads the facts in a fixed number of queries. Changes nothing but the session's `search_path`.
  package static func read(
    _ connection: Connection, for request: CheckRequest, where isSelected: (TableName) -> Bool
  ) throws(Failure) -> SourceFacts {
    var facts = SourceFacts()
    facts.serverVersion = connection.serverVersion
    // An older server lacks columns that the queries name; its version alone is a finding.
    guard connection.isAtLeast(12) else { return facts }
    facts.catalog = try SourceCatalog.read(connection, where: isSelected)
    try facts.readServer(connection)
    try facts.readSettings(connection)
    try facts.readRelations(connection)
    guard request.followsChanges else { return facts }
    try facts.readSlots(connection)
    try facts.readPublication(connection, request.publicationName)
    try facts.readTransactions(connection)
    return facts
  }

  private mutating func readServer(_ connection: Connection) throws(Failure) {
    let query = """
      SELECT pg_is_in_recovery(), pg_encoding_to_char(d.encoding), d.datname, r.rolname, r.rolsuper,
        r.rolsuper OR r.rolreplication OR EXISTS (
          SELECT FROM pg_roles m WHERE m.rolname = 'rds_replication' AND pg_has_role(r.oid, m.oid, 'MEMBER')),
        EXISTS (SELECT FROM pg_roles WHERE rolname = 'rds_replication'),
        has_database_privilege(d.oid, 'CREATE'),
        (SELECT count(*) FROM pg_stat_replication),
        (SELECT count(*) FROM pg_stat_activity WHERE backend_type IS NULL OR backend_type = 'client backend')
      FROM pg_database d, pg_roles r WHERE d.datname = current_database() AND r.rolname = current_user
      """
    var row = CatalogRow(try connection.query(query).values.first ?? [])
    isInRecovery = row.flag()
    encoding = row.text()
    database = row.text()
    user = row.text()
    isSuperuser = row.flag()
    canReplicate = row.flag()
    isRDS = row.flag()
    canCreateInDatabase = row.flag()
    senderCount = try row.number()
    sessionCount = try row.number()
  }

  private mutating func readSettings(_ connection: Connection) throws(Failure) {
    let query = """
      SELECT name, setting, reset_val FROM pg_settings WHERE name IN ('wal_level', 'max_replication_slots',
        'max_wal_senders', 'wal_sender_timeout', 'max_slot_wal_keep_size', 'idle_replication_slot_timeout',
        'max_connections', 'superuser_reserved_connections', 'lc_monetary')
      """
    for fields in try connection.query(query).values {
      var row = CatalogRow(fields)
      let name = row.text()
      settings[name] = row.text()
      if name == "lc_monetary" { moneyLocale = row.text() }
    }
  }

  private mutating func readRelations(_ connection: Connection) throws(Failure) {
    let oids = Set(catalog.tables.flatMap { [$0.oid] + $0.heaps.map(\.oid) })
    guard !oids.isEmpty else { return }
    let query = """
      SELECT c.oid::int8, n.nspname, c.relname, has_schema_privilege(n.oid, 'USAGE'),
        has_table_privilege(c.oid, 'SELECT'), pg_has_role(c.relowner, 'USAGE'), pg_get_userbyid(c.relowner),
        row_security_active(c.oid),
        concat_ws(' ', c.relreplident, (
          SELECT string_agg(quote_ident(a.attname), ' ' ORDER BY array_position(i.indkey::int2[], a.attnum))
          FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey::int2[])
          WHERE i.indrelid = c.oid
            AND (c.relreplident = 'd' AND i.indisprimary OR c.relreplident = 'i' AND i.indisreplident))),
        (SELECT count(*) FROM pg_inherits h JOIN pg_class k ON k.oid = h.inhrelid
          WHERE h.inhparent = c.oid AND NOT k.relispartition)
      FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = ANY ($1::oid[])
      """
    for fields in try connection.query(query, [arrayLiteral(oids)]).values {
      var row = CatalogRow(fields)
      let oid = try row.number(UInt32.self)
      var relation = Relation(TableName(row.text(), row.text()))
      relation.canUseSchema = row.flag()
      relation.canSelect = row.flag()
      relation.isOwned = row.flag()
      relation.owner = row.text()
      relation.hidesRows = row.flag()
      relation.identity = row.text()
      relation.childCount = try row.number()
      relations[oid] = relation
    }
  }

  static func slotsQuery(_ serverVersion: Int) -> String {
    """
    SELECT slot_name, plugin, database, slot_type = 'logical', temporary, active_pid,
      \(serverVersion >= 130_000 ? "wal_status" : "''"), confirmed_flush_lsn FROM pg_replication_slots
    """
  }

  private mutating func readSlots(_ connection: Connection) throws(Failure) {
    for fields in try connection.query(Self.slotsQuery(connection.serverVersion)).values {
      var row = CatalogRow(fields)
      var slot = Slot(name: row.text(), plugin: row.text(), database: row.text())
      slot.isLogical = row.flag()
      slot.isTemporary = row.flag()
      slot.activePID = row.optional().flatMap { Int($0) }
      slot.walStatus = row.text()
      slot.confirmedFlushLSN = row.text()
      slots.append(slot)
    }
  }

  static func publicationQuery(_ serverVersion: Int) -> String {
    """
    SELECT pg_get_userbyid(pubowner), pg_has_role(pubowner, 'USAGE'), puballtables,
      \(serverVersion >= 130_000 ? "pubviaroot" : "false"),
      concat_ws(' ', CASE WHEN NOT pubinsert THEN 'insert' END, CASE WHEN NOT pubupdate THEN 'update' END,
        CASE WHEN NOT pubdelete THEN 'delete' END, CASE WHEN NOT pubtruncate THEN 'truncate' END)
    FROM pg_publication WHERE pubname = $1
    """
  }

  private mutating func readPublication(_ connection: Connection, _ name: String) throws(Failure) {
    guard let fields = try connection.query(Self.publicationQuery(connection.serverVersion), [name]).values.first else {
      return
    }
    var row = CatalogRow(fields)
    var found = Publication(owner: row.text(), isOwned: row.flag())
    found.isForAllTables = row.flag()
    found.viaRoot = row.flag()
    found.missingOperations = row.text().split(separator: " ").map(String.init)
    let filtered = PostgresSource.Publication.filterTest(connection.serverVersion)
    let tablesQuery = "SELECT schemaname, tablename, \(filtered) FROM pg_publication_tables WHERE pubname = $1"
    for fields in try connection.query(tablesQuery, [name]).values {
      var row = CatalogRow(fields)
      let table = TableName(row.text(), row.text())
      found.tables.insert(table)
      if row.flag() { found.filtered.insert(table) }
    }
    publication = found
  }

  /// A transaction with an id holds a lock on it, which everyone may see; the rest of its data perhaps not.
  private mutating func readTransactions(_ connection: Connection) throws(Failure) {
    let query = """
      SELECT DISTINCT l.pid, a.usename, a.application_name, a.state,
        extract(epoch FROM clock_timestamp() - a.xact_start)::int8
      FROM pg_locks l LEFT JOIN pg_stat_activity a ON a.pid = l.pid
      WHERE l.locktype = 'transactionid' AND l.mode = 'ExclusiveLock' AND l.granted AND l.pid <> pg_backend_pid()
      ORDER BY 5 DESC NULLS LAST
      """
    for fields in try connection.query(query).values {
      var row = CatalogRow(fields)
      openTransactions.append(
        OpenTransaction(
          pid: try row.number(), user: row.text(), application: row.text(), state: row.text(),
          ageSeconds: row.optional().flatMap { Int($0) }))
    }
    let preparedQuery = """
      SELECT gid, database, owner, extract(epoch FROM clock_timestamp() - prepared)::int8 FROM pg_prepared_xacts
      ORDER BY prepared
      """
    for fields in try connection.query(preparedQuery).values {
      var row = CatalogRow(fields)
      preparedTransactions.append(
        PreparedTransaction(name: row.text(), database: row.text(), owner: row.text(), ageSeconds: try row.number()))
    }
  }
}
