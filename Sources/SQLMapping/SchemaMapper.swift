package import ChangeModel

/// Decides what becomes of the source's tables, columns and indexes in the target. Pure: it knows no server.
package struct SchemaMapper: Sendable {
  package let dialect: SinkDialect
  /// Whether changes will be applied, for which a row must have a name.
  package let followsChanges: Bool

  package init(dialect: SinkDialect, followsChanges: Bool = true) {
    self.dialect = dialect
    self.followsChanges = followsChanges
  }

  /// Maps every table, in the order given: tables of one target are merged, routes' indexes are added, and each index
  /// gets a name that is free in its target schema.
  ///
  /// - Parameters:
  ///   - route: the target of a source table.
  ///   - map: maps one table in place of `mapTable`.
  /// - Throws: a `Failure` naming every table that can't be mapped, or merged.
  package func mapSchema(
    _ tables: [SourceTable], route: (TableName) -> TableRoute,
    by map: ((SourceTable, TableName) throws(Failure) -> TableMapping)? = nil
  ) throws(Failure) -> [TableMapping] {
    var mappings: [TableMapping] = []
    var failures: [Failure] = []
    let routes = tables.map { route($0.name) }
    for (table, route) in zip(tables, routes) {
      do throws(Failure) {
        try checkSchema(of: route.target, for: table)
        if let map {
          mappings.append(try map(table, route.target))
        } else {
          mappings.append(try mapTable(table, target: route.target))
        }
      } catch {
        failures.append(error)
      }
    }
    if let failure = combined(failures) { throw failure }
    for group in groups(of: mappings) {
      do throws(Failure) {
        let wanted = group.map { routes[$0] }
        if group.count > 1 || wanted[0].merging?.isForMany == true { try merge(group, of: &mappings, wanted) }
        try addIndexes(wanted.flatMap(\.indexes), to: group, of: &mappings)
      } catch { failures.append(error) }
    }
    if let failure = combined(failures) { throw failure }
    nameIndexes(&mappings)
    return mappings
  }

  /// A source that is another pipeline's target has that pipeline's state; it would be copied over our own.
  private func checkSchema(of target: TableName, for table: SourceTable) throws(Failure) {
    let owner: String
    switch (target.schema, dialect) {
    case ("penstock", _): owner = "Penstock"
    case ("sys", .dsql): owner = "DSQL"
    default: return
    }
    throw Failure(
      .configuration, "\(owner) keeps the target's schema \(target.schema) to itself", location: table.name.description,
      hint: "Leave it out with exclude-tables, or give it another name with route.")
  }

  /// Maps one table: columns, key, generated columns and secondary indexes.
  ///
  /// - Throws: a `Failure` when the table has no identity in the change stream, or is beyond the target's limits.
  package func mapTable(_ table: SourceTable, target: TableName) throws(Failure) -> TableMapping {
    let stored = table.columns.filter { !$0.isGenerated }
    let keyNames = try keyColumns(of: table)
    if stored.isEmpty {
      throw Failure(
        .source, "the table has no column that can be copied", location: table.name.description,
        hint: "Leave it out with exclude-tables.")
    }
    var columns = stored.map { mapColumn($0, isKey: keyNames.contains($0.name)) }
    var key: [Int] = []
    for name in keyNames {
      guard let index = columns.firstIndex(where: { $0.source.name == name }) else {
        throw Failure(
          .source, "its key holds the generated column \(quotedIdentifier(name)), which the server does not publish",
          location: table.name.description,
          hint: "Choose a unique index of stored columns with ALTER TABLE \(table.name.quoted) "
            + "REPLICA IDENTITY USING INDEX, or leave the table out with exclude-tables.")
      }
      key.append(index)
    }
    try checkLimits(table, keyCount: key.count)
    if dialect == .dsql { widenLongKeys(&columns, key: key) }
    var mapping = TableMapping(source: table, target: target, columns: columns, key: key)
    mapGenerated(&mapping)
    mapping.indexes = mapIndexes(mapping, keyNames: keyNames)
    return mapping
  }

  /// The columns that name a row; none for a bag of rows, which needs `REPLICA IDENTITY FULL` to be followed.
  private func keyColumns(of table: SourceTable) throws(Failure) -> [String] {
    if let columns = table.identityColumns, !columns.isEmpty { return columns }
    if table.replicaIdentity == .full || !followsChanges {
      return table.uniqueIndexWithoutNulls?.columns.compactMap(\.self) ?? []
    }
    throw Failure(
      .source, "the table has no primary key and no other replica identity", location: table.name.description,
      hint: identityFix(for: table))
  }

  private func checkLimits(_ table: SourceTable, keyCount: Int) throws(Failure) {
    guard dialect == .dsql else { return }
    if table.columns.count > DSQLLimits.columns {
      throw Failure(
        .source, "the table has \(table.columns.count) columns; DSQL takes \(DSQLLimits.columns)",
        location: table.name.description, hint: "Split it, or leave it out with exclude-tables.")
    }
    if keyCount > DSQLLimits.keyColumns {
      throw Failure(
        .source, "the key has \(keyCount) columns; DSQL takes \(DSQLLimits.keyColumns)",
        location: table.name.description,
        hint: "Choose a unique index of fewer columns with ALTER TABLE \(table.name.quoted) "
          + "REPLICA IDENTITY USING INDEX.")
    }
  }

  /// DSQL refuses a key whose declared lengths sum to more than its budget; `text` declares none.
  private func widenLongKeys(_ columns: inout [ColumnMapping], key: [Int]) {
    let declared = key.reduce(0) { $0 + (columns[$1].source.declaredLength ?? 0) }
    guard declared > DSQLLimits.declaredKeyBytes else { return }
    for index in key where columns[index].source.declaredLength != nil {
      columns[index] = ColumnMapping(
        asText: columns[index].source,
        remark: "DSQL refuses keys declared longer than \(DSQLLimits.declaredKeyBytes) bytes; "
          + "a key value must still fit 1024 bytes")
    }
  }

  private func combined(_ failures: [Failure]) -> Failure? {
    guard failures.count > 1 else { return failures.first }
    return Failure(
      failures[0].kind, "\(failures.count) tables can't be copied",
      location: failures.map { $0.location.isEmpty ? $0.message : "\($0.location): \($0.message)" }
        .joined(separator: "\n         "),
      hint: failures.map(\.hint).joined(separator: "\n         "))
  }
}

/// DSQL's limits on a table's shape.
package enum DSQLLimits {
  package static let columns = 255
  package static let keyColumns = 8
  /// Indexes of one table, its primary key among them.
  package static let indexes = 24
  package static let declaredKeyBytes = 2000
  package static let characterBytes = 4096
  package static let varcharBytes = 65535
}

extension SourceTable {
  /// A unique index that names every row: whole, immediate, of plain columns that are all `NOT NULL`.
  package var uniqueIndexWithoutNulls: SourceIndex? {
    let notNull = Set(columns.lazy.filter { $0.isNotNull && !$0.isGenerated }.map(\.name))
    return indexes.first { index in
      index.isUnique && index.isImmediate && index.isValid && index.predicate == nil && index.method == "btree"
        && index.columns.allSatisfy { $0.map(notNull.contains) ?? false }
    }
  }
}

/// The exact statement that gives a table an identity in the change stream.
package func identityFix(for table: SourceTable) -> String {
  if table.primaryKey != nil { return "ALTER TABLE \(table.name.quoted) REPLICA IDENTITY DEFAULT;" }
  if let index = table.uniqueIndexWithoutNulls {
    return "ALTER TABLE \(table.name.quoted) REPLICA IDENTITY USING INDEX \(quotedIdentifier(index.name));"
  }
  return "Add a primary key, or run ALTER TABLE \(table.name.quoted) REPLICA IDENTITY FULL;"
}
