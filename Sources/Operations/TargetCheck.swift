package import ChangeModel
internal import DSQLSink
package import Pipeline
internal import Postgres
package import PostgresSource
package import SQLMapping
package import Settings

/// Holds a target against what the pipeline would write to it. Changes nothing.
package struct TargetCheck {
  private let settings: PipelineSettings
  private let sink: SinkOptions
  private let login: LoginCheck?

  package init(_ settings: PipelineSettings, _ endpoints: Endpoints) {
    self.settings = settings
    sink = endpoints.sink
    login = endpoints.login.map { LoginCheck($0, role: settings.sink.iam?.role) }
  }

  /// - Parameters:
  ///   - mappings: the tables that can be mapped.
  ///   - sourceIdentity: what the state would name as its source.
  package func findings(_ mappings: [TableMapping], sourceIdentity: String?) throws(Failure) -> [Finding] {
    let connection: Connection
    do throws(Failure) {
      connection = try Connection(sink.connection)
    } catch {
      return [
        Finding(.targetConnection, .error, error.location, error.message, fix: login?.fix(for: error) ?? error.hint)
      ]
    }
    let user = try connection.query("SELECT current_user").single ?? ""
    var found = try schemaFindings(["penstock"] + mappings.map(\.target.schema), connection)
    if let login { found.append(login.finding(databaseUser: user)) }
    var known: [String] = []
    let store = StateStore(pipeline: settings.name)
    // Without the right to look into our own schema there is a finding already.
    if !found.contains(where: { $0.subject == "schema penstock" }), try store.exists(connection),
      let state = try store.read(connection)
    {
      known = try store.tables(connection).map(\.targetTable)
      found += stateFindings(state, sourceIdentity)
    }
    for mapping in mappings {
      found += try tableFindings(mapping, isKnown: known.contains(mapping.target.description), connection)
    }
    return found
  }

  private func stateFindings(_ state: PipelineState, _ sourceIdentity: String?) -> [Finding] {
    let subject = "pipeline \(settings.name)"
    if let sourceIdentity, sourceIdentity != state.source {
      return [
        Finding(
          .targetState, .error, subject, "the target holds the state of a pipeline of that name from another source",
          fix: "Give this pipeline another pipeline.name, or run penstock reset with the settings of the other.")
      ]
    }
    return [
      Finding(
        .targetState, .info, subject, "the target holds its state, \(state.phase.rawValue); a run goes on from it")
    ]
  }

  private func schemaFindings(_ schemas: [String], _ connection: Connection) throws(Failure) -> [Finding] {
    var found: [Finding] = []
    var seen: Set<String> = []
    for schema in schemas where seen.insert(schema).inserted {
      let row =
        try connection.query(
          """
          SELECT n.oid IS NOT NULL, CASE WHEN n.oid IS NULL THEN has_database_privilege(current_database(), 'CREATE')
            ELSE has_schema_privilege(n.oid, 'USAGE') AND (n.nspname <> 'penstock'
            OR has_schema_privilege(n.oid, 'CREATE')) END, current_user, current_database()
          FROM (SELECT 1) AS one LEFT JOIN pg_catalog.pg_namespace n ON n.nspname = $1
          """, [schema]
        ).values.first ?? []
      guard row.count == 4, row[1] != "t" else { continue }
      let role = quotedIdentifier(row[2] ?? "")
      let (subject, name) = ("schema \(schema)", quotedIdentifier(schema))
      found.append(
        row[0] == "t"
          ? Finding(
            .targetPrivilege, .error, subject, "the role may not use it",
            fix: "GRANT USAGE\(schema == "penstock" ? ", CREATE" : "") ON SCHEMA \(name) TO \(role);")
          : Finding(
            .targetPrivilege, .error, subject, "it does not exist, and the role may not create it",
            fix: "GRANT CREATE ON DATABASE \(quotedIdentifier(row[3] ?? "")) TO \(role);"))
    }
    return found
  }

  private func tableFindings(
    _ mapping: TableMapping, isKnown: Bool, _ connection: Connection
  ) throws(Failure) -> [Finding] {
    let table = mapping.target
    let row = try connection.query(
      """
      SELECT c.oid IS NOT NULL, coalesce(CASE WHEN c.oid IS NULL THEN has_schema_privilege(n.oid, 'CREATE')
        ELSE has_table_privilege(c.oid, 'SELECT') AND has_table_privilege(c.oid, 'INSERT')
          AND has_table_privilege(c.oid, 'UPDATE') AND has_table_privilege(c.oid, 'DELETE') END, true), current_user
      FROM pg_catalog.pg_namespace n
      LEFT JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = $2
      WHERE n.nspname = $1
      """, [table.schema, table.name]
    ).values.first
    guard let row else { return [] }
    let role = quotedIdentifier(row[2] ?? "")
    guard row[0] == "t" else {
      if row[1] == "t" { return [] }
      return [
        Finding(
          .targetPrivilege, .error, "\(table)", "it does not exist, and the role may not create it",
          fix: "GRANT CREATE ON SCHEMA \(quotedIdentifier(table.schema)) TO \(role);")
      ]
    }
    guard row[1] == "t" else {
      return [
        Finding(
          .targetPrivilege, .error, "\(table)", "the role may not read and write it",
          fix: "GRANT SELECT, INSERT, UPDATE, DELETE ON \(table.quoted) TO \(role);")
      ]
    }
    var found = try existingFindings(mapping, connection)
    if settings.mode.loads, !isKnown, try connection.hasRows("SELECT 1 FROM \(table.quoted) LIMIT 1") {
      found.append(
        Finding(
          .targetRows, .error, "\(table)", "it holds rows, and this pipeline has not loaded it",
          fix: "Empty it, or set pipeline.mode: cdc to follow changes only."))
    }
    return found
  }

  private func existingFindings(_ mapping: TableMapping, _ connection: Connection) throws(Failure) -> [Finding] {
    let existing = try TargetTables.columns(mapping.target, connection)
    var found: [Finding] = []
    var others: [String] = []
    for column in mapping.columns {
      guard let there = existing[column.targetName] else {
        found.append(
          Finding(
            .targetColumns, .error, "\(mapping.target)", "it has no column \(column.targetName)",
            fix: "ALTER TABLE \(mapping.target.quoted) ADD COLUMN \(quotedIdentifier(column.targetName)) "
              + "\(column.targetType);"))
        continue
      }
      if there.type != column.targetType {
        others.append("\(column.targetName) is \(there.type) where Penstock would choose \(column.targetType)")
      }
    }
    let written = Set(mapping.columns.map(\.targetName) + mapping.generated.map(\.source.name))
    for (name, column) in existing.sorted(by: { $0.key < $1.key }) where column.isRequired && !written.contains(name) {
      found.append(
        Finding(
          .targetColumns, .error, "\(mapping.target)", "its column \(name) must be set, but the source has none",
          fix: "ALTER TABLE \(mapping.target.quoted) ALTER COLUMN \(quotedIdentifier(name)) DROP NOT NULL;"))
    }
    if !others.isEmpty {
      found.append(Finding(.targetColumns, .info, "\(mapping.target)", others.joined(separator: "; ")))
    }
    if !mapping.isKeyless, try !TargetTables.hasUniqueKey(mapping, connection) {
      let names = mapping.key.map { quotedIdentifier(mapping.columns[$0].targetName) }.joined(separator: ", ")
      found.append(
        Finding(
          .targetKey, .error, "\(mapping.target)", "it has no unique index on the key",
          fix: "ALTER TABLE \(mapping.target.quoted) ADD UNIQUE (\(names)); or drop it and let Penstock create it."))
    }
    return found
  }
}
