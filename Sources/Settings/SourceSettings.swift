package import ChangeModel
internal import PenstockExtensions

/// Where the tables come from.
package struct SourceSettings: Hashable, Sendable {
  /// What reads the tables; what it is decides which other settings there are.
  package enum Kind: Hashable, Sendable {
    /// A PostgreSQL server, and who gives its passwords.
    case postgres(ServerSettings, LoginSettings)
    case dynamodb(DynamoDBSettings)
    /// A source that a program has registered by a name, and its options.
    case registered(String, [String: Secret])
  }

  package let kind: Kind
  /// At least one.
  package let tables: [TablePattern]
  package let excludedTables: [TablePattern]
  /// Empty for any other source than PostgreSQL, as is the publication's.
  package let slotName: String
  package let publicationName: String

  /// Of a PostgreSQL source.
  package var server: ServerSettings? {
    if case .postgres(let server, _) = kind { server } else { nil }
  }

  package var dynamodb: DynamoDBSettings? {
    if case .dynamodb(let settings) = kind { settings } else { nil }
  }

  /// How its tables are called.
  package var naming: TablePattern.Naming { dynamodb == nil ? .sql : .dynamoDB }

  /// Whether a table is selected and not excluded.
  package func selects(_ table: TableName) -> Bool {
    tables.contains { $0.matches(table) } && !excludedTables.contains { $0.matches(table) }
  }
}

extension SourceSettings {
  private static func readServer(_ section: inout SettingsSection, pipeline: String) -> Kind {
    let server = ServerSettings(
      &section,
      .init(
        otherTypes: ["dynamodb"] + section.extensions.sources.keys.sorted(), applicationName: "penstock:\(pipeline)",
        hostKey: "hostname", databaseKey: "database-name",
        defaultDatabase: nil, defaultSSLMode: .prefer,
        sslModeText: "`prefer`", defaultRootCertificate: nil, rootCertificateText: "libpq's: `~/.postgresql/root.crt`"))
    let login = LoginSettings(
      &section, of: server, default: "password", builtIn: ["password"], defaultText: "`password`")
    return .postgres(server, login)
  }

  /// - Parameter pipeline: the pipeline's name, from which slot and publication get theirs.
  init(_ section: inout SettingsSection, pipeline: String) {
    let type = section.required(
      .name(
        "type", builtIn: BuiltInNames.sources, registered: section.extensions.sources.keys, kind: "a source",
        "What the source is; a program of your own can register [other sources](extending.md#source)."))
    let options = section.texts("options", "For a registered `type`; what they mean is its own matter.")
    let isRegistered = !BuiltInNames.sources.contains(type)
    if !isRegistered, section.isGiven("options") {
      section.report("options", "only for a registered type; expected it to be absent")
    }
    let naming: TablePattern.Naming = type == "dynamodb" ? .dynamoDB : .sql
    tables = section.list(
      .tablePattern("tables", "The tables to replicate, by exact name or pattern. See \"Table names\".", naming),
      minimum: 1)
    excludedTables = section.list(
      .tablePattern("exclude-tables", "Tables to leave out although `tables` selects them.", naming), minimum: 0)
    // The settings of one type are unknown to the others; all together they are described with the first.
    switch type {
    case "postgres":
      kind = Self.readServer(&section, pipeline: pipeline)
      (slotName, publicationName) = Self.readReplication(&section, pipeline: pipeline)
      section.onlyFor(type: "postgres")
      _ = DynamoDBSettings(&section, pipeline: pipeline)
    case "dynamodb":
      kind = .dynamodb(DynamoDBSettings(&section, pipeline: pipeline))
      (slotName, publicationName) = ("", "")
    default:
      kind = .registered(type, options)
      (slotName, publicationName) = ("", "")
    }
  }

  private static func readReplication(
    _ section: inout SettingsSection, pipeline: String
  ) -> (slot: String, publication: String) {
    let slot = section.optional(
      .text(
        "slot-name", "[a-z0-9_]{1,63}", expected: "1 to 63 characters of a-z, 0-9 and _",
        "The replication slot. It is created when it does not exist."), absent: "`penstock_` and the pipeline's name")
    let publication = section.optional(
      .text(
        "publication-name", #"[^\s"]{1,63}"#, expected: "1 to 63 characters without spaces and quotes",
        "The publication, with upper and lower case kept. It is created when it does not exist."),
      absent: "`penstock_` and the pipeline's name")
    return (slot ?? "penstock_\(pipeline)", publication ?? "penstock_\(pipeline)")
  }
}

extension SettingsSection {
  /// States that what was described last, behind `type` and the tables, is for one type only.
  fileprivate mutating func onlyFor(type: String) {
    let common: Set = ["type", "options", "tables", "exclude-tables"]
    rule(.onlyWhen(key: "type", value: type, description.settings.map(\.key).filter { !common.contains($0) }))
  }
}

extension Setting where Value == TablePattern {
  static func tablePattern(_ key: String, _ summary: String, _ naming: TablePattern.Naming) -> Self {
    Setting(
      key: key, type: .tablePattern, summary: summary, placeholder: TablePattern(TableName("", "")),
      written: { (.string($0.description), $0.description) },
      read: { (scalar) throws(ValueProblem) in
        let text = try scalar.asText()
        do throws(TablePattern.Malformed) { return try TablePattern(text, naming) } catch {
          throw ValueProblem(
            what: text.isEmpty ? "is empty" : error.reason,
            expected: naming == .dynamoDB ? "a name such as Orders or Orders*, of letters, digits, _, - and ." : nil)
        }
      })
  }
}
