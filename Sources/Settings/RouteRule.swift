package import ChangeModel

/// Sends the tables that match a pattern to another name in the target.
package struct RouteRule: Hashable, Sendable {
  package let sourceTable: TablePattern
  package let sinkTable: TableTarget

  /// The target's name for a source table, or `nil` when the rule does not apply to it.
  package func target(of table: TableName) -> TableName? {
    sourceTable.matches(table) ? sinkTable.name(for: table) : nil
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
      .tableTarget("sink-table", "Their name in the target. A part that is `*` keeps the source's."))
    let merges =
      sinkTable.name != nil && !sourceTable.namePart.isExact
      || sinkTable.schema != nil && !sourceTable.schemaPart.isExact && naming == .sql
    if merges, section.isGiven("sink-table") {
      section.report(
        "sink-table",
        "would merge several tables into one; expected * where source-table has a wildcard")
    }
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
