import PenstockExtensions
import Testing

@testable import Settings

@Suite("Settings of programs with extensions") struct ExtensionSettingsTests {
  private struct Empty: ChangeSource {
    func identity() async -> String { "" }
    func tables() async -> [Table] { [] }
    func transactions(after position: UInt64) async -> [Transaction]? { nil }
  }

  private struct Nowhere: ChangeSink {
    func open(_ tables: [Table]) async -> UInt64 { 0 }
    func write(_ transactions: [Transaction]) async -> UInt64 { 0 }
    func close() async -> UInt64 { 0 }
  }

  private struct Nobody: AuthenticationProvider {
    func authToken() async -> String { "" }
    func refreshToken(after refusal: LoginRefusal?) async {}
    func isTokenExpired() async -> Bool { false }
  }

  static let extensions: Extensions = {
    var extensions = Extensions()
    extensions.registerSource("journal") { _ in Empty() }
    extensions.registerSink("archive") { _ in Nowhere() }
    extensions.registerAuthenticationProvider("vault") { _ in Nobody() }
    return extensions
  }()

  static func problems(_ text: String) -> String {
    do throws(SettingsProblems) {
      _ = try PipelineSettings.parse(Array(text.utf8), file: "p.yaml", environment: ["T": "x"], extensions: extensions)
      return ""
    } catch { return error.description }
  }

  static let sink = "sink: { type: postgres, url: 'postgresql://u@h/d' }\n"

  static let accepted = [
    "pipeline: { name: a }\nsource: { type: journal, options: { file: /a, token: '${T}' }, tables: [a.b] }\n" + sink,
    "pipeline: { name: a }\nsource: { type: journal, tables: [a.b] }\n"
      + "sink: { type: dsql, host: h, username: u, auth-provider: vault, auth-options: { path: p } }\n",
    "pipeline: { name: a }\nsource: { type: postgres, url: 'postgresql://u@h/d', auth-provider: vault, tables: [a.b] }\n"
      + sink,
    "pipeline: { name: a, mode: cdc }\nsource: { type: postgres, url: 'postgresql://u@h/d', tables: [a.b] }\n"
      + "sink: { type: archive, options: { file: /a }, flush-interval: 5s, buffer-size: 2MiB, retry: { max-elapsed: 0 } }\n",
  ]

  @Test("registered names are taken, and described so", arguments: accepted) func accepts(text: String) throws {
    let (node, _) = YAMLComposer.compose(Array(text.utf8), file: "p.yaml")
    let schema = PipelineSettings.description(Self.extensions).jsonSchema.text()

    #expect(Self.problems(text) == "")
    #expect(try JSONSchemaEvaluator(schema).accepts(JSON(#require(node))))
    #expect(try !DescriptionTests.schemaAccepts(text))
  }

  @Test("options are kept from every print") func secrets() throws {
    let settings = try PipelineSettings.parse(
      Array(Self.accepted[0].replacing("/a", with: "hunter2").utf8), file: "p.yaml", environment: ["T": "x"],
      extensions: Self.extensions)
    var dumped = ""
    dump(settings, to: &dumped)

    #expect(!dumped.contains("hunter2"))
    #expect(settings.source.kind == .registered("journal", ["file": Secret("hunter2"), "token": Secret("x")]))
  }

  @Test(
    "what a registered source or provider can't have is refused",
    arguments: [
      (
        "pipeline: { name: a, mode: cdc }\nsource: { type: journal, tables: [a.b] }\n" + sink,
        "p.yaml:2:9: source: type journal gives rows and changes as one; expected pipeline.mode: full-load-and-cdc"
      ),
      (
        "pipeline: { name: a }\nsource: { type: postgres, url: 'postgresql://u:hunter2@h/d', auth-provider: vault, tables: [a.b] }\n"
          + sink, "p.yaml:2:32: source.url: gives a password although auth-provider is vault; expected none"
      ),
      (
        "pipeline: { name: a }\nsource: { type: postgres, url: 'postgresql://u@h/d', tables: [a.b] }\n"
          + "sink: { type: archive, parallelism: 4 }\n",
        "p.yaml:3:7: sink: type archive takes changes only; expected pipeline.mode: cdc\n"
          + "p.yaml:3:24: sink.parallelism: unknown key; expected"
      ),
      (
        "pipeline: { name: a, mode: cdc }\nsource: { type: journal, tables: [a.b] }\nsink: { type: archive }\n",
        "p.yaml:3:7: sink: type archive takes the changes of type: postgres only; expected that in source"
      ),
      (
        "pipeline: { name: a }\nsource: { type: jurnal, tables: [a.b] }\n" + sink,
        "p.yaml:2:17: source.type: \"jurnal\" is not known; expected postgres, dynamodb or journal; did you mean \"journal\"? "
          + "a source of another name is registered by a program of your own: docs/extending.md"
      ),
    ])
  func refuses(text: String, problem: String) {
    #expect(Self.problems(text).contains(problem), "\(Self.problems(text))")
  }
}
