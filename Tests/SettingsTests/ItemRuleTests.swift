import ChangeModel
import PenstockExtensions
import SQLMapping
import Testing

@testable import Settings

@Suite("Rules for items") struct ItemRuleTests {
  /// The rules of a file that has nothing but them, and what is wrong with it.
  private func read(_ text: String) throws -> (rules: [ItemRule], problems: String) {
    let (node, _) = YAMLComposer.compose(Array(text.utf8), file: "p.yaml")
    guard case .mapping(let entries) = try #require(node).content else { return ([], "no mapping") }
    var root = SettingsSection(
      entries, path: "", mark: .start, source: SettingsSource(file: "p.yaml", environment: [:], extensions: .init()))
    let rules = root.sections("items", "Rules.", ItemRule.init)
    let problems = root.finished()
    return (rules, problems.isEmpty ? "" : SettingsProblems(problems).description)
  }

  private func layout(_ text: String) throws -> ItemLayout {
    let (rules, problems) = try read("items:\n  - {source-table: a.b, \(text)}")
    #expect(problems == "")
    return try #require(rules.first).layout
  }

  @Test(
    "what is not said leaves nothing out",
    arguments: [
      ("", true, nil, "other_attributes"), ("infer: false", false, nil, "other_attributes"),
      ("other-attributes: rest", true, nil, "rest"), ("other-attributes: drop", true, nil, nil),
      ("document: doc", false, "doc", nil), ("document: doc, infer: true", true, "doc", nil),
      ("document: doc, other-attributes: rest", false, "doc", "rest"),
    ] as [(String, Bool, String?, String?)])
  func defaults(text: String, infers: Bool, document: String?, overflow: String?) throws {
    #expect(
      try layout(text) == ItemLayout(infers: infers, documentColumn: document, overflowColumn: overflow))
  }

  @Test("a column has a path, a type, and a name of its own or the path's last") func columns() throws {
    let layout = try layout(
      "columns: [{path: address.city, type: varchar(20)}, {path: 'tags[0]', type: text, name: first}, "
        + "{path: at, type: timestamptz, format: epoch-ms}, {path: due, type: timestamp, format: epoch}]")
    let types = layout.columns.map { "\($0.path) \($0.name) \($0.type.formatted) \($0.epoch?.rawValue ?? "-")" }

    #expect(
      types == [
        "address.city city character varying(20) -", "tags[0] first text -", "at at timestamp with time zone epoch-ms",
        "due due timestamp without time zone epoch",
      ])
  }

  @Test("the first rule that matches a table counts, and none means the default") func matching() throws {
    let (rules, problems) = try read(
      "items:\n  - {source-table: Order*, document: x}\n  - {source-table: '*s', document: y}")

    #expect(problems == "")
    #expect(ItemRule.layout(of: TableName("", "Orders"), by: rules).documentColumn == "x")
    #expect(ItemRule.layout(of: TableName("", "users"), by: rules).documentColumn == "y")
    #expect(ItemRule.layout(of: TableName("", "user"), by: rules) == ItemLayout())
  }

  @Test(
    "each problem is named with its place and what was expected",
    arguments: [
      (
        "{infer: true}",
        "p.yaml:2:5: items[0].source-table: missing; expected schema.table, such as public.orders, public.* or '\"My Schema\".orders'"
      ),
      ("{source-table: a.b, colums: []}", "p.yaml:2:25: items[0].colums: unknown key; did you mean \"columns\"?"),
      (
        "{source-table: a.b, document: ctid}",
        "p.yaml:2:35: items[0].document: \"ctid\" is a column that every table has; expected a column name"
      ),
      (
        "{source-table: a.b, columns: [{path: x, type: varchr}]}",
        "p.yaml:2:51: items[0].columns[0].type: \"varchr\" is no type that a column can have; expected a type such as bigint, numeric(12,2), varchar(20) or timestamptz; did you mean \"varchar\"?"
      ),
      (
        "{source-table: a.b, columns: [{path: 'x[', type: text}]}",
        "p.yaml:2:42: items[0].columns[0].path: \"x[\" has no closing bracket; expected a path such as status, address.city or tags[0]"
      ),
      (
        "{source-table: a.b, columns: [{path: x, type: text, format: epoch}]}",
        "p.yaml:2:65: items[0].columns[0].format: only for type: timestamptz or timestamp; expected it to be absent"
      ),
      (
        "{source-table: a.b, columns: [{path: x, type: timestamptz, format: epoc}]}",
        "p.yaml:2:72: items[0].columns[0].format: \"epoc\" is not known; expected epoch or epoch-ms; did you mean \"epoch\"?"
      ),
      (
        "{source-table: a.b, columns: [{path: a.x, type: text}, {path: b.x, type: text}]}",
        "p.yaml:2:67: items[0].columns[1].path: column \"x\" is on line 2 already; expected another name"
      ),
      (
        "{source-table: a.b, columns: [{path: a.x, type: text, name: d}], document: d}",
        "p.yaml:2:80: items[0].document: \"d\" is a column already, on line 2; expected another name"
      ),
      (
        "{source-table: a.b, columns: [{path: a, type: text, name: other_attributes}]}",
        "p.yaml:2:5: items[0].other-attributes: \"other_attributes\" is a column already, on line 2; expected another name"
      ),
      (
        "{source-table: a.b, columns: [{path: ctid, type: text}]}",
        "p.yaml:2:35: items[0].columns[0].name: is a column that every table has when it comes from path; expected a name of its own"
      ),
      (
        "{source-table: a.b, columns: [{path: a, name: \(String(repeating: "ä", count: 32)), type: text}]}",
        "p.yaml:2:51: items[0].columns[0].name: \"\(String(repeating: "ä", count: 32))\" is longer than 63 bytes; expected a column name"
      ),
    ])
  func problems(rule: String, problem: String) throws {
    #expect(try read("items:\n  - \(rule)").problems == problem)
  }

  @Test("the reference shows the columns' settings in a table of their own") func reference() {
    var root = SettingsSection(
      [], path: "", mark: .start, source: SettingsSource(file: "", environment: [:], extensions: .init()))
    _ = root.section("source", "Where.") { source in source.sections("items", "Rules.", ItemRule.init) }
    let reference = root.description.reference

    #expect(reference.contains("\n### `source.items`\n\nRules. A list; each element has:\n\n| Setting |"))
    #expect(reference.contains("\n### `source.items.columns`\n\nColumns for attributes"))
    #expect(reference.contains("| `format` | epoch or epoch-ms |"))
  }
}
