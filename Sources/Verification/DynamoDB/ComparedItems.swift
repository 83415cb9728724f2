internal import Apply
internal import ChangeModel
package import DynamoDBSource
package import SQLMapping

/// A table of a DynamoDB source and where its items go.
package struct ItemPair: Sendable {
  /// Of a transformed table its key's columns come first, and the column of expired rows last.
  package let mapping: TableMapping
  /// The table as a transform makes it, and which of its columns each of the mapping's is; `nil` without one.
  let transformed: (mapping: TableMapping, order: [Int])?
  package let items: ItemMapping
  /// What becomes of rows whose items DynamoDB removes by their time to live.
  package let expiry: ItemExpiry

  /// - Parameter mapping: of the items' columns, and one more behind them when expired rows are marked. The origin column
  ///   of a merged table is left out, as no item has it.
  package init(_ mapping: TableMapping, _ items: ItemMapping, expiry: ItemExpiry) {
    var mapping = mapping.unmerged
    self.items = items
    if mapping.transform == nil {
      precondition(
        mapping.columns.count == items.columns.count + (expiry == .mark ? 1 : 0), "columns of something else")
      transformed = nil
    } else {
      let made = mapping
      let marks = expiry == .mark ? items.columns.count : nil
      let key = made.key.sorted()
      let order =
        key + made.columns.indices.filter { !key.contains($0) && !made.passes(marks, at: $0) }
        + made.columns.indices.filter { made.passes(marks, at: $0) }
      transformed = (made, order)
      mapping.columns = order.map { made.columns[$0] }
      mapping.key = Array(key.indices)
    }
    self.mapping = mapping
    self.expiry = expiry
  }
}

extension TableMapping {
  /// Whether a column is an input of the transform as it is.
  fileprivate func passes(_ input: Int?, at column: Int) -> Bool {
    guard let input, let output = transform?.checked.outputs[column] else { return false }
    return output.input == input
  }
}

/// The same with the statements that hold rows against the target, which compares them in its own types.
///
/// Rows come as arrays of texts, one for each column and one more with the rows' numbers, and are turned into the
/// column's type just as the sink's statements do.
struct ComparedItems: Sendable {
  let pair: ItemPair
  /// Gives for each row its number, whether its key is there, the differing columns' indexes, each behind a comma, and
  /// the key as the target prints it.
  let comparison: String
  /// Of rows that are a key only. Gives the number, whether the key is there, whether the row is marked as expired,
  /// and the key as the target prints it.
  let lookup: String
  /// The texts of the key of each row that must have an item, in the key's order: the first page.
  let firstKeys: String
  /// The same after a key, whose texts are the parameters.
  let nextKeys: String
  /// Whether the target prints a key's values as the source has them, so that an item can be asked for by it.
  let isKeyFaithful: Bool

  let keysPerPage: Int

  /// - Throws: when the target lacks the table or one of its columns.
  init(_ pair: ItemPair, target: [String: StoredColumn], isDSQL: Bool, keysPerPage: Int) throws(Failure) {
    self.keysPerPage = keysPerPage
    let mapping = pair.mapping
    self.pair = pair
    // The same conditions, and so the same failures, as for a PostgreSQL source.
    _ = try ComparedTable(mapping, source: [:], target: target, isDSQL: isDSQL)
    let columns = mapping.columns.enumerated().compactMap { index, column in
      target[column.targetName].map { ItemColumnTexts(index, column, $0, isDSQL: isDSQL) }
    }
    let key = mapping.key.map { columns[$0] }
    let values = columns.filter { !mapping.key.contains($0.index) }
    let isThere = "t.\(key[0].name) IS NOT NULL"
    let shown = key.map { "coalesce(t.\($0.name)::text, (\($0.value))::text)" }.joined(separator: ", ")
    let match = key.map { "t.\($0.name) = \($0.value)" }.joined(separator: " AND ")
    let join = "LEFT JOIN \(mapping.target.quoted) AS t ON \(match)"
    let differences = values.map { "CASE WHEN \($0.isDistinct) THEN ',\($0.index)' ELSE '' END" }
    let marked = pair.expiry == .mark ? "coalesce(t.\(columns[columns.count - 1].name) IS NOT NULL, false)" : "false"
    comparison = """
      SELECT u.n, \(isThere), \(differences.isEmpty ? "''" : differences.joined(separator: " || ")), \(shown) \
      FROM \(Self.unnest(mapping.columns.indices)) \(join)
      """
    lookup = "SELECT u.n, \(isThere), \(marked), \(shown) FROM \(Self.unnest(mapping.key.indices)) \(join)"
    // With the table's name, since ORDER BY would take a plain one for the text of the same name.
    let names = key.map { "t.\($0.name)" }.joined(separator: ", ")
    let texts = key.map { "t.\($0.name)::text" }.joined(separator: ", ")
    let isLive = pair.expiry == .mark ? "t.\(columns[columns.count - 1].name) IS NULL" : nil
    let bound = key.enumerated().map { "$\($0 + 1)::text::\($1.type)" }.joined(separator: ", ")
    func page(_ conditions: [String?]) -> String {
      let all = conditions.compactMap(\.self).joined(separator: " AND ")
      return "SELECT \(texts) FROM \(mapping.target.quoted) AS t \(all.isEmpty ? "" : "WHERE " + all) "
        + "ORDER BY \(names) LIMIT \(keysPerPage)"
    }
    firstKeys = page([isLive])
    nextKeys = page([isLive, "(\(names)) > (\(bound))"])
    isKeyFaithful =
      pair.transformed == nil
      && zip(pair.items.key, key).allSatisfy { attribute, column in
        switch attribute.kind {
        case .string: ["text", "varchar"].contains(column.typeName)
        case .number: ["text", "varchar", "int2", "int4", "int8", "numeric"].contains(column.typeName)
        case .binary: ["text", "varchar", "bytea"].contains(column.typeName)
        }
      }
  }

  var keyCount: Int { pair.mapping.key.count }
  var columnCount: Int { pair.mapping.columns.count }

  /// `(SELECT unnest($1::text[]) AS c0, unnest($2::text[]) AS n) AS u`: the arrays advance in step.
  private static func unnest(_ columns: Range<Int>) -> String {
    let arrays = columns.map { "unnest($\($0 + 1)::text[]) AS c\($0)" }
    return "(SELECT \((arrays + ["unnest($\(columns.count + 1)::text[]) AS n"]).joined(separator: ", "))) AS u"
  }
}

/// How one column's texts are compared with what the target has.
private struct ItemColumnTexts {
  let index: Int
  /// The column's name, quoted.
  let name: String
  let typeName: String
  /// The column's type without a modifier that would cut.
  let type: String
  /// The text in the column's type.
  let value: String
  /// True for rows of which the two are not the same.
  let isDistinct: String

  private static let textual: Set<String> = ["text", "varchar", "bpchar"]
  /// Types without equality, or of which it means less than the same value in print.
  private static let comparedAsText: Set<String> = ["json", "interval"]

  init(_ index: Int, _ mapped: ColumnMapping, _ found: StoredColumn, isDSQL: Bool) {
    self.index = index
    name = quotedIdentifier(found.name)
    typeName = found.typeName
    let builtin = BuiltinType.of(found.typeOID)
    type = builtin?.castName ?? found.formattedType
    let text = "u.c\(index)"
    let sent = mapped.castType == "text" ? text : "\(text)::\(mapped.castType)"
    let column = "t.\(name)"
    if let builtin, Self.textual.contains(builtin.name) {
      // An explicit cast with a length cuts, where the sink's assignment refuses all but blanks.
      value = mapped.castType == type ? sent : "\(sent)::\(type)"
      let collation = isDSQL ? "" : " COLLATE \"C\""
      if builtin.name == "varchar", found.formattedType != builtin.castName {
        let stored = "(\(value))::\(found.formattedType)"
        isDistinct =
          "\(column)\(collation) IS DISTINCT FROM \(stored) OR rtrim(\(value), ' ') <> rtrim(\(stored), ' ')"
      } else {
        isDistinct = "\(column)\(collation) IS DISTINCT FROM \(value)"
      }
    } else {
      value = mapped.castType == found.formattedType ? sent : "\(sent)::\(found.formattedType)"
      let isText = builtin.map { Self.comparedAsText.contains($0.name) } ?? true
      isDistinct =
        isText ? "\(column)::text IS DISTINCT FROM (\(value))::text" : "\(column) IS DISTINCT FROM \(value)"
    }
  }
}
