package import ChangeModel

/// Where the tables come from.
package struct SourceSettings: Hashable, Sendable {
  /// The kind of server; what it is decides which other settings there are.
  package enum Kind: String, Hashable, Sendable { case postgres }

  package let kind: Kind
  package let server: ServerSettings
  package let login: LoginSettings
  /// At least one.
  package let tables: [TablePattern]
  package let excludedTables: [TablePattern]
  package let slotName: String
  package let publicationName: String

  /// Whether a table is selected and not excluded.
  package func selects(_ table: TableName) -> Bool {
    tables.contains { $0.matches(table) } && !excludedTables.contains { $0.matches(table) }
  }
}

extension SourceSettings {
  /// - Parameter pipeline: the pipeline's name, from which slot and publication get theirs.
  init(_ section: inout SettingsSection, pipeline: String) {
    kind = section.required(.choice("type", ["postgres": Kind.postgres], "What the source is."))
    server = ServerSettings(
      &section,
      .init(
        applicationName: "penstock:\(pipeline)", hostKey: "hostname", databaseKey: "database-name",
        defaultDatabase: nil, defaultSSLMode: .prefer,
        sslModeText: "`prefer`", defaultRootCertificate: nil, rootCertificateText: "libpq's: `~/.postgresql/root.crt`"))
    login = LoginSettings(
      &section, of: server, default: "password", builtIn: ["password"], defaultText: "`password`")
    tables = section.list(
      .tablePattern("tables", "The tables to replicate, by exact name or pattern. See \"Table names\"."), minimum: 1)
    excludedTables = section.list(
      .tablePattern("exclude-tables", "Tables to leave out although `tables` selects them."), minimum: 0)
    slotName =
      section.optional(
        .text(
          "slot-name", "[a-z0-9_]{1,63}", expected: "1 to 63 characters of a-z, 0-9 and _",
          "The replication slot. It is created when it does not exist."), absent: "`penstock_` and the pipeline's name")
      ?? "penstock_\(pipeline)"
    publicationName =
      section.optional(
        .text(
          "publication-name", #"[^\s"]{1,63}"#, expected: "1 to 63 characters without spaces and quotes",
          "The publication, with upper and lower case kept. It is created when it does not exist."),
        absent: "`penstock_` and the pipeline's name")
      ?? "penstock_\(pipeline)"
  }
}

extension Setting where Value == TablePattern {
  static func tablePattern(_ key: String, _ summary: String) -> Self {
    Setting(
      key: key, type: .tablePattern, summary: summary, placeholder: TablePattern(TableName("", "")),
      written: { (.string($0.description), $0.description) },
      read: { (scalar) throws(ValueProblem) in
        let text = try scalar.asText()
        do throws(TablePattern.Malformed) { return try TablePattern(text) } catch {
          throw ValueProblem(what: text.isEmpty ? "is empty" : error.reason)
        }
      })
  }
}
