import PenstockTestKit
import Testing

@Suite("A slot is made while the tables change", .queued)
struct SlotTests {
  private static let schema = """
    CREATE TABLE emptied (id int PRIMARY KEY, v text);
    CREATE TABLE other (id int PRIMARY KEY);
    CREATE TABLE step (n int PRIMARY KEY);
    INSERT INTO emptied SELECT i, 'old' FROM generate_series(1, 100) i;
    CREATE PROCEDURE await(wanted int) LANGUAGE plpgsql AS $$
      BEGIN WHILE NOT EXISTS (SELECT FROM step WHERE n = wanted) LOOP PERFORM pg_sleep(0.02); END LOOP; END $$;
    """

  /// PostgreSQL gives transactions that are open at a slot's start a snapshot without a catalog change that was committed
  /// between the two moments at which it lists the running transactions.
  @Test("a TRUNCATE that PostgreSQL would forget leads to another slot, and nothing is lost")
  func truncateWhileMaking() async throws {
    let cluster = try TestCluster.start()
    let pipeline = try await PipelineUnderTest(source: cluster, schema: Self.schema)
    let source = pipeline.source
    let first = try transaction("INSERT INTO other VALUES (1)", until: 1, source)
    try await writers(1, source)
    let process = try pipeline.start(["--exit-when-caught-up"])
    try await slotWaits(for: "INSERT INTO other VALUES (1)%", source)

    let second = try transaction("INSERT INTO other VALUES (2)", until: 2, source)
    try await writers(2, source)
    try source.run("TRUNCATE emptied")
    try source.run("INSERT INTO step VALUES (1)")
    try await slotWaits(for: "INSERT INTO other VALUES (2)%", source)
    let third = try transaction("INSERT INTO emptied VALUES (1000, 'new')", until: 3, source)
    try await writers(2, source)
    try source.run("INSERT INTO step VALUES (2)")

    try await pipeline.wait(for: "truncated or altered while slot \(pipeline.slot) was made", from: process)
    try source.run("INSERT INTO step VALUES (3)")
    for session in [first, second, third] {
      #expect(try await session.wait() == .exited(0), "\(session.standardError)")
    }
    #expect(try await process.wait(timeout: .seconds(60)) == .exited(0), "\(process.standardError)")
    try pipeline.expectEqual()
    #expect(try pipeline.target.run("SELECT count(*), min(v) FROM emptied") == "1|new")
  }

  /// Starts a transaction that writes and then stays open until a row is in `step`.
  private func transaction(_ sql: String, until step: Int, _ database: TestDatabase) throws -> ChildProcess {
    let cluster = database.cluster
    return try ChildProcess(
      cluster.program("psql"),
      ["-XAtqv", "ON_ERROR_STOP=1", "-d", cluster.url(database: database.name), "-c", "\(sql); CALL await(\(step))"])
  }

  /// Waits until as many transactions hold an id.
  private func writers(_ count: Int, _ database: TestDatabase) async throws {
    try await eventually("\(count) writing transactions") {
      try database.number("SELECT count(*) FROM pg_stat_activity WHERE backend_xid IS NOT NULL") == count
    }
  }

  /// Waits until the making of the slot waits for the transaction of that statement.
  private func slotWaits(for statement: String, _ database: TestDatabase) async throws {
    try await eventually("the slot to wait for \(statement)") {
      try database.number(
        """
        SELECT count(*) FROM pg_stat_activity s, pg_stat_activity w WHERE s.query LIKE 'CREATE_REPLICATION_SLOT%'
        AND w.query LIKE '\(statement)' AND w.pid = ANY (pg_blocking_pids(s.pid))
        """) == 1
    }
  }
}
