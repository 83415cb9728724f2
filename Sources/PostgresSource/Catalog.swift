package import ChangeModel
package import Postgres

/// What a source database holds of the tables that were selected.
package struct SourceCatalog: Sendable {
  /// Ordinary and partitioned tables, by name. Partitions of a root that is here are its heaps, not tables.
  package var tables: [SourceTable]
  /// Selected relations that can't be replicated: views, foreign tables, and foreign partitions of `tables`. They
  /// have a name and a kind, no columns.
  package var others: [SourceTable]
  /// Which of `others` are foreign partitions of `tables`.
  package var foreignPartitions: Set<TableName> = []

  package init(tables: [SourceTable], others: [SourceTable] = []) {
    self.tables = tables
    self.others = others
  }

  /// Reads the catalog with the same few queries however many tables there are. Servers 12 to 18.
  ///
  /// Sets the session's `search_path` to `pg_catalog`, so that every name outside it is printed with its schema.
  /// - Parameter isSelected: asked once for each relation outside the system's schemas.
  package static func read(
    _ connection: Connection, where isSelected: (TableName) -> Bool
  ) throws(Failure) -> SourceCatalog {
    try connection.query("SELECT set_config('search_path', 'pg_catalog', false)")
    var catalog = SourceCatalog(tables: [])
    let relations = try selectedRelations(connection, where: isSelected)
    for relation in relations {
      switch relation.kind {
      case .ordinary, .partitioned: catalog.tables.append(relation)
      case .foreign, .view, .other: catalog.others.append(relation)
      }
    }
    guard !catalog.tables.isEmpty else { return catalog }
    let oids = arrayLiteral(catalog.tables.map(\.oid))
    let columns = try CatalogQueries.columns(connection, oids)
    let indexes = try CatalogQueries.indexes(connection, oids)
    let uncopied = try CatalogQueries.uncopied(connection, oids)
    let heaps = try CatalogQueries.heaps(connection, oids)
    for index in catalog.tables.indices {
      let oid = catalog.tables[index].oid
      catalog.tables[index].columns = columns[oid] ?? []
      catalog.tables[index].indexes = indexes[oid] ?? []
      catalog.tables[index].uncopied = uncopied[oid] ?? []
      for heap in heaps[oid] ?? [] {
        if heap.isForeign {
          catalog.others.append(SourceTable(oid: heap.heap.oid, name: heap.heap.name, kind: .foreign, columns: []))
          catalog.foreignPartitions.insert(heap.heap.name)
        } else {
          catalog.tables[index].heaps.append(heap.heap)
          if heap.isUnlogged { catalog.tables[index].isUnlogged = true }
        }
      }
    }
    return catalog
  }

  /// The selected relations without those whose partition root is selected too, by name.
  private static func selectedRelations(
    _ connection: Connection, where isSelected: (TableName) -> Bool
  ) throws(Failure) -> [SourceTable] {
    var found: [UInt32: SourceTable] = [:]
    var ancestors: [UInt32: [UInt32]] = [:]
    for fields in try connection.query(relationsQuery).values {
      var row = CatalogRow(fields)
      let oid = try row.number(UInt32.self)
      let name = TableName(row.text(), row.text())
      guard isSelected(name) else { continue }
      let kind: SourceTable.Kind =
        switch row.text() {
        case "r": .ordinary
        case "p": .partitioned
        case "f": .foreign
        case "v", "m": .view
        default: .other
        }
      var table = SourceTable(oid: oid, name: name, kind: kind, columns: [])
      table.isUnlogged = row.flag()
      let identityIndex: String?
      let identity = row.text()
      identityIndex = row.optional()
      table.replicaIdentity =
        switch identity {
        case "n": .nothing
        case "f": .full
        case "i": .index(identityIndex ?? "")
        default: .primaryKey
        }
      found[oid] = table
      ancestors[oid] = row.text().split(separator: " ").compactMap { UInt32($0) }
    }
    return found.values.filter { table in !(ancestors[table.oid] ?? []).contains { found[$0] != nil } }
      .sorted { $0.name < $1.name }
  }

  private static let relationsQuery = """
    SELECT c.oid::int8, n.nspname, c.relname, c.relkind, c.relpersistence = 'u', c.relreplident,
      (SELECT ic.relname FROM pg_index i JOIN pg_class ic ON ic.oid = i.indexrelid
        WHERE i.indrelid = c.oid AND i.indisreplident),
      CASE WHEN c.relispartition THEN (
        SELECT string_agg(a.relid::oid::int8::text, ' ') FROM pg_partition_ancestors(c.oid) AS a
        WHERE a.relid <> c.oid) END
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p', 'f', 'v', 'm') AND c.relpersistence <> 't'
      AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'
    """
}
