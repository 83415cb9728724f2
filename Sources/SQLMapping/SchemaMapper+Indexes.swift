import ChangeModel

extension SchemaMapper {
  /// Fills in what becomes of the generated columns.
  func mapGenerated(_ mapping: inout TableMapping) {
    let unchanged = unchangedColumns(of: mapping)
    mapping.generated = mapping.source.columns.filter(\.isGenerated).map { column in
      let mapped = mapColumn(column, isKey: false)
      var result = GeneratedColumnMapping(source: column, expression: nil, targetType: mapped.targetType)
      if mapped.targetType != column.formattedType {
        result.remark = "left out: the target has no \(column.formattedType)"
      } else if let expression = column.defaultExpression {
        if let obstacle = obstacle(in: expression, columns: unchanged) {
          result.remark = "left out: the target can't compute \(expression), as \(obstacle)"
        } else {
          result.expression = expression
        }
      } else {
        result.remark = "left out: its expression is not in the catalog"
      }
      return result
    }
  }

  /// Copied columns whose type is the source's own, so that an expression over them means the same.
  private func unchangedColumns(of mapping: TableMapping) -> Set<String> {
    Set(
      mapping.columns.filter { column in
        column.targetType == column.source.baseFormattedType || column.source.builtin?.name == "varchar"
      }.map(\.source.name))
  }

  /// What becomes of each index but the one that is the target's primary key.
  ///
  /// - Parameter keyNames: the target's key in the source's names, in key order.
  package func mapIndexes(_ mapping: TableMapping, keyNames: [String]) -> [IndexMapping] {
    var created = mapping.isKeyless ? 0 : 1
    var result: [IndexMapping] = []
    for index in mapping.source.indexes {
      if !keyNames.isEmpty, index.isUnique, index.predicate == nil, index.columns == keyNames { continue }
      var mapped = IndexMapping(source: index, name: index.name, skipReason: reasonToSkip(index, of: mapping))
      if mapped.isCreated, dialect == .dsql, created == DSQLLimits.indexes {
        mapped.skipReason = "DSQL takes \(DSQLLimits.indexes) indexes per table"
      }
      if mapped.isCreated {
        created += 1
        mapped.remark = remark(on: index)
      }
      result.append(mapped)
    }
    return result
  }

  private func remark(on index: SourceIndex) -> String? {
    if index.isUnique, !index.isImmediate { return "deferrable in the source, so not unique in the target" }
    if dialect == .dsql, index.keyOptions.contains(where: { !$0.isEmpty }) {
      return "without " + index.keyOptions.filter { !$0.isEmpty }.joined(separator: ", ")
    }
    return nil
  }

  func reasonToSkip(_ index: SourceIndex, of mapping: TableMapping) -> String? {
    if !index.isValid { return "it is invalid in the source" }
    if let part = index.foreignPart { return "the target lacks \(part)" }
    if dialect == .dsql, index.method != "btree" { return "DSQL has no \(index.method) indexes" }
    if dialect == .dsql, index.columns.count > DSQLLimits.keyColumns {
      return "DSQL takes \(DSQLLimits.keyColumns) columns in an index"
    }
    let unchanged = unchangedColumns(of: mapping)
    let generated = Set(mapping.generated.filter { $0.expression != nil }.map(\.source.name))
    for (position, column) in index.columns.enumerated() {
      let reason =
        column.map { reasonToSkipKey($0, of: mapping, generated: generated, method: index.method) }
        ?? obstacle(in: index.keyDefinitions[position], columns: unchanged.union(generated))
        .map { "it computes \(index.keyDefinitions[position]): \($0)" }
      if let reason { return reason }
    }
    for name in index.included where !generated.contains(name) {
      if !mapping.columns.contains(where: { $0.source.name == name }) {
        return "the target lacks column \(quotedIdentifier(name))"
      }
    }
    if let predicate = index.predicate,
      let obstacle = obstacle(in: predicate, columns: unchanged.union(generated))
    {
      return "its condition is \(predicate): \(obstacle)"
    }
    return dialect == .dsql ? reasonOfLength(index, of: mapping) : nil
  }

  private func reasonToSkipKey(
    _ name: String, of mapping: TableMapping, generated: Set<String>, method: String
  ) -> String? {
    if generated.contains(name) { return nil }
    guard let column = mapping.columns.first(where: { $0.source.name == name }) else {
      return "the target lacks column \(quotedIdentifier(name))"
    }
    if dialect == .dsql, !(BuiltinType.of(targetOID(of: column))?.isKeyOnDSQL ?? true) {
      return "DSQL takes no \(column.castType) in a key (\(quotedIdentifier(name)))"
    }
    if method != "btree", column.remark != nil, column.source.kind != .domain {
      return "column \(quotedIdentifier(name)) becomes \(column.targetType)"
    }
    return nil
  }

  private func targetOID(of column: ColumnMapping) -> UInt32 {
    column.binaryOID ?? BuiltinType.named(column.castType)?.oid ?? BuiltinType.textOID
  }

  /// DSQL counts the declared lengths of an index's columns and of the primary key's, which every index carries.
  private func reasonOfLength(_ index: SourceIndex, of mapping: TableMapping) -> String? {
    let names = Set(index.columns.compactMap(\.self)).union(mapping.key.map { mapping.columns[$0].source.name })
    let declared = mapping.columns.reduce(0) { sum, column in
      guard names.contains(column.source.name), column.targetType != "text" else { return sum }
      return sum + (column.source.declaredLength ?? 0)
    }
    return declared > DSQLLimits.declaredKeyBytes
      ? "its columns are declared with \(declared) bytes; DSQL takes \(DSQLLimits.declaredKeyBytes) in a key" : nil
  }

  /// Renames indexes whose name another relation of their target schema has, which only a route can bring about.
  func nameIndexes(_ mappings: inout [TableMapping]) {
    var taken: [String: Set<String>] = [:]
    for mapping in mappings {
      taken[mapping.target.schema, default: []].formUnion([mapping.target.name, mapping.target.name + "_pkey"])
    }
    for table in mappings.indices {
      let schema = mappings[table].target.schema
      for index in mappings[table].indexes.indices where mappings[table].indexes[index].isCreated {
        let wanted = mappings[table].indexes[index].source.name
        var name = wanted
        var number = 1
        while !taken[schema, default: []].insert(name).inserted {
          number += 1
          let suffix = "_\(number)"
          name = prefix(of: wanted, bytes: 63 - suffix.utf8.count) + suffix
        }
        mappings[table].indexes[index].name = name
      }
    }
  }

  /// The longest whole-character prefix of at most that many bytes.
  func prefix(of name: String, bytes: Int) -> String {
    var result = name
    while result.utf8.count > bytes { result.removeLast() }
    return result
  }
}
