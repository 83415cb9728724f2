import AWS
import DSQLEmulator
import Foundation
import PenstockTestKit
import Testing

@Suite struct SignInTests {
  static let server = Result {
    try ServerUnderTest {
      $0.verifiesSignatures = true
    }
  }

  /// What libpq says when a connection fails.
  func failure(_ changes: [String: String], of server: ServerUnderTest? = nil) throws -> String {
    let server = try server ?? Self.server.get()
    do {
      _ = try server.connect(changes)
      return "connected"
    } catch let error as Client.ConnectFailure {
      return error.description
    }
  }

  @Test("a good token signs in, and the server says it is DSQL")
  func success() throws {
    let client = try Self.server.get().connect()

    #expect(client.parameter("server_version") == "16.15")
    #expect(client.parameter("TimeZone") == "UTC")
    #expect(client.run("SELECT current_user, session_user, version()").rows == [["admin", "admin", "PostgreSQL 16"]])
    #expect(client.run("SHOW server_version_num").rows == [["160015"]])
    #expect(client.run("SELECT current_setting('server_version')").rows == [["16.15"]])
    #expect(client.run("SHOW transaction_isolation").rows == [["repeatable read"]])
  }

  /// A token that is made when it is used, since it ages while other tests run.
  struct BadToken: Sendable, CustomTestStringConvertible {
    let hint: String
    let make: @Sendable () -> String

    init(_ hint: String, _ make: @autoclosure @escaping @Sendable () -> String) {
      self.hint = hint
      self.make = make
    }

    var testDescription: String { hint }
  }

  @Test(
    "a bad token is denied, with the reason as hint",
    arguments: [
      BadToken("Signature expired: ", ServerUnderTest.token(date: .now + -901)),
      BadToken("Signature not yet current: ", ServerUnderTest.token(date: .now + 600)),
      BadToken("Wrong user to action mapping. user: admin, action: DbConnect\n", ServerUnderTest.token(user: "app")),
      BadToken(
        "another endpoint: b.dsql.us-east-1.on.aws", ServerUnderTest.token(host: "b.dsql.us-east-1.on.aws")),
      BadToken(
        "Credential should be scoped to a valid region: us-east-1", ServerUnderTest.token(region: "us-west-2")),
      BadToken(
        "does not match the signature you provided",
        ServerUnderTest.token(credentials: AWSCredentials(accessKeyID: "AKIDEXAMPLE", secretAccessKey: "wrong"))),
      BadToken(
        "security token included in the request is invalid",
        ServerUnderTest.token(credentials: AWSCredentials(accessKeyID: "OTHER", secretAccessKey: "c2VjcmV0"))),
      BadToken("not an authentication token", "secret"),
      BadToken(
        "does not match", ServerUnderTest.token().replacingOccurrences(of: "Expires=900", with: "Expires=901")),
      BadToken("not an authentication token", ServerUnderTest.token() + "&Action=DbConnect"),
    ])
  func denied(_ token: BadToken) throws {
    let text = try failure(["password": token.make()])

    #expect(text.contains("FATAL:  unable to accept connection, access denied"))
    #expect(text.contains(token.hint), "\(text)")
  }

  @Test(
    "what is wrong with a startup is said",
    arguments: [
      (["dbname": "other"], "FATAL:  database \"other\" does not exist"),
      (
        ["options": "-c statement_timeout=5"],
        "FATAL:  setting configuration parameter \"statement_timeout\" not supported"
      ),
      (
        ["options": "-c default_transaction_read_only=on"],
        "FATAL:  setting configuration parameter \"default_transaction_read_only\" not supported"
      ),
      (["sslsni": "0"], "FATAL:  unable to accept connection, sni was not received"),
      (["sslmode": "disable"], "TLS is required"),
    ])
  func startup(changes: [String: String], message: String) throws {
    #expect(try failure(changes).contains(message))
  }

  @Test("settings at startup are kept, and RESET goes back to them")
  func startupSettings() throws {
    let client = try Self.server.get().connect(["options": "-c search_path=a,b -c IntervalStyle=iso_8601"])

    client.run("SET IntervalStyle = 'postgres'")
    client.run("RESET IntervalStyle")

    #expect(client.run("SHOW IntervalStyle").rows == [["iso_8601"]])
    #expect(client.run("SHOW search_path").rows == [["a,b"]])
  }

  @Test("a role signs in with the other action, if it exists")
  func role() throws {
    let server = try Self.server.get()
    try server.behind("CREATE ROLE sink_role LOGIN")
    func connect(_ user: String) throws -> Client {
      try server.connect(["user": user, "password": ServerUnderTest.token(user: user)])
    }

    #expect(try connect("sink_role").run("SELECT current_user").rows == [["sink_role"]])
    #expect(throws: Client.ConnectFailure.self) { try connect("nobody") }
    try server.behind("DROP ROLE sink_role")
  }

  @Test("an expired token does not end an open session")
  func openSession() async throws {
    let server = try Self.server.get()
    let client = try server.connect(["password": ServerUnderTest.token(expires: 10)])

    try await Task.sleep(for: .seconds(11))

    #expect(client.run("SELECT 1").rows == [["1"]])
    #expect(try failure(["password": ServerUnderTest.token(date: .now + -3, expires: 1)]).contains("expired"))
  }

  @Test("connections are paced, limited and woken, each with its text")
  func connectLimits() throws {
    let paced = try ServerUnderTest {
      $0.connectRate = 0.001
      $0.connectBurst = 2
      $0.wakingConnects = 1
    }
    #expect(try failure([:], of: paced).contains("FATAL:  unable to accept connection, waking up cluster"))
    let open = try paced.connect()
    #expect(try failure([:], of: paced).contains("FATAL:  Unable to accept connection, rate exceeded."))
    #expect(open.run("SELECT 1").rows == [["1"]])

    let limited = try ServerUnderTest { $0.connectionsMax = 1 }
    let first = try limited.connect()
    #expect(try failure([:], of: limited).contains("Unable to accept connection, too many open connections."))
    #expect(first.isConnected)
  }

  @Test("without SNI required, localhost will do")
  func localhost() throws {
    let server = try ServerUnderTest { $0.requiresSNI = false }

    let client = try Client(server.parameters(host: "localhost"))

    #expect(client.run("SELECT 1").rows == [["1"]])
  }

  @Test("a session ends at its age, but not inside a transaction")
  func sessionAge() async throws {
    let server = try ServerUnderTest { $0.sessionAgeMax = .seconds(5) }
    let idle = try server.connect()
    let busy = try server.connect()
    busy.run("BEGIN")

    try await Task.sleep(for: .seconds(6))

    #expect(idle.run("SELECT 1").sqlState == nil)
    #expect(!idle.isConnected)
    #expect(busy.run("SELECT 1").rows == [["1"]])
    #expect(busy.run("COMMIT").tag == "COMMIT")
    try await eventually("the session to end") { busy.run("SELECT 1").rows != [["1"]] }
  }
}
