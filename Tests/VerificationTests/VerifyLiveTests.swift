import Foundation
import PenstockTestKit
import Testing

@Suite("penstock verify while both sides live", .serialized)
struct VerifyLiveTests {
  /// Changes rows all the time: some at random, a few again and again, new ones, deleted ones.
  private static let script = """
    \\set id random(1, 5000)
    \\set hot random(1, 3)
    BEGIN;
    UPDATE accounts SET balance = balance + 1 WHERE id = :id;
    UPDATE counters SET n = n + 1 WHERE id = :hot;
    INSERT INTO log (account) VALUES (:id);
    DELETE FROM log WHERE id = (SELECT min(id) FROM log) AND random() < 0.5;
    COMMIT;
    """

  @Test("rows that change all the time are equal, and one that was touched in the target is still found")
  func writers() async throws {
    let pair = try await PairUnderTest(
      """
      CREATE TABLE accounts (id int PRIMARY KEY, balance bigint, filler char(50));
      INSERT INTO accounts SELECT i, 0, 'x' FROM generate_series(1, 5000) i;
      CREATE TABLE counters (id int PRIMARY KEY, n bigint); INSERT INTO counters VALUES (1, 0), (2, 0), (3, 0);
      CREATE TABLE log (id bigserial PRIMARY KEY, account int);
      """)
    let run = try pair.start("run")
    try await pair.waitForStream(run)
    let script = try temporaryDirectory("script") + "/w.sql"
    try Data(Self.script.utf8).write(to: URL(fileURLWithPath: script))
    let writer = try ChildProcess(
      pair.sourceCluster.program("pgbench"),
      ["-n", "-c", "2", "-R", "150", "-T", "120", "-f", script, pair.sourceCluster.url(database: pair.sourceName)])
    try await eventually("writes") { try pair.source("SELECT count(*) > 50 FROM log") == "t" }

    let equal = try await pair.verify()
    #expect(equal.status == .exited(0), "\(equal.output)\(equal.errors)")
    #expect(writer.isRunning)

    try pair.target("DELETE FROM accounts WHERE id = 17; INSERT INTO accounts VALUES (6001, 0, 'x')")
    let end = try await pair.verify()
    #expect(end.status == .exited(1))
    let named = end.output.matches(of: /\n\ \ public\.(.*)/).map { String($0.1) }
    #expect(named.contains("accounts (id=6001): extra in target"))
    // A writer may have come by and made the row anew.
    #expect(named.allSatisfy { $0.hasPrefix("accounts (id=6001)") || $0.hasPrefix("accounts (id=17)") }, "\(named)")

    writer.kill()
    run.signal(SIGTERM)
    #expect(try await run.wait() == .exited(0), "\(run.standardError)")
  }

  @Test("a row without a key that is on its way is not a difference")
  func bagOnItsWay() async throws {
    let pair = try await PairUnderTest(
      "CREATE TABLE bag (a int); ALTER TABLE bag REPLICA IDENTITY FULL; INSERT INTO bag SELECT generate_series(1, 100)")
    let run = try pair.start("run")
    try await pair.waitForStream(run)
    let writer = try ChildProcess(
      pair.sourceCluster.program("psql"),
      [
        "-q", pair.sourceCluster.url(database: pair.sourceName), "-c",
        """
        DO $$ BEGIN FOR i IN 1..200000 LOOP INSERT INTO bag VALUES (i % 5); COMMIT; PERFORM pg_sleep(0.005); END LOOP;
        END $$
        """,
      ])
    try await eventually("writes") { try pair.source("SELECT count(*) > 120 FROM bag") == "t" }

    let equal = try await pair.verify()

    #expect(equal.status == .exited(0), "\(equal.output)\(equal.errors)")
    writer.kill()
    run.signal(SIGTERM)
    #expect(try await run.wait() == .exited(0), "\(run.standardError)")
  }

  @Test("text keys of a linguistic order are cut into ranges that mean the same on both sides")
  func languages() async throws {
    let pair = try await PairUnderTest(
      """
      CREATE TABLE words (word text, n int, v text, PRIMARY KEY (word, n));
      INSERT INTO words SELECT CASE i % 4 WHEN 0 THEN 'Ä' WHEN 1 THEN 'a' WHEN 2 THEN 'B' ELSE 'ß''' END || md5(i::text),
        i, repeat('v', i % 9) FROM generate_series(1, 60000) i;
      ANALYZE words;
      """, sourceOptions: "LOCALE_PROVIDER icu ICU_LOCALE 'sv-SE' TEMPLATE template0",
      sink: ["parallelism: 30", "max-pool-size: 40"])
    try await pair.load()

    let equal = try await pair.verify()
    #expect(equal.output == "public.words: 60000 rows, equal\nsource and target are equal\n", "\(equal.errors)")

    try pair.target("DELETE FROM words WHERE n % 20000 = 3")
    let end = try await pair.verify()
    #expect(end.output.contains("3 rows differ in 1 table"), "\(end.output)")
    #expect(end.output.contains("n=40003): missing in target"))
  }

  @Test("half a million rows stay within 150 MB, also without a key and with rows of 20 MB")
  func memory() async throws {
    let pair = try await PairUnderTest(
      """
      CREATE TABLE big (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), v text);
      INSERT INTO big (v) SELECT 'v' || i FROM generate_series(1, 300000) i;
      CREATE TABLE bag (a bigint); ALTER TABLE bag REPLICA IDENTITY FULL;
      INSERT INTO bag SELECT generate_series(1, 200000);
      CREATE TABLE wide (id int PRIMARY KEY, v text);
      ALTER TABLE wide ALTER v SET STORAGE EXTERNAL;
      INSERT INTO wide SELECT i, repeat('w', 20000000) FROM generate_series(1, 3) i;
      ANALYZE;
      """)
    try await pair.load()
    try pair.target(
      "DELETE FROM big WHERE v = 'v7'; DELETE FROM bag WHERE a = 9; UPDATE wide SET v = v || 'x' WHERE id = 2")

    let end = try await pair.verify()

    #expect(end.output.contains("3 rows differ in 3 tables"), "\(end.output)\(end.errors)")
    #expect(end.output.contains("public.wide (id=2): differs in column v\n"))
    #expect(end.peakBytes < 150_000_000)
  }
}
