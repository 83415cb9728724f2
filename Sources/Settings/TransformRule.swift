package import ChangeModel

/// What becomes of the rows of the tables that match a pattern: SQL over one row.
package struct TransformRule: Hashable, Sendable {
  package let sourceTable: TablePattern
  /// A result list; `*` when none is given.
  package let projection: String
  package let filter: String?
  /// Types of computed columns by name.
  package let columns: [String: String]
  /// The target's key; empty for the columns that stand for the source's.
  package let key: [String]
  /// Where the rule is, such as `pipeline.yaml:12`.
  package let place: String
}

extension TransformRule {
  init(_ section: inout SettingsSection, _ naming: TablePattern.Naming) {
    sourceTable = section.required(
      .tablePattern(
        "source-table", "The tables the rule is for, by exact name or pattern. The first rule that matches counts.",
        naming))
    projection =
      section.optional(
        .text(
          "projection",
          "The target's columns, as SQL has them after SELECT: columns of the row, and expressions with names. "
            + "[transforms.md](transforms.md) says what they may hold."), absent: "`*`, every column") ?? "*"
    filter = section.optional(
      .text("filter", "An SQL condition: rows of which it is not true are left out of the target."), absent: "none")
    columns = section.texts(
      "columns", "PostgreSQL types of computed columns, by name: `{total: bigint}`. The others are `text`."
    ).mapValues(\.revealed)
    key = section.list(
      .text(
        "primary-key",
        "The columns of the projection that are the target's key. Without it, those that stand for the source's key."),
      minimum: 0)
    section.rule(.needsOne(["projection", "filter"]))
    place = section.place("source-table")
  }
}
