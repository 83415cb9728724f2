import Foundation
import PenstockTestKit
import Testing

@Suite struct TestClusterTests {
  @Test("the shared cluster answers and is ready for logical decoding") func sharedCluster() throws {
    let cluster = try TestCluster.shared
    let database = try cluster.createDatabase()

    #expect(try cluster.psql("SHOW wal_level; SELECT current_database()", database: database) == "logical\n\(database)")
    #expect(try cluster.psql("SELECT inet_server_port()") == "\(cluster.port)")
  }

  @Test("a failing statement throws the server's message") func failingStatement() throws {
    let failure = #expect(throws: CommandFailure.self) { try TestCluster.shared.psql("SELECT 1/0") }

    #expect(failure?.standardError.contains("division by zero") == true)
  }

  @Test("a database is dropped together with its slots and sessions") func dropDatabase() throws {
    let cluster = try TestCluster.start()
    let database = try cluster.createDatabase()
    try cluster.psql("SELECT pg_create_logical_replication_slot('kit_slot', 'pgoutput')", database: database)

    try cluster.dropDatabase(database)

    #expect(try cluster.psql("SELECT count(*) FROM pg_replication_slots WHERE slot_name = 'kit_slot'") == "0")
    #expect(try cluster.psql("SELECT count(*) FROM pg_database WHERE datname = '\(database)'") == "0")
  }

  @Test("a cluster keeps its rows and port over a crash, a kill and a restart, and leaves no files")
  func restarts() throws {
    let cluster = try TestCluster.start(settings: ["max_connections": "17"])
    try cluster.psql("CREATE TABLE t (id int); INSERT INTO t VALUES (1)")

    try cluster.kill9()
    #expect(cluster.serverPID == nil)
    #expect(throws: CommandFailure.self) { try cluster.psql("SELECT 1") }
    try cluster.restart()
    #expect(try cluster.psql("SELECT id FROM t; SHOW max_connections") == "1\n17")

    try cluster.stop(immediate: true)
    try cluster.restart()
    try cluster.restart()
    #expect(try cluster.psql("SELECT id FROM t") == "1")

    let server = try #require(cluster.serverPID)
    try cluster.remove()
    #expect(!isAlive(server))
    #expect(!FileManager.default.fileExists(atPath: cluster.directory))
  }

  @Test("server, programs and files of a test process vanish when it is killed")
  func killedTestProcess() async throws {
    let result = await #expect(
      processExitsWith: .signal(SIGKILL), observing: [\.standardOutputContent]
    ) {
      let cluster = try TestCluster.start()
      let child = try ChildProcess("sleep", ["1000"])
      print("\n\(try #require(cluster.serverPID)) \(child.pid) \(cluster.directory)")
      fflush(nil)
      kill(getpid(), SIGKILL)
    }

    let output = String(decoding: try #require(result).standardOutputContent, as: UTF8.self)
    let words = try #require(output.split(separator: "\n").last { $0.contains("/cluster") }).split(separator: " ")
    let pids = words.prefix(2).compactMap { Int32($0) }
    #expect(pids.count == 2)
    try await eventually("the server, the program and the folder to vanish") {
      !pids.contains(where: isAlive) && !FileManager.default.fileExists(atPath: String(words[2]))
    }
  }
}
