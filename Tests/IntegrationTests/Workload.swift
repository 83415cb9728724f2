import Foundation
import PenstockTestKit

/// Tables of several kinds and a program that changes them without end.
enum Workload {
  /// Keys of several types, out-of-line values, a table without a key, a partitioned one, unique values that move.
  static let schema = """
    CREATE TABLE plain (id bigint PRIMARY KEY, n int, body text, big text, data bytea);
    ALTER TABLE plain ALTER big SET STORAGE EXTERNAL, ALTER data SET STORAGE EXTERNAL;
    CREATE INDEX plain_n ON plain (n);
    CREATE TABLE pair (a int, b text, v numeric(20,4), u int, PRIMARY KEY (a, b));
    CREATE UNIQUE INDEX pair_u ON pair (u);
    CREATE TABLE ident (id uuid PRIMARY KEY, at timestamptz, doc jsonb);
    CREATE TABLE texts (k text PRIMARY KEY, v int);
    CREATE TABLE bag (n int, t text);
    ALTER TABLE bag REPLICA IDENTITY FULL;
    CREATE TABLE parted (id bigint, region text, v text, PRIMARY KEY (id, region)) PARTITION BY LIST (region);
    CREATE TABLE parted_eu PARTITION OF parted FOR VALUES IN ('eu');
    CREATE TABLE parted_us PARTITION OF parted FOR VALUES IN ('us', 'ca');
    CREATE TABLE emptied (id int PRIMARY KEY, v text);
    CREATE SEQUENCE ids START 1000000;

    CREATE FUNCTION long(n int) RETURNS text LANGUAGE sql VOLATILE AS
      $$ SELECT string_agg(md5(random()::text), '') FROM generate_series(1, n) $$;

    INSERT INTO plain SELECT i, i % 97, md5(i::text), long(90), convert_to(long(80), 'UTF8')
      FROM generate_series(1, 300) i;
    INSERT INTO pair SELECT i % 50, 'b' || i, i * 1.5, i FROM generate_series(1, 1500) i;
    INSERT INTO ident SELECT md5(i::text)::uuid, '2020-01-01'::timestamptz + i * interval '1 minute',
      jsonb_build_object('i', i) FROM generate_series(1, 700) i;
    INSERT INTO texts SELECT 'key ' || i, i FROM generate_series(1, 700) i;
    INSERT INTO bag SELECT i % 20, 't' || i % 7 FROM generate_series(1, 900) i;
    INSERT INTO parted SELECT i, (ARRAY['eu', 'us', 'ca'])[1 + i % 3], md5(i::text) FROM generate_series(1, 900) i;
    INSERT INTO emptied SELECT i, 'e' FROM generate_series(1, 200) i;
    \(churn)
    """

  /// One small random transaction.
  private static let churn = """
    CREATE FUNCTION churn() RETURNS void LANGUAGE plpgsql AS $$
    DECLARE
      p bigint := (SELECT id FROM plain WHERE id >= random() * 1000300 ORDER BY id LIMIT 1);
      q bigint := (SELECT min(id) + floor(random() * 300) FROM plain);
      g int := floor(random() * 1500);
      i uuid := md5(floor(random() * 900)::text)::uuid;
      s text := 'key ' || floor(random() * 900);
    BEGIN
      CASE floor(random() * 18)::int
      WHEN 0 THEN INSERT INTO plain VALUES (nextval('ids'), 1, 'new', long(90), '\\x00');
      WHEN 1 THEN UPDATE plain SET n = n + 1 WHERE id IN (p, q);
      WHEN 2 THEN UPDATE plain SET id = nextval('ids'), body = 'moved' WHERE id = q;
      WHEN 3 THEN UPDATE plain SET big = long(100), body = 'longer' WHERE id = p;
      WHEN 4 THEN DELETE FROM plain WHERE id = p AND random() < 0.5;
      WHEN 5 THEN UPDATE pair SET v = v + 0.0001 WHERE a = g % 50 AND b = 'b' || g;
      WHEN 6 THEN
        INSERT INTO pair VALUES (g % 50, 'b' || g, -1, NULL) ON CONFLICT DO NOTHING;
        UPDATE pair SET b = b || 'x' || nextval('ids') WHERE a = g % 50 AND b = 'b' || g;
      WHEN 7 THEN
        -- Two rows swap their unique values.
        PERFORM pg_advisory_xact_lock(1);
        UPDATE pair SET u = -u WHERE u IN (g, g + 1);
        UPDATE pair SET u = 2 * g + 1 + u WHERE u IN (-g, -g - 1);
      WHEN 8 THEN DELETE FROM pair WHERE u = g AND random() < 0.2;
      WHEN 9 THEN INSERT INTO ident VALUES (i, now(), '{"new": [1, null]}') ON CONFLICT (id) DO UPDATE SET at = now();
      WHEN 10 THEN DELETE FROM ident WHERE id = i;
      WHEN 11 THEN
        DELETE FROM texts WHERE k = s;
        INSERT INTO texts VALUES (s, 0) ON CONFLICT DO NOTHING;
        UPDATE texts SET v = floor(random() * 1000) WHERE k = s;
      WHEN 12 THEN INSERT INTO bag VALUES (g % 20, 't' || g % 7), (g % 20, 't' || g % 7);
      WHEN 13 THEN DELETE FROM bag WHERE ctid = (SELECT ctid FROM bag WHERE n = g % 20 LIMIT 1);
      WHEN 14 THEN UPDATE bag SET t = 'u' || g % 3 WHERE ctid = (SELECT ctid FROM bag WHERE n = g % 20 LIMIT 1);
      WHEN 15 THEN
        UPDATE parted SET region = CASE region WHEN 'eu' THEN 'us' ELSE 'eu' END, v = 'went' WHERE id = g % 900;
      WHEN 16 THEN INSERT INTO parted VALUES (nextval('ids'), 'ca', 'more');
      WHEN 17 THEN
        -- Many unique values change hands in one transaction.
        IF random() < 0.1 THEN
          PERFORM pg_advisory_xact_lock(1);
          UPDATE pair SET u = -u WHERE u BETWEEN 1 AND 80;
          UPDATE pair SET u = 81 + u WHERE u BETWEEN -80 AND -1;
        END IF;
        INSERT INTO emptied VALUES (g, md5(g::text)) ON CONFLICT DO NOTHING;
      END CASE;
    END $$;
    """

  /// Makes pgbench's own tables, of `scale` times 100,000 accounts, and a history without a key.
  static func addAccounts(to database: TestDatabase, scale: Int) async throws {
    let process = try ChildProcess(
      database.cluster.program("pgbench"),
      [
        "-i", "-q", "-s", "\(scale)", "-h", "127.0.0.1", "-p", "\(database.cluster.port)", "-U", "postgres",
        database.name,
      ])
    guard try await process.wait() == .exited(0) else { throw CommandEnded(process) }
    try database.run("ALTER TABLE pgbench_history REPLICA IDENTITY FULL")
  }

  /// Starts changing the tables. The writer's transactions fail only by deadlock, and are then tried again.
  ///
  /// - Parameter scripts: more of pgbench's options for what it runs beside the usual.
  static func start(
    on database: TestDatabase, seed: UInt64, transactionsPerSecond: Int = 120, clients: Int = 2, scripts: [String] = []
  ) throws -> Writer {
    let folder = try temporaryDirectory("writer")
    try Data("SELECT churn();\n".utf8).write(to: URL(fileURLWithPath: folder + "/churn.sql"))
    try Data("TRUNCATE emptied;\n".utf8).write(to: URL(fileURLWithPath: folder + "/truncate.sql"))
    let process = try ChildProcess(
      database.cluster.program("pgbench"),
      [
        "-n", "-f", "\(folder)/churn.sql@150", "-f", "\(folder)/truncate.sql@1", "-c", "\(clients)", "-j", "1", "-T",
        "360000", "-R", "\(transactionsPerSecond)",
        "--max-tries=100", "--random-seed=\(seed % 1_000_000)",
        "-h", "127.0.0.1", "-p", "\(database.cluster.port)", "-U", "postgres",
      ] + scripts + [database.name])
    return Writer(process: process, database: database)
  }
}

/// A running program that changes the source.
struct Writer: Sendable {
  let process: ChildProcess
  let database: TestDatabase

  /// Ends it, and waits until its last transaction has ended.
  func stop() async throws {
    guard process.isRunning else { throw CommandEnded(process) }
    process.kill()
    try await eventually("the writer's sessions to end") {
      try database.number(
        "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'pgbench' AND datname = current_database()")
        == 0
    }
  }
}

/// One table that a test changes a little at a time.
enum SmallTable {
  static let schema =
    "CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t SELECT i, 'x' FROM generate_series(1, 50) i"

  /// Changes it in the pipeline's source a few times a second, for so long.
  static func change(in pipeline: PipelineUnderTest, for time: Duration) async throws {
    let end = ContinuousClock.now + time
    while ContinuousClock.now < end {
      try pipeline.source.run(
        "UPDATE t SET v = v || 'y' WHERE id % 7 = 0; INSERT INTO t SELECT max(id) + 1, 'z' FROM t")
      try await Task.sleep(for: .milliseconds(200))
    }
  }
}
