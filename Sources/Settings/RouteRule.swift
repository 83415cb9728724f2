package import ChangeModel

/// Sends the tables that match a pattern to another name in the target.
package struct RouteRule: Hashable, Sendable {
  package let sourceTable: TablePattern
  package let sinkTable: TableTarget
  /// How the rows live beside those of other tables that have the same target.
  package let merging: TableRoute.Merging
  /// Secondary indexes of the target beside the source's.
  package let indexes: [[String]]

  /// Where a source table goes, or `nil` when the rule does not apply to it.
  package func route(of table: TableName) -> TableRoute? {
    guard sourceTable.matches(table) else { return nil }
    return TableRoute(sinkTable.name(for: table), merging: merging, indexes: indexes)
  }
}

/// A table's name in the target, of which each part may be the source's: `app.orders`, `app.*`, `*.orders`.
package struct TableTarget: Hashable, Sendable {
  /// `nil` keeps the source's schema.
  package let schema: String?
  /// `nil` keeps the source's table name.
  package let name: String?

  package func name(for table: TableName) -> TableName {
    TableName(schema ?? (table.schema.isEmpty ? "public" : table.schema), name ?? table.name)
  }
}

extension RouteRule {
  init(_ section: inout SettingsSection, _ naming: TablePattern.Naming) {
    sourceTable = section.required(
      .tablePattern(
        "source-table", "The tables the rule is for, by exact name or pattern. The first rule that matches counts.",
        naming))
    sinkTable = section.required(
      .tableTarget(
        "sink-table",
        "Their name in the target. A part that is `*` keeps the source's. Tables with one name are merged: each row then "
          + "says in a column of its own where it comes from."))
    let policy = section.value(
      .choice(
        "on-collision",
        ["fail": CollisionPolicy.fail, "last-writer": .lastWriter, "keep-first": .keepFirst],
        "In a merged table, what happens to a row whose key a row of another source table has: the pipeline stops, the "
          + "row takes the other's place, or it is left out while the other is there."), default: .fail)
    let originColumn = section.value(
      .columnName(
        "origin-column",
        "The column that a merged table gets for what each row comes from: a JSON array of the source table's name and "
          + "the row's key there."), default: "origin")
    indexes = section.lists(
      of: .columnName(
        "indexes",
        "Secondary indexes that the target gets beside the source's: for each the list of its columns by their exact "
          + "names in the target, such as `[[customer], [status, created]]`."))
    // Who says how tables are merged wants that for one table too, as long as it is the only one.
    let isForMany =
      section.isGiven("on-collision") || section.isGiven("origin-column")
      || sinkTable.name != nil && !sourceTable.namePart.isExact
      || sinkTable.schema != nil && !sourceTable.schemaPart.isExact && naming == .sql
    merging = TableRoute.Merging(policy: policy, originColumn: originColumn, isForMany: isForMany)
  }
}

extension TablePattern.Part {
  fileprivate var isExact: Bool {
    if case .exactly = self { return true }
    return false
  }
}

extension Setting where Value == TableTarget {
  static func tableTarget(_ key: String, _ summary: String) -> Self {
    Setting(
      key: key, type: .tableTarget, summary: summary, placeholder: TableTarget(schema: nil, name: nil),
      written: { _ in (.string(""), "") },
      read: { (scalar) throws(ValueProblem) in
        let text = try scalar.asText()
        if text.isEmpty { throw ValueProblem(what: "is empty") }
        let pattern: TablePattern
        do throws(TablePattern.Malformed) { pattern = try TablePattern(text) } catch {
          throw ValueProblem(what: error.reason)
        }
        return TableTarget(schema: try name(pattern.schemaPart), name: try name(pattern.namePart))
      })
  }

  private static func name(_ part: TablePattern.Part) throws(ValueProblem) -> String? {
    switch part {
    case .exactly(let name): return name
    case .any: return nil
    case .wildcards: throw ValueProblem(what: "has a wildcard inside a name")
    }
  }
}
