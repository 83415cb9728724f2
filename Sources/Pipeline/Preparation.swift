internal import Apply
package import ChangeModel
internal import DSQLSink
internal import Postgres
internal import PostgresSource
internal import Transforms
package import Runtime
package import SQLMapping
package import Settings

/// What a run knows of its source before it begins: the tables and how they map.
package struct Preparation: Sendable {
  package let sourceIdentity: String
  package let serverVersion: Int
  /// Where the log was before the catalog was read.
  package let catalogLSN: LSN
  package let mappings: [TableMapping]
  /// What a run says at its start, such as of selected relations that are not tables.
  package let uncopied: [String]
  /// How long the server waits for our reports before it drops us; `nil` for ever.
  package let senderTimeout: Duration?
  /// Of a registered source: for each of its tables the index of its mapping, `nil` for one that is not selected.
  let ownTables: [UInt32?]
  /// Of a DynamoDB source: its tables, as the mappings are.
  package let items: [ItemSource]

  /// For a registered source, or DynamoDB.
  init(
    sourceIdentity: String, mappings: [TableMapping], ownTables: [UInt32?] = [], items: [ItemSource] = [],
    uncopied: [String] = []
  ) {
    self.sourceIdentity = sourceIdentity
    self.mappings = mappings
    self.ownTables = ownTables
    self.items = items
    self.uncopied = uncopied
    (serverVersion, catalogLSN, senderTimeout) = (0, .zero, nil)
  }

  /// Reads the source's catalog and maps the selected tables.
  ///
  /// - Throws: when nothing is selected, or when a selected table can't be replicated.
  package init(_ settings: PipelineSettings, _ endpoints: Endpoints, interrupt: Wakeup? = nil) throws(Failure) {
    let connection = try Connection(endpoints.source, interrupt: interrupt)
    (ownTables, items) = ([], [])
    catalogLSN = try ReplicationSlot.currentLSN(connection)
    let catalog = try SourceCatalog.read(connection) { settings.source.selects($0) }
    guard !catalog.tables.isEmpty else {
      throw Failure(
        .source, "no table matches source.tables", location: endpoints.source.place,
        hint: "Check the names: unquoted ones are lower case. penstock check lists what it finds.")
    }
    if let foreign = catalog.foreignPartitions.first {
      throw Failure(
        .source, "partition \(foreign.name) is a foreign table, whose rows and changes are elsewhere",
        location: "\(foreign.name)", hint: "Detach it, or leave its root out with exclude-tables.")
    }
    uncopied = catalog.others.map { "\($0.name) is a \($0.kind.rawValue) and is left out" }
    if settings.mode.follows, let unlogged = catalog.tables.first(where: \.isUnlogged) {
      throw Failure(
        .source, "\(unlogged.name) is unlogged, so its changes are not in the log", location: "\(unlogged.name)",
        hint: "ALTER TABLE \(unlogged.name.quoted) SET LOGGED, or leave it out with exclude-tables.")
    }
    mappings = try SchemaMapper(dialect: endpoints.sink.dialect, followsChanges: settings.mode.follows)
      .mapSchema(catalog.tables, settings)
    sourceIdentity = try ReplicationSlot.sourceIdentity(connection)
    serverVersion = connection.serverVersion
    let timeout = try connection.query(
      "SELECT setting::bigint FROM pg_catalog.pg_settings WHERE name='wal_sender_timeout'"
    ).single
    let milliseconds = Int64(timeout ?? "") ?? 60_000
    senderTimeout = milliseconds == 0 ? nil : .milliseconds(milliseconds)
  }

  /// Whether every column of every table can travel in binary form in the change stream.
  package var canStreamBinary: Bool {
    serverVersion >= 140_000 && mappings.allSatisfy { $0.columns.allSatisfy { $0.binaryOID != nil } }
  }

  /// - Parameter loadLSN: for tables without a key, the point that their loaded rows show.
  func plans(binary: Bool, loadLSN: (TableMapping) -> LSN? = { _ in nil }) -> [TablePlan] {
    mappings.enumerated().map { index, mapping in
      TablePlan(
        index: UInt32(index), mapping: mapping, isBinary: binary,
        appliesFrom: mapping.isKeyless ? loadLSN(mapping) ?? .zero : .zero)
    }
  }

  /// The plan's index by the name under which changes arrive: the table's own, or a leaf's where the server does
  /// not publish through the root.
  var streamedTables: [TableName: UInt32] {
    var tables: [TableName: UInt32] = [:]
    for (index, mapping) in mappings.enumerated() {
      tables[mapping.source.name] = UInt32(index)
      for heap in mapping.source.heaps { tables[heap.name] = UInt32(index) }
    }
    return tables
  }

  /// `ONLY`-free names for CREATE PUBLICATION: roots, or their leaves before PostgreSQL 13.
  var publishedNames: [String] {
    mappings.flatMap { mapping in
      mapping.source.kind == .partitioned && serverVersion < 130_000
        ? mapping.source.heaps.map(\.name.quoted) : [mapping.source.name.quoted]
    }
  }
}

extension SchemaMapper {
  /// Maps tables as the pipeline's settings have them: routes, merging and transforms included.
  ///
  /// - Parameter hasOldRows: whether every change of a table brings the whole row as it was.
  package func mapSchema(
    _ tables: [SourceTable], _ settings: PipelineSettings, hasOldRows: @escaping (TableName) -> Bool = { _ in false }
  ) throws(Failure) -> [TableMapping] {
    var sources: [TableName: Int] = [:]
    for table in tables { sources[settings.target(of: table.name), default: 0] += 1 }
    return try mapSchema(tables) {
      settings.route(of: $0)
    } by: { (table, target) throws(Failure) in
      let isShared = sources[target] ?? 0 > 1 || settings.route(of: table.name).merging?.isForMany == true
      return try mapTable(table, target: target, settings, isShared: isShared, hasOldRows: hasOldRows(table.name))
    }
  }

  /// - Parameter isShared: whether other tables go to the target too; the origin of its rows is then made with the row.
  private func mapTable(
    _ table: SourceTable, target: TableName, _ settings: PipelineSettings, isShared: Bool, hasOldRows: Bool
  ) throws(Failure) -> TableMapping {
    var description = TransformDescription(inputs: [])
    if let rule = settings.transform(of: table.name) {
      description = TransformDescription(
        inputs: [], projection: rule.projection, filter: rule.filter, types: rule.columns, key: rule.key,
        place: rule.place)
    } else if !isShared {
      return try mapTable(table, target: target)
    }
    return try mapTable(table, target: target, transform: description, hasOldRows: hasOldRows)
  }
}

extension TableMapping {
  /// The heaps' file nodes as one text: a change means that a heap was rewritten.
  var filenodes: String { source.heaps.map { String($0.filenode) }.joined(separator: ",") }
}
