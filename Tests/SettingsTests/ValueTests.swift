import ChangeModel
import Runtime
import Settings
import Testing

@Suite("Values from the environment") struct EnvironmentTests {
  static func settings(
    pipeline: String = "{ name: a }", sink: String = "", _ environment: [String: String]
  ) throws -> PipelineSettings {
    try parse(
      """
      pipeline: \(pipeline)
      source: { type: postgres, url: "postgresql://u@h/d", tables: [a.b] }
      sink:
        type: postgres
        url: postgresql://u@h/d
      \(sink)
      """, environment)
  }

  @Test(
    "a reference is replaced wherever it stands in a value",
    arguments: [
      ("${A}", "one"), ("x${A}y", "xoney"), ("${A}${B}", "onetwo"), ("${A:-three}", "one"), ("${C:-three}", "three"),
      ("${EMPTY:-three}", "three"), ("${C:-}x", "x"), ("${C:-a:-b}", "a:-b"), ("$${A}", "${A}"), ("$$${A}", "$${A}"),
      ("$A", "$A"), ("a$", "a$"), ("$", "$"), ("${NESTED}", "${A}"), ("${YAML}", "a: [1, 2] # 3"), ("${C:-$}", "$"),
    ])
  func expansion(written: String, expected: String) throws {
    let environment = ["A": "one", "B": "two", "EMPTY": "", "NESTED": "${A}", "YAML": "a: [1, 2] # 3"]

    for quoted in ["\"\(written)\"", "'\(written)'", written] {
      let settings = try Self.settings(sink: "  password: \(quoted)", environment)
      #expect(settings.sink.server.password?.revealed == expected)
    }
  }

  @Test("a value takes the type that its setting wants") func types() throws {
    let settings = try Self.settings(
      pipeline: "{ name: '${NAME}', chunk-size: '${BYTES}', mode: '${MODE:-cdc}' }",
      sink: """
          parallelism: ${WORKERS}
          batch-size: "${ROWS}"
          pipelining: ${PIPELINING}
          flush-interval: ${INTERVAL}
          connect-timeout-ms: ${MILLISECONDS}
          retry: { max-elapsed: "${ZERO}" }
        """,
      [
        "NAME": "7", "BYTES": "65536", "WORKERS": "7", "ROWS": "1${ZERO}", "PIPELINING": "false", "INTERVAL": "2s",
        "MILLISECONDS": "1500", "ZERO": "0",
      ].merging(["ROWS": "100"]) { $1 })

    #expect(settings.name == "7")
    #expect(settings.chunkSize == 65536)
    #expect(settings.mode == .cdc)
    #expect(settings.sink.parallelism == 7)
    #expect(settings.sink.batchSize == 100)
    #expect(!settings.sink.usesPipelining)
    #expect(settings.sink.flushInterval == .seconds(2))
    #expect(settings.sink.server.connectTimeout == .milliseconds(1500))
    #expect(settings.sink.retry.maxElapsed == nil)
  }
}

@Suite("Units") struct UnitTests {
  @Test(
    "a duration is a number and a unit, or milliseconds",
    arguments: [
      ("flush-interval: 500ms", 500), ("flush-interval: 1s", 1000), ("flush-interval: 2m", 120_000),
      ("flush-interval: 2min", 120_000), ("flush-interval: 1h", 3_600_000), ("flush-interval: '1s'", 1000),
      ("flush-interval-ms: 1", 1), ("flush-interval-ms: 3600000", 3_600_000), ("flush-interval: 007s", 7000),
    ])
  func durations(line: String, milliseconds: Int) throws {
    let settings = try EnvironmentTests.settings(sink: "  \(line)", [:])

    #expect(settings.sink.flushInterval == .milliseconds(milliseconds))
  }

  @Test(
    "a size is a number and a unit, or bytes",
    arguments: [
      ("9000", 9000), ("9000B", 9000), ("9kB", 9000), ("9KB", 9000), ("9KiB", 9216), ("2MB", 2_000_000),
      ("2MiB", 2_097_152), ("2GB", 2_000_000_000), ("2GiB", 2_147_483_648), ("+9000", 9000), ("16GiB", 16 << 30),
      ("8192", 8192),
    ])
  func sizes(written: String, bytes: Int) throws {
    let settings = try EnvironmentTests.settings(pipeline: "{ name: a, chunk-size: \(written) }", [:])

    #expect(settings.chunkSize == bytes)
  }
}

@Suite("Connection URLs") struct ConnectionURLTests {
  static func server(_ url: String) throws -> ServerSettings {
    try #require(
      parse(
        """
        pipeline: { name: a }
        source: { type: postgres, url: "\(url)", tables: [a.b] }
        sink: { type: postgres, url: "postgresql://u@h/d" }
        """
      ).source.server)
  }

  struct Case: Sendable {
    let url: String
    let description: String
    var password: String?
    var parameters: [String: String] = [:]
  }

  @Test(
    "the parts of a URL are taken apart and decoded",
    arguments: [
      Case(url: "postgresql://u@h/d", description: "postgresql://u@h:5432/d"),
      Case(url: "postgres://u@h:6000/d", description: "postgresql://u@h:6000/d"),
      Case(url: "postgresql://u:@h:/d?", description: "postgresql://u@h:5432/d"),
      Case(url: "postgresql://u:p%40%2F%3A%25@h/d", description: "postgresql://u@h:5432/d", password: "p@/:%"),
      Case(url: "postgresql://u:a:b@h/d", description: "postgresql://u@h:5432/d", password: "a:b"),
      Case(url: "postgresql://u%C3%A4:p+q@h/d%20e", description: "postgresql://uä@h:5432/d e", password: "p+q"),
      Case(url: "postgresql://u@[::1]:5433/d", description: "postgresql://u@[::1]:5433/d"),
      Case(url: "postgresql://u@[fe80::1%25eth0]/d", description: "postgresql://u@[fe80::1%25eth0]:5432/d"),
      Case(url: "postgresql://u@/d?host=/var/run/postgresql", description: "postgresql://u@/var/run/postgresql:5432/d"),
      Case(url: "postgresql://u@:5433/d?host=/tmp", description: "postgresql://u@/tmp:5433/d"),
      Case(url: "postgresql://u@%2Ftmp%2Fpg:5433/d", description: "postgresql://u@/tmp/pg:5433/d"),
      Case(
        url: "postgresql://u@h/d?sslmode=verify-full&sslrootcert=/a%20b.pem&application_name=x&connect_timeout=3",
        description: "postgresql://u@h:5432/d",
        parameters: ["sslmode": "verify-full", "sslrootcert": "/a b.pem", "application_name": "x"]),
    ])
  func parts(_ example: Case) throws {
    let server = try Self.server(example.url)

    #expect(server.description == example.description)
    #expect(server.password?.revealed == example.password)
    let parameters = Dictionary(server.parameters.map { ($0.keyword, $0.value) }) { first, _ in first }
    for (keyword, value) in example.parameters { #expect(parameters[keyword] == value) }
  }

  @Test("what a URL leaves out is the same as without a URL") func defaults() throws {
    let server = try Self.server("postgresql://u@h/d")

    #expect(
      server.parameters.map { "\($0.keyword)=\($0.value)" }
        == ["host=h", "port=5432", "dbname=d", "user=u", "sslmode=prefer", "application_name=penstock:a"])
    #expect(server.connectTimeout == .seconds(10))
    #expect(try Self.server("postgresql://u@h/d?connect_timeout=3").connectTimeout == .seconds(3))
  }

  @Test("settings beside a URL add to it") func beside() throws {
    let settings = try parse(
      """
      pipeline: { name: a }
      source: { type: postgres, url: "postgresql://u@h/d", password: x, ssl-mode: require, tables: [a.b] }
      sink: { type: postgres, url: "postgresql://u@h", connect-timeout: 2s }
      """)

    #expect(settings.source.server?.password?.revealed == "x")
    #expect(settings.source.server?.sslMode == .require)
    #expect(settings.sink.server.database == "postgres")
    #expect(settings.sink.server.connectTimeout == .seconds(2))
  }
}

@Suite("DSQL as the target") struct DSQLSinkTests {
  static func sink(_ settings: String) throws -> SinkSettings {
    try parse(
      """
      pipeline: { name: a }
      source: { type: postgres, url: "postgresql://u@h/d", tables: [a.b] }
      sink: { type: dsql, \(settings) }
      """
    ).sink
  }

  @Test(
    "a login by token has a region, a role, and names for both sides of the role",
    arguments: [
      ("", IAMLogin(sessionName: "penstock-a")),
      ("region: eu-west-2", IAMLogin(region: "eu-west-2", sessionName: "penstock-a")),
      (
        "iam-role: 'arn:aws:iam::123456789012:role/sync/penstock', iam-external-id: 'a/b:1', iam-session-name: me@x",
        IAMLogin(role: "arn:aws:iam::123456789012:role/sync/penstock", externalID: "a/b:1", sessionName: "me@x")
      ),
      ("use-iam-auth: false, password: x", nil),
    ] as [(String, IAMLogin?)])
  func iam(settings: String, expected: IAMLogin?) throws {
    #expect(try Self.sink("host: localhost, username: u, \(settings)").iam == expected)
  }

  @Test(
    "only a mode that verifies the server gets the system's certificates",
    arguments: [
      ("verify-full", "system"), ("verify-ca", "system"),
      ("require", nil),
    ] as [(String, String?)])
  func certificates(mode: String, expected: String?) throws {
    let sink = try Self.sink("host: a.dsql.us-east-1.on.aws, username: u, ssl-mode: \(mode)")

    #expect(sink.server.sslRootCertificate == expected)
  }

  @Test("DSQL loads by INSERT and takes the database postgres") func defaults() throws {
    let sink = try Self.sink("host: a.dsql.us-east-1.on.aws, admin-user: true")

    #expect(sink.loadMethod == .insert)
    #expect(sink.server.database == "postgres")
    #expect(sink.server.username == "admin")
    #expect(sink.server.password == nil)
  }
}

@Suite("The mode of a pipeline") struct ModeTests {
  @Test(
    "enable-full-load: false leaves changes alone",
    arguments: [
      ("full-load-and-cdc", true, PipelineSettings.Mode.fullLoadAndCDC), ("full-load-and-cdc", false, .cdc),
      ("full-load", true, .fullLoad), ("cdc", true, .cdc), ("cdc", false, .cdc),
    ])
  func mode(written: String, loads: Bool, expected: PipelineSettings.Mode) throws {
    let settings = try EnvironmentTests.settings(
      pipeline: "{ name: a, mode: \(written) }", sink: "  enable-full-load: \(loads)", [:])

    #expect(settings.mode == expected)
    #expect(expected.loads == (expected != .cdc))
    #expect(expected.follows == (expected != .fullLoad))
  }
}
