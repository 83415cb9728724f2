package import ChangeModel
package import SQLMapping

extension SchemaMapper {
  /// Maps a table whose rows are transformed: its columns are the projection's, all of which travel as text.
  ///
  /// - Parameters:
  ///   - description: but for the inputs, which are the table's stored columns.
  ///   - hasOldRows: whether every change brings the whole row as it was, so that any column can have a part in the key.
  /// - Throws: a `Failure` when the expressions can't be read, when the key is not in the projection, or when the change
  ///   stream would not bring all that they need.
  package func mapTable(
    _ table: SourceTable, target: TableName, transform description: TransformDescription,
    hasOldRows: Bool = false
  ) throws(Failure) -> TableMapping {
    let plain = try mapTable(table, target: target)
    var description = description
    description.inputs = plain.columns.map { TransformInput($0.source) }
    let checked: CheckedTransform
    do throws(Failure) { checked = try CheckedTransform(description) } catch {
      var failure = error
      failure.message += " (table \(table.name))"
      throw failure
    }
    let key = try transformedKey(plain, checked, hasOldRows: hasOldRows)
    var passed: [Int: ColumnMapping] = [:]
    var columns: [ColumnMapping] = []
    for (index, output) in checked.outputs.enumerated() {
      if let input = output.input { passed[index] = plain.columns[input] }
      columns.append(column(output, number: index + 1, plain, isKey: key.contains(index)))
    }
    let transform = TableTransform(
      checked: checked, inputs: plain.columns.map { ColumnMapping(readAsText: $0.source) }, inputKey: plain.key,
      passed: passed)
    if followsChanges { try requireWholeRows(table, transform) }
    var mapping = TableMapping(source: table, target: target, columns: columns, key: key)
    mapping.transform = transform
    mapping.indexes = transformedIndexes(mapping, plain, passed)
    return mapping
  }

  private func column(
    _ output: TransformOutput, number: Int, _ plain: TableMapping, isKey: Bool
  ) -> ColumnMapping {
    var column: ColumnMapping
    if let input = output.input {
      column = plain.columns[input]
    } else {
      // The expression is the name in the source: no column there can be taken for it.
      let expression = output.expression.split { $0.isWhitespace }.joined(separator: " ")
      column = mapColumn(output.type.column(named: expression, number: number), isKey: isKey)
      column.remark = "computed: \(expression)" + (column.remark.map { "; \($0)" } ?? "")
    }
    column.targetName = output.name
    column.source.number = number
    column.binaryOID = nil
    return column
  }

  /// Indexes of the outputs that name a row: the source's key columns, or expressions of nothing else in their place.
  private func transformedKey(
    _ plain: TableMapping, _ checked: CheckedTransform, hasOldRows: Bool
  ) throws(Failure) -> [Int] {
    if !checked.description.key.isEmpty { return try namedKey(plain, checked, hasOldRows: hasOldRows) }
    var key: [Int] = []
    var missing: Set<Int> = []
    for input in plain.key {
      if let output = checked.outputs.firstIndex(where: { $0.input == input }) {
        key.append(output)
      } else {
        missing.insert(input)
      }
    }
    guard !missing.isEmpty else { return key }
    let computed = checked.outputs.indices.filter { index in
      let output = checked.outputs[index]
      return output.input == nil && output.reads.isSubset(of: plain.key) && !output.reads.isDisjoint(with: missing)
    }
    let covered = computed.reduce(into: Set<Int>()) { $0.formUnion(checked.outputs[$1].reads) }
    let lost = missing.subtracting(covered).sorted().map { plain.columns[$0].source.name }
    guard lost.isEmpty else {
      throw Failure(
        .configuration, "transform: the projection of \(plain.source.name) leaves out key column \"\(lost[0])\"",
        location: checked.description.place,
        hint: "Add \(quotedIdentifier(lost[0])) to it, or an expression of key columns only that keeps rows apart.")
    }
    if let index = computed.first(where: { !checked.outputs[$0].type.isKey }) {
      throw Failure(
        .configuration,
        "transform: key column \"\(checked.outputs[index].name)\" of \(plain.source.name) is a "
          + checked.outputs[index].type.typeName, location: checked.description.place,
        hint: "Give it the type text, varchar(n), bigint, uuid, date or timestamp under columns.")
    }
    return key + computed
  }

  /// The key that the rule names.
  private func namedKey(
    _ plain: TableMapping, _ checked: CheckedTransform, hasOldRows: Bool
  ) throws(Failure) -> [Int] {
    let names = checked.outputs.map(\.name)
    func wrong(_ message: String, _ hint: String) -> Failure {
      Failure(
        .configuration, "transform: \(message) (table \(plain.source.name))", location: checked.description.place,
        hint: hint)
    }
    return try checked.description.key.map { name throws(Failure) in
      guard let index = names.firstIndex(of: name) else {
        throw wrong(
          "primary-key names \"\(name)\", which the projection does not make",
          "The projection makes \(names.joined(separator: ", ")).")
      }
      let output = checked.outputs[index]
      if output.input == nil, !output.type.isKey {
        throw wrong(
          "key column \"\(name)\" is a \(output.type.typeName)",
          "Give it the type text, varchar(n), bigint, uuid, date or timestamp under columns.")
      }
      if !hasOldRows, !output.reads.isSubset(of: plain.key) {
        throw wrong(
          "key column \"\(name)\" is made of more than the source's key, which is all that a delete brings",
          "Make it of \(plain.key.map { plain.columns[$0].source.name }.joined(separator: ", ")) only"
            + (plain.source.name.schema.isEmpty ? ", or give the stream the view type NEW_AND_OLD_IMAGES." : "."))
      }
      return index
    }
  }

  /// An UPDATE leaves out large values that did not change, unless the whole old row comes with it.
  private func requireWholeRows(_ table: SourceTable, _ transform: TableTransform) throws(Failure) {
    if table.replicaIdentity == .full { return }
    let large = transform.needed.subtracting(transform.inputKey).sorted().map { transform.inputs[$0].source }
      .first { $0.mayBeToasted }
    guard let large else { return }
    throw Failure(
      .source,
      "transform: an update of \(table.name) may come without column \"\(large.name)\", which the transform needs",
      location: table.name.description,
      hint: "ALTER TABLE \(table.name.quoted) REPLICA IDENTITY FULL; then each change brings the whole row.")
  }

  /// Indexes over columns that only pass; the others stay behind.
  private func transformedIndexes(
    _ mapping: TableMapping, _ plain: TableMapping, _ passed: [Int: ColumnMapping]
  ) -> [IndexMapping] {
    let names = Set(passed.values.map(\.source.name))
    let keyNames = plain.key.map { plain.columns[$0].source.name }
    var kept = mapping
    kept.source.indexes = []
    var left: [IndexMapping] = []
    for index in mapping.source.indexes {
      if index.columns == keyNames, index.isUnique, index.predicate == nil { continue }
      let isPassed = index.columns.allSatisfy { $0.map(names.contains) ?? false }
      if isPassed, index.included.allSatisfy(names.contains), index.predicate == nil {
        var copy = index
        copy.isUnique = false
        kept.source.indexes.append(copy)
      } else {
        left.append(
          IndexMapping(source: index, name: index.name, skipReason: "the transform does not pass all that it names"))
      }
    }
    let unique = Set(mapping.source.indexes.filter(\.isUnique).map(\.name))
    return mapIndexes(kept, keyNames: []).map { index in
      var index = index
      if index.isCreated, unique.contains(index.source.name) {
        index.remark = "not unique, as the rows are transformed"
      }
      return index
    } + left
  }
}

extension TransformInput {
  /// A column as a transform's SQL sees it.
  init(_ column: SourceColumn) {
    let isPlain = column.baseKind == .base && column.baseTypeOID < 10_000
    self.init(name: column.name, typeName: isPlain ? column.baseTypeName : "text")
  }
}

extension ColumnMapping {
  fileprivate init(readAsText column: SourceColumn) {
    self.init(source: column, targetName: column.name, targetType: "text", castType: "text", binaryOID: nil)
  }
}

extension SourceColumn {
  private static let fixed: Set<String> = [
    "bool", "int2", "int4", "int8", "oid", "xid", "cid", "float4", "float8", "money", "date", "time", "timetz",
    "timestamp", "timestamptz", "interval", "uuid", "macaddr", "macaddr8", "pg_lsn", "point", "lseg", "box", "circle",
    "line", "name", "char", "tid", "xid8",
  ]

  /// Whether values may be so large that they are kept beside the row.
  fileprivate var mayBeToasted: Bool {
    switch baseKind {
    case .enum: false
    case .base: !(baseTypeOID < 10_000 && Self.fixed.contains(baseTypeName))
    default: true
    }
  }
}
