package import ChangeModel
package import Postgres
package import Runtime
package import SQLMapping

/// Makes the target's tables and indexes, and holds those that are there against what the pipeline will write.
package struct TargetTables {
  private let mapper: SchemaMapper
  private let session: SinkSession
  private let log: Log

  package init(_ mapper: SchemaMapper, _ session: SinkSession, log: Log) {
    self.mapper = mapper
    self.session = session
    self.log = log
  }

  /// Creates the tables that are missing, each by a DDL of its own, and checks the others.
  package func prepare(_ mappings: [TableMapping]) throws(Failure) {
    for members in mapper.byTarget(mappings) {
      let mapping = mapper.unite(members)
      let columns = try existingColumns(mapping.target)
      if columns.isEmpty {
        try makeSchema(of: mapping)
        try run(mapper.generateCreateTableStatement(mapping), "creating \(mapping.target)")
        log.info("created table \(mapping.target)")
      } else {
        for member in members { try check(member, columns) }
      }
    }
  }

  private func makeSchema(of mapping: TableMapping) throws(Failure) {
    let isThere = try session.retrying("reading the target's catalog") { connection throws(Failure) in
      try Self.hasSchema(mapping.target.schema, connection)
    }
    if isThere { return }
    for sql in mapper.generateCreateSchemaStatements([mapping]) { try run(sql, "creating schemas") }
  }

  static func hasSchema(_ name: String, _ connection: Connection) throws(Failure) -> Bool {
    try connection.hasRows("SELECT 1 FROM pg_catalog.pg_namespace WHERE nspname=$1", [name])
  }

  private func run(_ sql: String, _ what: String) throws(Failure) {
    _ = try session.retrying(what) { connection throws(Failure) in try connection.query(sql) }
  }

  /// A column of a table that is there.
  package struct Column: Sendable {
    /// As `format_type` writes it.
    package var type: String
    /// Whether an INSERT must set it.
    package var isRequired: Bool
  }

  private func existingColumns(_ table: TableName) throws(Failure) -> [String: Column] {
    try session.retrying("reading the target's catalog") { connection throws(Failure) in
      try Self.columns(table, connection)
    }
  }

  /// The columns of a table by name; none when there is no such table.
  package static func columns(_ table: TableName, _ connection: Connection) throws(Failure) -> [String: Column] {
    let rows = try connection.query(
      """
      SELECT a.attname, format_type(a.atttypid, a.atttypmod),
      a.attnotnull AND NOT a.atthasdef AND a.attidentity = ''
      FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class c ON c.oid = a.attrelid
      JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
      WHERE n.nspname = $1 AND c.relname = $2 AND a.attnum > 0 AND NOT a.attisdropped
      """, [table.schema, table.name])
    var columns: [String: Column] = [:]
    for row in rows.values { columns[row[0] ?? ""] = Column(type: row[1] ?? "", isRequired: row[2] == "t") }
    return columns
  }

  private func check(_ mapping: TableMapping, _ existing: [String: Column]) throws(Failure) {
    for column in mapping.columns {
      guard let found = existing[column.targetName] else {
        throw Failure(
          .sink, "table \(mapping.target) has no column \"\(column.targetName)\"", location: "\(mapping.target)",
          hint: "ALTER TABLE \(mapping.target.quoted) ADD COLUMN \(quotedIdentifier(column.targetName)) "
            + "\(column.targetType); then set it in the rows that are there.")
      }
      if found.type != column.targetType {
        log.debug(
          "\(mapping.target).\(column.targetName) is \(found.type); Penstock would make it \(column.targetType)")
      }
    }
    let written = Set(mapping.columns.map(\.targetName) + mapping.generated.map(\.source.name))
    for (name, column) in existing.sorted(by: { $0.key < $1.key })
    where column.isRequired && !written.contains(name) {
      throw Failure(
        .sink, "column \"\(name)\" of \(mapping.target) must be set, but the source has no such column",
        location: "\(mapping.target)", hint: "Give the column a default or let it be NULL.")
    }
    if !mapping.isKeyless, try !hasUniqueKey(mapping) {
      let names = mapping.key.map { quotedIdentifier(mapping.columns[$0].targetName) }.joined(separator: ", ")
      throw Failure(
        .sink, "table \(mapping.target) has no primary key or unique index on (\(names))",
        location: "\(mapping.target)", hint: "Create it with that primary key, or drop it and let Penstock create it.")
    }
  }

  private func hasUniqueKey(_ mapping: TableMapping) throws(Failure) -> Bool {
    try session.retrying("reading the target's catalog") { connection throws(Failure) in
      try Self.hasUniqueKey(mapping, connection)
    }
  }

  /// Whether a column is of another type than Penstock would have made it: values then need the target's own cast,
  /// which COPY in binary form does not do.
  package func hasOtherTypes(_ mapping: TableMapping) throws(Failure) -> Bool {
    let existing = try existingColumns(mapping.target)
    return mapping.columns.contains { existing[$0.targetName]?.type != $0.targetType }
  }

  /// Whether a unique index covers exactly the mapping's key.
  package static func hasUniqueKey(_ mapping: TableMapping, _ connection: Connection) throws(Failure) -> Bool {
    let wanted = mapping.key.map { mapping.columns[$0].targetName }.sorted()
    let rows = try connection.query(
      """
      SELECT i.indexrelid, a.attname FROM pg_catalog.pg_index i
      JOIN pg_catalog.pg_class c ON c.oid = i.indrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
      CROSS JOIN LATERAL generate_series(0, i.indnkeyatts - 1) AS k
      JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum = i.indkey[k]
      WHERE n.nspname = $1 AND c.relname = $2 AND i.indisunique AND i.indpred IS NULL AND i.indexprs IS NULL
      """, [mapping.target.schema, mapping.target.name])
    var keys: [String: [String]] = [:]
    for row in rows.values { keys[row[0] ?? "", default: []].append(row[1] ?? "") }
    return keys.values.contains { $0.sorted() == wanted }
  }

  /// Whether the table holds a row.
  package func hasRows(_ table: TableName) throws(Failure) -> Bool {
    try session.retrying("looking at \(table)") { connection throws(Failure) in
      try connection.hasRows("SELECT 1 FROM \(table.quoted) LIMIT 1")
    }
  }

  /// Removes some of the mapping's rows, whichever; call it until none is left.
  /// - Returns: how many are gone.
  package static func removeRows(
    of mapping: TableMapping, atMost count: Int, _ connection: Connection
  ) throws(Failure) -> Int {
    // A table without a key is sliced by whole rows. The name of one must not be a column's, which would be meant instead.
    let names = Set(mapping.columns.map(\.targetName) + mapping.generated.map(\.source.name))
    var row = "penstock_row"
    while names.contains(row) { row += "_" }
    let key =
      mapping.isKeyless
      ? "\(row)::text" : mapping.key.map { quotedIdentifier(mapping.columns[$0].targetName) }.joined(separator: ",")
    let table = "\(mapping.target.quoted) AS \(row)"
    let own = mapping.ownRows.map { "WHERE \($0) " } ?? ""
    return try connection.query(
      "DELETE FROM \(table) WHERE (\(key)) IN (SELECT \(key) FROM \(table) \(own)LIMIT \(count))"
    ).affected
  }

  /// Builds a table's secondary indexes and waits for the jobs that build them.
  package func buildIndexes(_ mapping: TableMapping, interrupt: Wakeup) throws(Failure) {
    for index in mapping.indexes {
      if let reason = index.skipReason {
        log.warning("\(mapping.target): index \(index.name) is left out: \(reason)")
        continue
      }
      let sql = mapper.generateCreateIndexStatement(index, on: mapping)
      let answer = try session.retrying("building index \(index.name)") { connection throws(Failure) in
        try connection.query(sql)
      }
      Failpoint.reach(.indexBuilt)
      if let job = answer.single { try wait(forJob: job, index.name, interrupt) }
      log.info("\(mapping.target): built index \(index.name)")
    }
  }

  /// `sys.jobs` shows a job until about half an hour after its end.
  private func wait(forJob job: String, _ index: String, _ interrupt: Wakeup) throws(Failure) {
    var polls = 0
    while !interrupt.isSignalled {
      let row = try session.retrying("waiting for index \(index)") { connection throws(Failure) in
        try connection.query("SELECT status, details FROM sys.jobs WHERE job_id = $1", [job]).values.first
      }
      switch row?[0] {
      case "completed", nil: return
      case "failed":
        throw Failure(
          .sink, "building index \(index) failed: \(row?[1] ?? "no reason given")", location: "job \(job)",
          hint: "Drop the index, remove what stands in its way, and start Penstock again.")
      default: break
      }
      polls += 1
      interrupt.wait(for: polls < 20 ? .milliseconds(100) : .seconds(1))
    }
  }
}
