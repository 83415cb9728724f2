import ChangeModel

extension SchemaMapper {
  /// `CREATE SCHEMA IF NOT EXISTS`, once for each target schema beside `public`, in name order.
  package func generateCreateSchemaStatements(_ mappings: [TableMapping]) -> [String] {
    Set(mappings.map(\.target.schema)).subtracting(["public"]).sorted()
      .map { "CREATE SCHEMA IF NOT EXISTS \(quotedIdentifier($0))" }
  }

  /// `CREATE TABLE IF NOT EXISTS` with the columns in the source's order, the primary key, and no other constraint.
  package func generateCreateTableStatement(_ mapping: TableMapping) -> String {
    var lines: [(number: Int, text: String)] = mapping.columns.map { column in
      let text = "\(quotedIdentifier(column.targetName)) \(column.targetType)\(column.isNotNull ? " NOT NULL" : "")"
      return (column.source.number, text)
    }
    for column in mapping.generated {
      guard let expression = column.expression else { continue }
      lines.append(
        (
          column.source.number,
          "\(quotedIdentifier(column.source.name)) \(column.targetType) GENERATED ALWAYS AS (\(expression)) STORED"
        ))
    }
    lines.sort { $0.number < $1.number }
    var parts = lines.map(\.text)
    if !mapping.isKeyless {
      let names = mapping.key.map { quotedIdentifier(mapping.columns[$0].targetName) }
      parts.append("PRIMARY KEY (\(names.joined(separator: ", ")))")
    }
    return "CREATE TABLE IF NOT EXISTS \(mapping.target.quoted) (\n  \(parts.joined(separator: ",\n  "))\n)"
  }

  /// The statements that build a table's secondary indexes, for after the load. On DSQL each answers with the id of a
  /// background job.
  package func generateCreateIndexStatements(_ mapping: TableMapping) -> [String] {
    mapping.indexes.filter(\.isCreated).map { generateCreateIndexStatement($0, on: mapping) }
  }

  /// The statement for one index, also for one that is not created, to show what was meant.
  package func generateCreateIndexStatement(_ index: IndexMapping, on mapping: TableMapping) -> String {
    let source = index.source
    var sql = source.isUnique && source.isImmediate ? "CREATE UNIQUE INDEX " : "CREATE INDEX "
    if dialect == .dsql { sql += "ASYNC " }
    sql += "IF NOT EXISTS \(quotedIdentifier(index.name)) ON \(mapping.target.quoted) "
    if dialect == .postgres, source.method != "btree" { sql += "USING \(quotedIdentifier(source.method)) " }
    let keys = source.columns.enumerated().map { position, column in
      var key = column.map { quotedIdentifier(targetName(of: $0, in: mapping)) } ?? source.keyDefinitions[position]
      if dialect == .postgres, !source.keyOptions[position].isEmpty { key += " " + source.keyOptions[position] }
      return key
    }
    sql += "(\(keys.joined(separator: ", ")))"
    if !source.included.isEmpty {
      let names = source.included.map { quotedIdentifier(targetName(of: $0, in: mapping)) }
      sql += " INCLUDE (\(names.joined(separator: ", ")))"
    }
    if source.nullsNotDistinct { sql += " NULLS NOT DISTINCT" }
    if let predicate = source.predicate { sql += " WHERE \(predicate)" }
    return sql
  }

  private func targetName(of column: String, in mapping: TableMapping) -> String {
    mapping.columns.first { $0.source.name == column }?.targetName ?? column
  }
}
