import Foundation
import PenstockTestKit
import Testing

@Suite("status, reset, check and plan", .serialized)
struct CommandTests {
  private static let schema = """
    CREATE TABLE orders (id int PRIMARY KEY, v text); INSERT INTO orders SELECT i, 'x' FROM generate_series(1, 1000) i;
    """

  @Test("status tells a pipeline that never ran, one that runs, and one that stopped")
  func status() async throws {
    let pair = try await PairUnderTest(Self.schema)
    let before = try await pair.perform("status")
    #expect(before.status == .exited(0))
    #expect(
      before.output == """
        pipeline:   \(pair.name)
        state:      none in the target: this pipeline has never run, or was reset
        instance:   not running
        slot:       penstock_\(pair.name) does not exist

        """)

    let run = try pair.start("run")
    try await pair.waitForStream(run)
    try await eventually("the stream to begin") {
      try await pair.perform("status").output.contains("instance:   running, process ")
    }
    let during = try await pair.perform("status")
    #expect(during.output.contains(#/phase:      streaming\nepoch:      \d+\nlanes:      4, /#), "\(during.output)")
    #expect(
      during.output.contains(
        "table          state      rows loaded  chunks\npublic.orders  streaming  1,000        1 of 1\n"))

    run.signal(SIGTERM)
    #expect(try await run.wait() == .exited(0))
    let after = try await pair.perform("status", ["--json"])
    let document = try #require(try JSONSerialization.jsonObject(with: Data(after.output.utf8)) as? [String: Any])
    #expect(document["running"] as? Bool == false)
    #expect(document["phase"] as? String == "streaming")
    let slot = try #require(document["slot"] as? [String: Any])
    #expect((slot["lagBytes"] as? Int).map { $0 >= 0 } == true)
  }

  @Test("status names a side that does not answer and shows the other")
  func unreachable() async throws {
    let pair = try await PairUnderTest(Self.schema)
    try await pair.load()
    try pair.targetCluster.psql("ALTER DATABASE \"\(pair.targetName)\" RENAME TO \"\(pair.targetName)_away\"")
    defer {
      _ = try? pair.targetCluster.psql("ALTER DATABASE \"\(pair.targetName)_away\" RENAME TO \"\(pair.targetName)\"")
    }

    let end = try await pair.perform("status")

    #expect(end.status == .exited(4))
    #expect(end.output.contains("target:     cannot connect: "))
    #expect(end.output.contains("slot:       penstock_\(pair.name), confirmed "))
  }

  @Test("reset refuses while an instance runs, then removes what Penstock made, and a new load works")
  func reset() async throws {
    let pair = try await PairUnderTest(Self.schema)
    let run = try pair.start("run")
    try await pair.waitForStream(run)
    let refused = try await pair.perform("reset", ["--yes"])
    #expect(refused.status == .exited(3))
    #expect(refused.errors.contains("pipeline \"\(pair.name)\" is running, "), "\(refused.errors)")
    run.signal(SIGTERM)
    #expect(try await run.wait() == .exited(0))

    try await eventually("the server to notice") {
      try pair.source("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'penstock:\(pair.name)'") == "0"
    }
    let end = try await pair.perform("reset", ["--yes"])

    #expect(end.status == .exited(0), "\(end.errors)")
    #expect(
      end.output == """
        dropped slot penstock_\(pair.name)
        dropped publication penstock_\(pair.name)
        removed the state of pipeline \(pair.name) from the target
        left the rows in public.orders; empty them before the next full load

        """)
    #expect(try pair.source("SELECT count(*) FROM pg_replication_slots WHERE database = current_database()") == "0")
    #expect(try pair.source("SELECT count(*) FROM pg_publication") == "0")
    #expect(try pair.target("SELECT count(*) FROM penstock.pipeline") == "0")
    let again = try await pair.perform("reset", ["--yes"])
    #expect(again.output.hasPrefix("there is no slot"))
    try pair.target("TRUNCATE orders")
    try await pair.load()
    #expect(try await pair.verify().status == .exited(0))
  }

  @Test("reset leaves a slot and a publication that the user made")
  func resetLeaves() async throws {
    let pair = try await PairUnderTest(Self.schema)
    try pair.source(
      """
      CREATE PUBLICATION penstock_\(pair.name) FOR TABLE orders;
      SELECT pg_create_logical_replication_slot('penstock_\(pair.name)', 'pgoutput');
      """)
    try await pair.load()

    let end = try await pair.perform("reset", ["--yes"])

    #expect(end.status == .exited(0))
    #expect(end.output.contains("left slot penstock_\(pair.name), which Penstock did not make"))
    #expect(end.output.contains("left publication penstock_\(pair.name), which Penstock did not make"))
    #expect(try pair.source("SELECT count(*) FROM pg_publication") == "1")
  }

  @Test("check looks at both sides and ends with 1 for an error")
  func check() async throws {
    let pair = try await PairUnderTest(Self.schema)
    let good = try await pair.perform("check")
    #expect(good.status == .exited(0), "\(good.output)\(good.errors)")
    #expect(good.output.contains("0 errors, "))

    try pair.target(
      "CREATE TABLE orders (id bigint, owner text NOT NULL); INSERT INTO orders VALUES (1, 'x')")
    let bad = try await pair.perform("check", ["--json"])
    struct Document: Decodable {
      struct Finding: Decodable {
        var id: String
        var severity: String
        var fix: String
      }
      var ok: Bool
      var findings: [Finding]
    }
    let document = try JSONDecoder().decode(Document.self, from: Data(bad.output.utf8))
    #expect(bad.status == .exited(1))
    #expect(!document.ok)
    let errors = document.findings.filter { $0.severity == "error" }
    #expect(errors.map(\.id) == ["target.columns", "target.columns", "target.key", "target.rows"])

    // The fixes work as they stand.
    for error in errors where error.fix.hasPrefix("ALTER TABLE") {
      try pair.target(String(error.fix.prefix { $0 != ";" }))
    }
    try pair.target("TRUNCATE orders")
    #expect(try await pair.perform("check").status == .exited(0))
    try await pair.load()
    #expect(try await pair.verify().status == .exited(0))
  }

  @Test("check tells a target that refuses us")
  func checkConnection() async throws {
    let pair = try await PairUnderTest(Self.schema, sink: ["connect-timeout: 2s"])
    try pair.targetCluster.psql("ALTER DATABASE \"\(pair.targetName)\" RENAME TO \"\(pair.targetName)_away\"")
    defer {
      _ = try? pair.targetCluster.psql("ALTER DATABASE \"\(pair.targetName)_away\" RENAME TO \"\(pair.targetName)\"")
    }

    let end = try await pair.perform("check")

    #expect(end.status == .exited(1))
    #expect(end.output.contains("[target.connection]"))
  }

  @Test("plan shows tables, chunks and statements, and makes nothing")
  func plan() async throws {
    let pair = try await PairUnderTest(
      """
      CREATE TABLE big (id int PRIMARY KEY, v text);
      INSERT INTO big SELECT i, repeat('x', 100) FROM generate_series(1, 20000) i; ANALYZE big;
      """, pipeline: ["chunk-size: 256KiB"])

    let end = try await pair.perform("plan")

    #expect(end.status == .exited(0), "\(end.errors)")
    #expect(end.output.contains("public.big -> public.big\n  about 20,000 rows, "))
    #expect(end.output.contains(/\n  \d+ chunks of about \d+(\.\d)? KiB, cut by physical position\n/), "\(end.output)")
    #expect(end.output.contains("CREATE TABLE IF NOT EXISTS \"public\".\"big\""))
    #expect(try pair.target("SELECT to_regclass('big') IS NULL AND to_regclass('penstock.pipeline') IS NULL") == "t")
    #expect(try pair.source("SELECT count(*) FROM pg_replication_slots WHERE database = current_database()") == "0")
  }
}
