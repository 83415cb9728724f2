package import ChangeModel
package import SQLMapping

/// Which columns the items of the tables that match a pattern become.
package struct ItemRule: Hashable, Sendable {
  package let sourceTable: TablePattern
  package let layout: ItemLayout
}

extension ItemRule {
  /// What holds for a table: the first rule that matches it, else inferred columns and all else in one more.
  package static func layout(of table: TableName, by rules: [ItemRule]) -> ItemLayout {
    rules.first { $0.sourceTable.matches(table) }?.layout ?? ItemLayout()
  }

  init(_ section: inout SettingsSection) {
    sourceTable = section.required(
      .tablePattern(
        "source-table", "The tables the rule is for, by exact name or pattern. The first rule that matches counts.",
        .dynamoDB))
    var lines: [String: Int] = [:]
    let columns = section.sections(
      "columns",
      "Columns for attributes, or for what stands inside them. An attribute of the table's key that is not among them has "
        + "a column of its name all the same."
    ) { column in
      ItemLayout.Column(&column, lines: &lines)
    }
    let infers = section.optional(
      .boolean(
        "infer", "Whether attributes that are in 1 % of a sample of the items or more get columns of their own."),
      absent: "`true`, but `false` with `document`")
    let document = section.optional(
      .columnName("document", "A `jsonb` column for the whole item, as standard JSON."), absent: "none")
    let other = section.optional(
      .columnName(
        "other-attributes",
        "A `jsonb` column for all attributes that have no column of their own, or `drop` to leave them out."),
      absent: "`\(ItemLayout.defaultOverflowColumn)`, but `drop` with `document`")
    let overflow = other ?? (document == nil ? ItemLayout.defaultOverflowColumn : "drop")
    layout = ItemLayout(
      columns: columns, infers: infers ?? (document == nil), documentColumn: document,
      overflowColumn: overflow == "drop" ? nil : overflow)
    for (key, name) in [("document", document), ("other-attributes", layout.overflowColumn)] {
      guard let name else { continue }
      if let line = lines[name] {
        section.report(key, "\"\(name)\" is a column already, on line \(line); expected another name")
      } else if let line = section.line(key) {
        lines[name] = line
      }
    }
  }
}

extension ItemLayout.Column {
  /// - Parameter lines: where each column name of the rule was given.
  fileprivate init(_ section: inout SettingsSection, lines: inout [String: Int]) {
    let path = section.required(
      .attributePath(
        "path",
        "The attribute, or the way to what stands inside it. Names with a point, a bracket or a double quote are in double "
          + "quotes."))
    let name = section.optional(
      .columnName("name", "The column's name."), absent: "the last name in `path`, and the indexes after it")
    let type = section.required(.declaredType("type", "The column's type, by PostgreSQL's name."))
    let epoch: ItemLayout.Epoch? = section.optional(
      .choice(
        "format", ["epoch": .seconds, "epoch-ms": .milliseconds],
        "How numbers count in a column of type `timestamptz` or `timestamp`: seconds or milliseconds since 1970."),
      absent: "numbers are refused there")
    self.init(path: path, name: name, type: type, epoch: epoch)
    guard section.problems.isEmpty else { return }
    if epoch != nil, !["timestamp", "timestamptz"].contains(type.builtin.name) {
      section.report("format", "only for type: timestamptz or timestamp; expected it to be absent")
    }
    if name == nil, let problem = columnNameProblem(self.name) {
      section.report("name", "\(problem) when it comes from path; expected a name of its own")
    }
    guard let line = section.line(name == nil ? "path" : "name") else { return }
    if let first = lines.updateValue(line, forKey: self.name) {
      lines[self.name] = first
      section.report(
        name == nil ? "path" : "name", "column \"\(self.name)\" is on line \(first) already; expected another name")
    }
  }
}

/// Why no column can have a name; `nil` when one can.
private func columnNameProblem(_ name: String) -> String? {
  if name.utf8.count > 63 { return "is longer than 63 bytes" }
  if name.unicodeScalars.contains("\0") { return "holds a NUL character" }
  return ItemLayout.systemColumns.contains(name) ? "is a column that every table has" : nil
}

extension Setting where Value == String {
  /// The name of a column of the target, as it stands.
  static func columnName(_ key: String, _ summary: String) -> Self {
    Setting(
      key: key, type: .text(pattern: #"[\s\S]{1,63}"#, expected: "a column name"), summary: summary,
      placeholder: "", written: { (.string($0), $0) },
      read: { (scalar) throws(ValueProblem) in
        let name = try scalar.asText(isFree: true)
        if name.isEmpty { throw ValueProblem(what: "is empty") }
        if let problem = columnNameProblem(name) { throw ValueProblem(what: problem) }
        return name
      })
  }
}

extension Setting where Value == AttributePath {
  fileprivate static func attributePath(_ key: String, _ summary: String) -> Self {
    Setting(
      key: key, type: .text(pattern: #"[\s\S]+"#, expected: "a path such as status, address.city or tags[0]"),
      summary: summary, placeholder: AttributePath(attribute: ""), written: { (.string("\($0)"), "\($0)") },
      read: { (scalar) throws(ValueProblem) in
        let text = try scalar.asText(isFree: true)
        if text.isEmpty { throw ValueProblem(what: "is empty") }
        do throws(AttributePath.Malformed) { return try AttributePath(text) } catch {
          throw ValueProblem(what: error.reason)
        }
      })
  }
}

extension Setting where Value == DeclaredType {
  fileprivate static func declaredType(_ key: String, _ summary: String) -> Self {
    Setting(
      key: key,
      type: .text(
        pattern: #" *[A-Za-z][A-Za-z0-9 ]*(\([0-9 ]+(,[0-9 ]+)?\))?"#,
        expected: "a type such as bigint, numeric(12,2), varchar(20) or timestamptz"),
      summary: summary, placeholder: DeclaredType(BuiltinType.all[0]),
      written: { (.string($0.formatted), $0.formatted) },
      read: { (scalar) throws(ValueProblem) in
        let text = try scalar.asText()
        if let type = DeclaredType(text) { return type }
        let names = BuiltinType.all.flatMap { [$0.name, $0.castName] }
        let advice = nearestName(to: text, among: names).map { "did you mean \"\($0)\"?" }
        throw ValueProblem(what: text.isEmpty ? "is empty" : "is no type that a column can have", advice: advice)
      })
  }
}
