import ChangeModel
import Foundation
import PenstockTestKit
import Postgres
import Runtime
import Testing

/// A server that asks for passwords, as `TestCluster.shared` trusts everyone.
private func settings(
  _ cluster: TestCluster, user: String = "postgres", database: String = "postgres", password: String? = nil
) -> ConnectionSettings {
  ConnectionSettings(
    role: .sink,
    parameters: [
      ("host", "127.0.0.1"), ("port", "\(cluster.port)"), ("user", user), ("dbname", database), ("sslmode", "disable"),
    ], connectTimeout: .seconds(10), password: { () throws(Failure) in password })
}

/// Runs `body` on a thread of its own, as lanes and streams run.
private func withThread<Result: Sendable>(
  named name: String, _ body: @escaping @Sendable () async throws -> Result
) async throws -> Result {
  let executor = ThreadExecutor(name: name)
  defer { executor.shutdown() }
  return try await withThrowingTaskGroup(of: Result.self) { group in
    group.addTask(executorPreference: executor) { try await body() }
    return try await group.next()!
  }
}

@Suite("Connections to a real server")
struct ConnectionTests {
  private func open(interrupt: Wakeup? = nil) throws -> Connection {
    try Connection(settings(.shared), interrupt: interrupt)
  }

  @Test("a database that is not there is a lasting refusal with advice")
  func noDatabase() throws {
    let cluster = try TestCluster.shared
    let failure = #expect(throws: Failure.self) { try Connection(settings(cluster, database: "nowhere")) }
    #expect(failure?.message.contains("database \"nowhere\" does not exist") == true)
    #expect(failure?.isTransient == false)
    #expect(failure?.hint == "Check database and user name.")
    #expect(failure?.location == "postgres@127.0.0.1:\(cluster.port)/nowhere")
    #expect(failure?.kind == .sink)
  }

  @Test("a server that is not there may come later")
  func noServer() throws {
    let failure = #expect(throws: Failure.self) {
      try Connection(
        ConnectionSettings(
          role: .source,
          parameters: [("host", "127.0.0.1"), ("port", "\(try freePort())"), ("user", "a"), ("dbname", "b")]))
    }
    #expect(failure?.message.contains("Connection refused") == true)
    #expect(failure?.isTransient == true)
    #expect(failure?.exitCode == 3)
  }

  @Test("a wrong password is a lasting refusal, and never shown")
  func wrongPassword() async throws {
    let cluster = try TestCluster.start()
    defer { try? cluster.remove() }
    try cluster.psql("CREATE ROLE guarded LOGIN PASSWORD 'right-horse'")
    let rules = cluster.directory + "/data/pg_hba.conf"
    let others = try String(contentsOfFile: rules, encoding: .utf8)
    try "host all guarded 127.0.0.1/32 scram-sha-256\n\(others)".write(
      toFile: rules, atomically: false, encoding: .utf8)
    try cluster.psql("SELECT pg_reload_conf()")
    try await eventually("the rules to hold") {
      (try? Connection(settings(cluster, user: "guarded", password: "any"))) == nil
    }

    let failure = #expect(throws: Failure.self) {
      try Connection(settings(cluster, user: "guarded", password: "wrong-horse"))
    }
    #expect(failure?.isTransient == false)
    #expect(failure?.hint == "Check username and password.")
    #expect(failure?.description.contains("horse") == false)
    let missing = #expect(throws: Failure.self) { try Connection(settings(cluster, user: "guarded")) }
    #expect(missing?.hint == "Set password in the configuration file.")
    #expect(throws: Never.self) { try Connection(settings(cluster, user: "guarded", password: "right-horse")) }
  }

  @Test(
    "no row value is in a failure",
    arguments: [
      ("SELECT 's3cret'::int", "22P02"), ("SELECT 's3cret'::timestamptz", "22007"),
      ("SELECT 's3cret'::uuid", "22P02"), ("SELECT '{s3cret'::json", "22P02"), ("SELECT '{s3cret'::int[]", "22P02"),
      ("SELECT '99999999999999'::int", "22003"), ("SELECT 's3cret'::interval", "22007"),
      ("SELECT '2024-13-77'::date", "22008"), ("SELECT 1/0", "22012"),
    ])
  func values(sql: String, state: String) throws {
    let session = try open()
    let failure = #expect(throws: Failure.self) { try session.query(sql) }
    #expect(failure?.state == SQLState(state))
    for secret in ["s3cret", "99999999999999", "2024-13-77"] {
      #expect(failure?.description.contains(secret) == false, "\(failure!)")
    }
    #expect(failure?.isTransient == false)
    #expect(try session.query("SELECT 1").single == "1")
  }

  @Test("a constraint's violation names table and constraint, not the row")
  func constraint() throws {
    let session = try open()
    try session.query("CREATE TEMP TABLE held (v text PRIMARY KEY); INSERT INTO held VALUES ('s3cret')")
    let failure = #expect(throws: Failure.self) { try session.query("INSERT INTO held VALUES ('s3cret')") }
    #expect(failure?.state == "23505")
    #expect(failure?.location.contains("constraint held_pkey") == true)
    #expect(failure?.description.contains("s3cret") == false)
  }

  @Test("an interrupt ends a wait for an answer")
  func interrupt() async throws {
    let interrupt = Wakeup()
    let cluster = try TestCluster.shared
    async let failure = withThread(named: "interrupted") { () -> Failure? in
      let session = try Connection(settings(cluster), interrupt: interrupt)
      do throws(Failure) { try session.query("SELECT 'interrupt test', pg_sleep(60)") } catch { return error }
      return nil
    }
    try await eventually("the statement to run") {
      try cluster.psql(
        "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%interrupt test%' AND pid<>pg_backend_pid()") == "1"
    }
    let start = monotonicNow()
    interrupt.signal()

    #expect(try await failure?.message == "interrupted")
    #expect(monotonicNow() - start < .seconds(30))
  }

  @Test("an answer that does not come within its limit is a lost connection")
  func limit() throws {
    let session = try open()
    let failure = #expect(throws: Failure.self) { try session.query("SELECT pg_sleep(60)", within: .milliseconds(50)) }
    #expect(failure?.connectionLost == true)
    #expect(failure?.isTransient == true)
  }

  @Test("a session that the server ends is lost, and may be opened again")
  func terminated() throws {
    let session = try open()
    try TestCluster.shared.psql("SELECT pg_terminate_backend(\(session.backendPID), 10000)")
    let failure = #expect(throws: Failure.self) { try session.query("SELECT 1") }
    #expect(failure?.connectionLost == true)
    #expect(failure?.isTransient == true)
    #expect(failure?.state == nil || failure?.state == "57P01")
  }

  @Test("parameters pass any text, and NULL")
  func parameters() throws {
    let session = try open()
    let odd = ["", "a'b", "\\", "ü€😀", "line\nbreak"]
    for text in odd { #expect(try session.query("SELECT $1::text", [text]).single == text) }
    #expect(try session.query("SELECT $1::text IS NULL", [nil]).single == "t")
  }
}

@Suite("Flights of statements")
struct FlightTests {
  private func open() throws -> Connection { try Connection(settings(.shared)) }

  @Test("a flight answers step by step")
  func done() throws {
    let session = try open()
    try session.beginFlight()
    try session.queue("CREATE TEMP TABLE f (a int)")
    try session.queuePrepare(name: "put", sql: "INSERT INTO f SELECT * FROM generate_series(1, $1)", types: [23])
    try session.queuePreparedText(name: "put", ["5"])
    try session.queue("SELECT * FROM f WHERE a > $1::int", ["3"])
    try session.closeFlight()
    guard case .done(let steps) = try session.landFlight(steps: 4) else { return #expect(Bool(false)) }

    #expect(steps.map(\.affected) == [0, 0, 5, 2])
    #expect(!session.isInFlight)
    #expect(try session.query("SELECT 1").single == "1")
  }

  @Test("the step that failed is told, whichever it is", arguments: 0..<5)
  func failed(step: Int) throws {
    let session = try open()
    try session.beginFlight()
    for index in 0..<5 {
      if index == 3 {
        try session.queuePrepare(name: "p\(step)", sql: index == step ? "SELECT nothing" : "SELECT 1", types: [])
      } else {
        try session.queue(index == step ? "SELECT 1/0" : "SELECT 1")
      }
    }
    try session.closeFlight()
    guard case .failed(let index, let failure) = try session.landFlight(steps: 5) else { return #expect(Bool(false)) }

    #expect(index == step)
    #expect(failure.state == (step == 3 ? "42703" : "22012"))
    #expect(!session.isInFlight)
    #expect(try session.query("SELECT 1").single == "1")
  }
}
