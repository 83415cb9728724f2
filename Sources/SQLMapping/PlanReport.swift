package import ChangeModel

/// What `penstock plan` prints: for people, in the order in which things will be done. Pure.
package struct PlanReport: Sendable, CustomStringConvertible {
  private let mapper: SchemaMapper
  private let mappings: [TableMapping]
  private let notes: [TableName: [String]]

  /// - Parameter notes: more lines for a source table, such as how it is cut into chunks.
  package init(_ mappings: [TableMapping], by mapper: SchemaMapper, notes: [TableName: [String]] = [:]) {
    self.mapper = mapper
    self.mappings = mappings
    self.notes = notes
  }

  package var description: String {
    var text = "\(mappings.count) \(mappings.count == 1 ? "table" : "tables") for \(mapper.dialect.displayName)\n"
    let schemas = mapper.generateCreateSchemaStatements(mappings)
    if !schemas.isEmpty { text += "\n" + schemas.map { $0 + ";\n" }.joined() }
    return mappings.reduce(text) { $0 + "\n" + section($1) }
  }

  private func section(_ mapping: TableMapping) -> String {
    let source = mapping.source
    var lines = ["\(source.name) -> \(mapping.target)", "  " + size(of: source)]
    lines += (notes[source.name] ?? []).map { "  " + $0 }
    lines.append("  " + key(of: mapping))
    if let filter = mapping.transform?.checked.description.filter { lines.append("  only rows with: \(filter)") }
    let members = mappings.filter { $0.target == mapping.target }
    if let merge = mapping.merge, let origin = mapping.columns.last {
      lines.append(
        "  merged: column \(origin.targetName) says which source row a row is; on a collision \(merge.policy.rawValue)")
    }
    if members.first?.source.name == mapping.source.name {
      lines += ["", indented(mapper.generateCreateTableStatement(mapper.unite(members)) + ";"), ""]
    } else {
      lines += ["", "  the table is the one of \(members[0].source.name)", ""]
    }
    lines += columnTable(mapping)
    let created = mapper.generateCreateIndexStatements(mapping)
    if !created.isEmpty { lines += ["", "  after the load:"] + created.map { "    \($0);" } }
    let warnings = self.warnings(mapping)
    if !warnings.isEmpty { lines += ["", "  warnings:"] + warnings.map { "    " + $0 } }
    let behind = staysBehind(mapping)
    if !behind.isEmpty { lines += ["", "  stays behind:"] + behind.map { "    " + $0 } }
    return lines.joined(separator: "\n") + "\n"
  }

  private func size(of table: SourceTable) -> String {
    let isKnown = table.heaps.contains { $0.estimatedRows >= 0 }
    let rows = isKnown ? "about \(grouped(UInt64(table.estimatedRows))) rows" : "an unknown number of rows"
    let heaps = table.kind == .partitioned ? " in \(table.heaps.count) partitions" : ""
    return "\(rows), \(binarySize(table.totalBytes))\(heaps)"
  }

  private func key(of mapping: TableMapping) -> String {
    if mapping.isKeyless { return "no key: rows are told apart by all their columns, each change searches the table" }
    return "key: " + mapping.key.map { mapping.columns[$0].targetName }.joined(separator: ", ")
  }

  private func columnTable(_ mapping: TableMapping) -> [String] {
    let rows = mapping.columns.map { column in
      [column.targetName, column.source.formattedType, column.targetType, column.remark ?? ""]
    }
    let header = ["column", "source type", "target type", ""]
    let widths = (0..<3).map { field in ([header] + rows).map { $0[field].count }.max() ?? 0 }
    return ([header] + rows).map { row in
      let cells = zip(row, widths).map { $0 + String(repeating: " ", count: $1 - $0.count) } + [row[3]]
      var line = "  " + cells.joined(separator: "  ")
      while line.last == " " { line.removeLast() }
      return line
    }
  }

  private func warnings(_ mapping: TableMapping) -> [String] {
    var warnings = mapping.generated.compactMap { column in
      column.remark.map { "column \(column.source.name) is \($0)" }
    }
    for index in mapping.indexes {
      if let reason = index.skipReason { warnings.append("index \(index.source.name) is not created: \(reason)") }
      if let remark = index.remark { warnings.append("index \(index.name) is \(remark)") }
      if index.isCreated, index.name != index.source.name {
        warnings.append("index \(index.source.name) is called \(index.name), as its name is taken")
      }
    }
    return warnings
  }

  private func staysBehind(_ mapping: TableMapping) -> [String] {
    var parts = mapping.source.uncopied.map { "\($0.kind.rawValue) \($0.name)" }
    for column in mapping.source.columns where !column.isGenerated {
      if column.isIdentity { parts.append("identity of column \(column.name); its values are copied") }
      if let expression = column.defaultExpression { parts.append("default of column \(column.name): \(expression)") }
    }
    return parts
  }

  private func indented(_ text: String) -> String {
    text.split(separator: "\n", omittingEmptySubsequences: false).map { "  " + $0 }.joined(separator: "\n")
  }
}

extension SinkDialect {
  /// The product's name.
  package var displayName: String {
    switch self {
    case .dsql: "Aurora DSQL"
    case .postgres: "PostgreSQL"
    }
  }
}
