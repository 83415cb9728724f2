import Foundation
import Testing

@testable import Settings

@Suite("Schema, reference and examples") struct DescriptionTests {
  static let root = URL(fileURLWithPath: #filePath)
    .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
  static let examples = [
    "dynamodb-to-dsql.yaml", "merge-game-mailbox.yaml", "postgres-to-dsql.yaml", "postgres-to-emulator.yaml",
    "postgres-to-postgres.yaml",
  ]
  /// Stands for what a user sets before running an example.
  static let environment = ["SHOP_PASSWORD": "a", "OLD_DB_PASSWORD": "b", "NEW_DB_PASSWORD": "c"]

  static func schemaAccepts(_ text: String) throws -> Bool {
    let (node, _) = YAMLComposer.compose(Array(text.utf8), file: "p.yaml")
    return try JSONSchemaEvaluator(PipelineSettings.description.jsonSchema.text()).accepts(JSON(#require(node)))
  }

  @Test("docs/configuration.md is the generated reference") func reference() throws {
    let page = try String(contentsOf: Self.root.appendingPathComponent("docs/configuration.md"), encoding: .utf8)

    // As one value: showing where two long texts differ takes the library half a minute.
    let isCurrent = page == PipelineSettings.description.reference
    #expect(isCurrent, "run: penstock schema --markdown > docs/configuration.md")
  }

  @Test("every example is correct, for the parser and for the schema", arguments: examples)
  func example(name: String) throws {
    let text = try String(contentsOf: Self.root.appendingPathComponent("config/\(name)"), encoding: .utf8)

    #expect(problemsOf(text, Self.environment) == "")
    #expect(try Self.schemaAccepts(text))
  }

  @Test("no example is forgotten") func allExamples() throws {
    let folder = Self.root.appendingPathComponent("config").path

    #expect(try FileManager.default.contentsOfDirectory(atPath: folder).sorted() == Self.examples)
  }

  @Test(
    "what the parser takes, the schema takes",
    arguments: [
      PipelineSettingsTests.fullText,
      "pipeline: { name: a }\nsource: { type: postgres, url: 'postgres://u@h/d', tables: ['${T}'] }\nsink: { type: postgres, host: h, username: u }",
      "pipeline: { name: '${N}', chunk-size: '${S}' }\nsource: { type: postgres, url: '${U}', tables: [A.b, '*.?', '\"x y\".z'] }\nsink: { type: dsql, host: x.dsql.a-1.on.aws, admin-user: '${B}', retry: { max-elapsed: 0, max-delay: '${D}' } }",
      "pipeline: { name: a }\nsource: { type: postgres, url: '${U}', tables: [a.b] }\nsink: { type: '${T}', host: x.dsql.a-1.on.aws, username: u, ssl-mode: '${M}' }",
    ])
  func accepted(text: String) throws {
    let environment = [
      "T": "dsql", "N": "n", "S": "1MiB", "U": "postgresql://u@h/d", "B": "true", "D": "5s", "M": "require",
    ]

    let isTable = text.contains("tables: ['${T}']")
    #expect(problemsOf(text, isTable ? ["T": "a.b"] : environment) == "")
    #expect(try Self.schemaAccepts(text))
  }

  /// Scenarios whose problem no schema can state: what compares two values, or looks inside one, or needs the environment.
  static let beyondSchema: Set<String> = [
    "a duplicate key", "a duplicate key inside a section", "a key that is a list", "an empty key",
    "a hexadecimal integer", "a duration above its range", "a duration beyond 64 bits", "a size above its range",
    "a size beyond 64 bits", "not the admin and no other", "a password beside a token",
    "a region without a token", "a load that the mode excludes", "more workers than connections",
    "fewer connections than workers", "delays the wrong way round", "a short longest delay", "a password twice",
    "TLS twice",
  ]

  static let withinSchema = ["keys.txt", "values.txt", "units.txt", "conflicts.txt"].flatMap(Scenario.of)
    .filter { !beyondSchema.contains($0.name) }

  @Test("what the parser refuses, the schema refuses", arguments: withinSchema)
  func refused(scenario: Scenario) throws {
    #expect(try !Self.schemaAccepts(scenario.configuration))
  }

  @Test(
    "the schema refuses nothing for what it cannot know",
    arguments: Scenario.all.filter { beyondSchema.contains($0.name) })
  func beyond(scenario: Scenario) throws {
    #expect(problemsOf(scenario.configuration, Scenario.environment) != "")
  }

  @Test("every pattern in the description is a regular expression") func patterns() throws {
    func check(_ section: SectionDescription) throws {
      for setting in section.settings {
        switch setting.type {
        case .text(let pattern, _): _ = try Regex(pattern)
        case .section(let inner), .list(.section(let inner), _): try check(inner)
        default: break
        }
        #expect(setting.summary.hasSuffix("."), "\(setting.key) has no full sentence")
      }
    }
    try check(PipelineSettings.description)
  }

  @Test(
    "every default is in its own range: a file that gives all of them is correct and equal to one that gives none",
    arguments: required.keys.sorted())
  func defaults(source: String) throws {
    let required = try #require(Self.required[source])
    var given: [String] = []
    func write(_ section: SectionDescription, indent: String, type: String? = nil) {
      let others = section.rules.flatMap { rule -> [String] in
        guard case .onlyWhen("type", let wanted, let keys) = rule, let type, wanted != type else { return [] }
        return keys
      }
      for setting in section.settings where !others.contains(setting.key) {
        if case .byDefault(_, let text) = setting.presence, setting.key != "admin-user" {
          // A URL brings these along.
          if ["port", "database"].contains(setting.key) { continue }
          // Only tables of a server are cut.
          if source == "dynamodb", setting.key.hasPrefix("chunk-") { continue }
          given.append("\(indent)\(setting.key): \(text)")
        }
        if case .section(let inner) = setting.type, !inner.settings.isEmpty {
          given.append("\(indent)\(setting.key):")
          given += required[setting.key] ?? []
          write(inner, indent: indent + "  ", type: setting.key == "source" ? source : nil)
        }
      }
    }
    write(PipelineSettings.description, indent: "")
    let bare = ["pipeline", "source", "sink"].map { "\($0):\n" + (required[$0] ?? []).joined(separator: "\n") }

    #expect(problemsOf(given.joined(separator: "\n")) == "")
    #expect(try parse(given.joined(separator: "\n")) == parse(bare.joined(separator: "\n")))
  }

  /// By the source's type.
  static let required = [
    "postgres": [
      "pipeline": ["  name: a"], "source": ["  type: postgres", "  url: postgresql://u@h/d", "  tables: [a.b]"],
      "sink": ["  type: postgres", "  url: postgresql://u@h/d"],
    ],
    "dynamodb": [
      "pipeline": ["  name: a"], "source": ["  type: dynamodb", "  tables: [abc]"],
      "sink": ["  type: postgres", "  url: postgresql://u@h/d"],
    ],
  ]
}
