import Foundation
import PenstockTestKit
import Testing

@Suite("What can't work is refused with a reason, and nothing is created", .queued)
struct RefusalTests {
  /// A change to a working pipeline that makes it fail.
  struct Fault: Sendable, CustomTestStringConvertible {
    var name: String
    var exitCode: Int32
    var message: String
    /// Text of the configuration and what stands in its place.
    var changing: [String: String] = [:]
    var schema = ""
    var sink: SinkUnderTest = .postgres
    var environment: [String: String] = [:]

    var testDescription: String { name }
  }

  private static let faults: [Fault] = [
    Fault(
      name: "unknown source database", exitCode: 3, message: "database \"nowhere\" does not exist",
      changing: ["database-name: ": "database-name: nowhere #"]),
    Fault(
      name: "unknown source user", exitCode: 3, message: "role \"nobody_here\" does not exist",
      changing: ["  username: postgres\n  tables": "  username: nobody_here\n  tables"]),
    Fault(
      name: "wrong source port", exitCode: 3, message: "Connection refused",
      changing: ["hostname: 127.0.0.1\n  port: ": "hostname: 127.0.0.1\n  port: 1 #"]),
    Fault(
      name: "unknown source host", exitCode: 3, message: "could not translate host name",
      changing: ["hostname: 127.0.0.1": "hostname: no.such.host.invalid"]),
    Fault(
      name: "unknown sink database", exitCode: 4, message: "database \"nowhere\" does not exist",
      changing: ["  database: ": "  database: nowhere #"]),
    Fault(
      name: "no server name in the handshake", exitCode: 4, message: "sni was not received",
      changing: ["host: localhost": "host: 127.0.0.1"], sink: .dsql),
    Fault(
      name: "another secret key", exitCode: 4, message: "access denied", sink: .dsql,
      environment: ["AWS_SECRET_ACCESS_KEY": "d3Jvbmc="]),
    Fault(
      name: "no such table", exitCode: 3, message: "no table matches source.tables",
      changing: ["tables: [\"*.*\"]": "tables: [public.missing]"]),
    Fault(
      name: "no replication privilege", exitCode: 3, message: "it may not open a replication connection",
      changing: ["  username: postgres\n  tables": "  username: plain_reader\n  tables"],
      schema: """
        DO $$ BEGIN CREATE ROLE plain_reader LOGIN; EXCEPTION WHEN duplicate_object OR unique_violation THEN END $$;
        GRANT SELECT ON ALL TABLES IN SCHEMA public TO plain_reader;
        """),
    Fault(
      name: "a table without a key", exitCode: 3, message: "public.keyless",
      schema: "CREATE TABLE keyless (n int);"),
    Fault(
      name: "an unlogged table", exitCode: 3, message: "unlogged",
      schema: "CREATE UNLOGGED TABLE u (n int PRIMARY KEY);"),
    Fault(
      name: "a row filter in the publication", exitCode: 3, message: "publication.filter",
      changing: ["  database-name": "  publication-name: mine\n  database-name"],
      schema: "CREATE PUBLICATION mine FOR TABLE t WHERE (id > 5);"),
    Fault(
      name: "a misspelt setting", exitCode: 2, message: "did you mean", changing: ["sink:": "sink:\n  paralelism: 3"]),
  ]

  @Test("the exit code names the side", arguments: faults)
  func refusal(fault: Fault) async throws {
    let pipeline = try await PipelineUnderTest(
      fault.sink, schema: "CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1);" + fault.schema,
      settings: ExtraSettings(sink: ["retry: { initial-delay: 10ms, max-delay: 20ms, max-elapsed: 300ms }"]))

    let process = try pipeline.start(environment: fault.environment, changing: fault.changing)
    let status = try await process.wait(timeout: .seconds(120))

    #expect(status == .exited(fault.exitCode), "\(process.standardError)")
    #expect(process.standardError.contains(fault.message), "\(process.standardError)")
    try expectNothingMade(pipeline)
  }

  private func expectNothingMade(_ pipeline: PipelineUnderTest) throws {
    #expect(
      try pipeline.target.number(
        """
        SELECT count(*) FROM pg_class WHERE relkind = 'r' AND relnamespace::regnamespace::text
        NOT IN ('pg_catalog', 'information_schema', 'sys')
        """) == 0)
    #expect(
      try pipeline.source.number(
        "SELECT count(*) FROM pg_publication WHERE pubname LIKE 'penstock%'") == 0)
    #expect(
      try pipeline.source.number(
        "SELECT count(*) FROM pg_replication_slots WHERE slot_name = '\(pipeline.slot)'") == 0)
  }

  @Test("a source that does not log for replication is refused")
  func walLevel() async throws {
    let pipeline = try await PipelineUnderTest(
      source: try TestCluster.start(settings: ["wal_level": "replica"]), schema: "CREATE TABLE t (id int PRIMARY KEY)")

    let process = try pipeline.start()

    #expect(try await process.wait() == .exited(3), "\(process.standardError)")
    #expect(process.standardError.contains("wal_level: it is replica; following changes needs logical"))
    try expectNothingMade(pipeline)
  }

  @Test("a wrong password is not waited for")
  func password() async throws {
    let cluster = try TestCluster.start()
    let rules = cluster.directory + "/data/pg_hba.conf"
    let trust = try String(contentsOfFile: rules, encoding: .utf8)
    try cluster.psql("CREATE ROLE guarded LOGIN REPLICATION PASSWORD 'right'")
    let file = try FileHandle(forWritingTo: URL(fileURLWithPath: rules))
    try file.write(contentsOf: Data(("host all guarded 127.0.0.1/32 scram-sha-256\n" + trust).utf8))
    try cluster.psql("SELECT pg_reload_conf()")
    let pipeline = try await PipelineUnderTest(
      source: cluster, schema: "CREATE TABLE t (id int PRIMARY KEY)",
      settings: ExtraSettings(source: ["password: not-it"], sourceUser: "guarded"))

    let process = try pipeline.start()

    #expect(try await process.wait() == .exited(3), "\(process.standardError)")
    #expect(process.standardError.contains("password authentication failed for user \"guarded\""))
    #expect(!process.standardError.contains("not-it"))
    try expectNothingMade(pipeline)
  }

  // MARK: Slots

  private let table = "CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1);"

  @Test("a slot that is gone stops the run")
  func slotGone() async throws {
    let pipeline = try await PipelineUnderTest(schema: table)
    try await pipeline.runToEnd()
    try pipeline.source.run("SELECT pg_drop_replication_slot('\(pipeline.slot)')")

    let process = try pipeline.start()

    #expect(try await process.wait() == .exited(3), "\(process.standardError)")
    #expect(process.standardError.contains("slot \"\(pipeline.slot)\" is gone"))
    #expect(process.standardError.contains("penstock reset"))
  }

  @Test("a slot whose log is removed stops the run")
  func slotLost() async throws {
    let pipeline = try await PipelineUnderTest(
      source: try TestCluster.start(
        settings: ["max_slot_wal_keep_size": "1MB", "max_wal_size": "32MB", "min_wal_size": "32MB"]), schema: table,
      settings: ExtraSettings(tables: "[public.t]"))
    try await pipeline.runToEnd()
    try pipeline.source.run("CREATE TABLE filler (t text)")
    for _ in 0..<4 { try pipeline.source.run("INSERT INTO filler VALUES ('x'); SELECT pg_switch_wal(); CHECKPOINT;") }

    let process = try pipeline.start()

    #expect(try await process.wait() == .exited(3), "\(process.standardError)")
    #expect(process.standardError.contains("slot \"\(pipeline.slot)\" is lost"))
  }

  @Test("a slot that another program reads is left to it")
  func slotInUse() async throws {
    let settings = ExtraSettings(sink: ["retry: { initial-delay: 10ms, max-delay: 50ms, max-elapsed: 500ms }"])
    let pipeline = try await PipelineUnderTest(schema: table, settings: settings)
    try await pipeline.runToEnd()
    let other = try ChildProcess(
      pipeline.source.cluster.program("pg_recvlogical"),
      [
        "-h", "127.0.0.1", "-p", "\(pipeline.source.cluster.port)", "-U", "postgres", "-d", pipeline.source.name, "-S",
        pipeline.slot, "--start", "-f", "-", "-o", "proto_version=1", "-o", "publication_names=\(pipeline.slot)",
      ])
    try await eventually("the other program to read") {
      try pipeline.source.number(
        "SELECT count(*) FROM pg_replication_slots WHERE slot_name = '\(pipeline.slot)' AND active") == 1
    }

    let process = try pipeline.start()

    #expect(try await process.wait() == .exited(3), "\(process.standardError)")
    #expect(process.standardError.contains("which is no Penstock of this pipeline"))
    #expect(other.isRunning)
    other.kill()
  }

  @Test("a publication that leaves out a column later on ends the pipeline at once, and no value is lost")
  func columnList() async throws {
    let pipeline = try await PipelineUnderTest(
      schema: """
        CREATE TABLE t (id int PRIMARY KEY, a text, b text); INSERT INTO t VALUES (1, 'a', 'b');
        CREATE PUBLICATION mine FOR TABLE t;
        """, settings: ExtraSettings(source: ["publication-name: mine"]))
    let process = try pipeline.start()
    try await pipeline.wait(for: "streaming", from: process)

    try pipeline.source.run("ALTER PUBLICATION mine SET TABLE t (id, a)")
    try pipeline.source.run(
      "INSERT INTO t VALUES (2, 'a', 'b'); UPDATE t SET b = 'c' WHERE id = 1; DELETE FROM t WHERE false")
    #expect(try await process.wait(timeout: .seconds(120)) == .exited(3))
    #expect(process.standardError.contains("leaves out rows or columns of table public.t"))
    #expect(try pipeline.target.number("SELECT count(*) FROM t WHERE b IS NULL") == 0)

    try pipeline.source.run("ALTER PUBLICATION mine SET TABLE t; UPDATE t SET a = 'd' WHERE id = 1")
    try await pipeline.runToEnd()
    #expect(
      try pipeline.target.run("SELECT * FROM t ORDER BY id") == pipeline.source.run("SELECT * FROM t ORDER BY id"))
  }

  @Test(
    "a column that was added while nothing ran has its value in older rows: without a key, NULL is not put in its place",
    arguments: [
      ("ADD c int", 0), ("ADD c int DEFAULT 7", 3), ("ADD c int DEFAULT 7, ALTER c DROP DEFAULT", 3),
      ("ADD c int DEFAULT random() * 100", 3),
    ])
  func addedColumn(change: String, exitCode: Int32) async throws {
    let pipeline = try await PipelineUnderTest(
      schema: "CREATE TABLE b (n int); ALTER TABLE b REPLICA IDENTITY FULL; INSERT INTO b VALUES (0)")
    try await pipeline.runToEnd()
    try pipeline.source.run("INSERT INTO b SELECT generate_series(1, 5)")
    for part in change.split(separator: ", ") {
      try pipeline.source.run("ALTER TABLE b \(part)")
      try pipeline.target.run("ALTER TABLE b \(part)")
    }
    try pipeline.source.run("INSERT INTO b VALUES (6, 6)")

    let process = try pipeline.start(["--exit-when-caught-up"])

    #expect(try await process.wait() == .exited(exitCode), "\(process.standardError)")
    if exitCode == 0 {
      try pipeline.expectEqual()
    } else {
      #expect(process.standardError.contains("do not tell what the rows hold there now"))
      #expect(try pipeline.target.number("SELECT count(*) FROM b") == 1)
    }
  }
}
