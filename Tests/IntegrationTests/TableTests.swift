import Foundation
import PenstockTestKit
import Testing

/// Tables that are out of the ordinary, and what happens to them while they are followed.
@Suite("Odd tables and odd changes end equal", .queued)
struct TableTests {
  private static let schema = """
    CREATE SCHEMA "Mixed Case"; CREATE SCHEMA leaves; CREATE SCHEMA sales;
    CREATE TABLE "Mixed Case"."Tab ""le"" ünï" ("select" int, "Ünï col" text, "a.b" text, PRIMARY KEY ("select", "Ünï col"));
    CREATE TABLE empty_one (id int PRIMARY KEY, v text);
    CREATE TABLE one_column (id text PRIMARY KEY);
    CREATE TABLE all_key (a int, b text, c uuid, PRIMARY KEY (c, a, b));
    CREATE TABLE wide (id int PRIMARY KEY, \((1...199).map { "c\($0) int" }.joined(separator: ", ")));
    CREATE TABLE rooted (id int, at date, v text, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
    CREATE TABLE leaves."2020" PARTITION OF rooted FOR VALUES FROM ('2020-01-01') TO ('2021-01-01');
    CREATE TABLE leaves."2021" PARTITION OF rooted FOR VALUES FROM ('2021-01-01') TO ('2022-01-01')
      PARTITION BY HASH (id);
    CREATE TABLE leaves.h0 PARTITION OF leaves."2021" FOR VALUES WITH (modulus 2, remainder 0);
    CREATE TABLE leaves.h1 PARTITION OF leaves."2021" FOR VALUES WITH (modulus 2, remainder 1);
    CREATE TABLE computed (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, n int, twice int GENERATED ALWAYS AS (n * 2) STORED,
      tail text);
    CREATE TABLE dropped (gone int, id int PRIMARY KEY, also_gone text, v text);
    ALTER TABLE dropped DROP gone, DROP also_gone;
    CREATE TABLE by_index (u int NOT NULL, v text); CREATE UNIQUE INDEX by_index_u ON by_index (u);
    ALTER TABLE by_index REPLICA IDENTITY USING INDEX by_index_u;
    CREATE TABLE full_keyed (id int PRIMARY KEY, v text, big text); ALTER TABLE full_keyed REPLICA IDENTITY FULL;
    ALTER TABLE full_keyed ALTER big SET STORAGE EXTERNAL;
    CREATE TABLE huge (id int PRIMARY KEY, t text, b bytea);
    ALTER TABLE huge ALTER t SET STORAGE EXTERNAL, ALTER b SET STORAGE EXTERNAL;
    CREATE TABLE uniques (id int PRIMARY KEY, u int UNIQUE, n text);
    CREATE TABLE keyless (a int, b text); ALTER TABLE keyless REPLICA IDENTITY FULL;
    CREATE TABLE sales.trunc_a (id int PRIMARY KEY, v int); CREATE TABLE sales.trunc_b (id int PRIMARY KEY, v int);
    INSERT INTO "Mixed Case"."Tab ""le"" ünï" SELECT i, 'ключ ' || i, 'x' FROM generate_series(1, 50) i;
    INSERT INTO one_column SELECT 'k' || i FROM generate_series(1, 50) i;
    INSERT INTO all_key SELECT i, 'b', md5(i::text)::uuid FROM generate_series(1, 50) i;
    INSERT INTO wide (id, c1, c199) SELECT i, i, -i FROM generate_series(1, 50) i;
    INSERT INTO rooted SELECT i, '2020-01-01'::date + i * 7, 'r' FROM generate_series(1, 90) i;
    INSERT INTO computed (n, tail) SELECT i, 't' FROM generate_series(1, 50) i;
    INSERT INTO dropped SELECT i, 'd' FROM generate_series(1, 50) i;
    INSERT INTO by_index SELECT i, 'i' FROM generate_series(1, 50) i;
    INSERT INTO full_keyed SELECT i, 'f', repeat('f', 5000) FROM generate_series(1, 20) i;
    INSERT INTO huge SELECT i, repeat(md5(i::text), 25000), decode(repeat(md5(i::text), 12000), 'hex')
      FROM generate_series(1, 5) i;
    INSERT INTO uniques SELECT i, i, 'u' FROM generate_series(1, 100) i;
    INSERT INTO keyless SELECT i % 5, CASE WHEN i % 2 = 0 THEN 'b' END FROM generate_series(1, 40) i;
    INSERT INTO sales.trunc_a SELECT i, i FROM generate_series(1, 50) i; INSERT INTO sales.trunc_b TABLE sales.trunc_a;
    """

  private static let changes = """
    INSERT INTO "Mixed Case"."Tab ""le"" ünï" VALUES (100, '', NULL), (101, ' ', '');
    UPDATE "Mixed Case"."Tab ""le"" ünï" SET "a.b" = 'new' WHERE "select" < 5;
    UPDATE "Mixed Case"."Tab ""le"" ünï" SET "Ünï col" = 'moved' WHERE "select" = 7;
    DELETE FROM "Mixed Case"."Tab ""le"" ünï" WHERE "select" = 9;
    INSERT INTO empty_one VALUES (1, ''), (2, NULL); DELETE FROM empty_one WHERE id = 1;
    INSERT INTO one_column VALUES (''), ('new'); UPDATE one_column SET id = 'moved' WHERE id = 'k1';
    DELETE FROM one_column WHERE id = 'k2';
    UPDATE all_key SET b = 'c' WHERE a < 10; DELETE FROM all_key WHERE a = 20; UPDATE all_key SET a = a + 100;
    UPDATE wide SET c100 = id WHERE id < 20; INSERT INTO wide (id) VALUES (1000);
    UPDATE rooted SET v = 'up' WHERE id < 20; UPDATE rooted SET at = at + 365 WHERE at < '2020-06-01';
    DELETE FROM rooted WHERE id = 80; INSERT INTO rooted VALUES (500, '2021-12-31', 'new');
    UPDATE computed SET n = n + 1 WHERE id < 10; INSERT INTO computed (n) VALUES (7); DELETE FROM computed WHERE id = 20;
    UPDATE dropped SET v = NULL WHERE id < 5; INSERT INTO dropped VALUES (1000, 'n'); DELETE FROM dropped WHERE id = 9;
    UPDATE by_index SET v = 'new' WHERE u < 5; UPDATE by_index SET u = u + 1000 WHERE u > 45; DELETE FROM by_index WHERE u = 30;
    UPDATE full_keyed SET v = 'g'; UPDATE full_keyed SET id = id + 100 WHERE id < 5; DELETE FROM full_keyed WHERE id = 9;
    UPDATE huge SET t = t || 'x' WHERE id = 1; UPDATE huge SET b = b || '\\x00' WHERE id = 2; UPDATE huge SET id = 50 WHERE id = 3;
    BEGIN; COMMIT;
    BEGIN; SAVEPOINT s; INSERT INTO empty_one VALUES (77, 'undone'); ROLLBACK TO s; COMMIT;
    BEGIN; INSERT INTO empty_one VALUES (78, 'undone'); ROLLBACK;
    -- Unique values swap, and move along a chain.
    BEGIN; UPDATE uniques SET u = NULL WHERE id = 1; UPDATE uniques SET u = 1 WHERE id = 2;
    UPDATE uniques SET u = 2 WHERE id = 1; COMMIT;
    BEGIN; DELETE FROM uniques WHERE id = 50; UPDATE uniques SET u = 50 WHERE id = 49;
    UPDATE uniques SET u = 49 WHERE id = 48; INSERT INTO uniques VALUES (50, 48, 'again'); COMMIT;
    -- Keys swap, and move along a chain.
    BEGIN; UPDATE uniques SET id = -1 WHERE id = 10; UPDATE uniques SET id = 10 WHERE id = 11;
    UPDATE uniques SET id = 11 WHERE id = -1; COMMIT;
    UPDATE uniques SET id = 204 WHERE id = 23; UPDATE uniques SET id = 23 WHERE id = 22; UPDATE uniques SET id = 22 WHERE id = 21;
    UPDATE uniques SET id = id + 1000 WHERE id BETWEEN 60 AND 80;
    BEGIN; DELETE FROM uniques WHERE id = 30; INSERT INTO uniques VALUES (30, 30, 'i'); UPDATE uniques SET n = 'iu' WHERE id = 30;
    DELETE FROM uniques WHERE id = 30; INSERT INTO uniques VALUES (30, NULL, 'last'); COMMIT;
    INSERT INTO keyless VALUES (1, NULL), (1, NULL), (9, 'b'); DELETE FROM keyless WHERE a = 2 AND b = 'b';
    DELETE FROM keyless WHERE ctid = (SELECT min(ctid) FROM keyless WHERE a = 1); UPDATE keyless SET b = 'n' WHERE a = 3;
    -- TRUNCATE between other changes, of one table and of several.
    INSERT INTO sales.trunc_a VALUES (1000, 1); TRUNCATE sales.trunc_a; INSERT INTO sales.trunc_a VALUES (1001, 2);
    BEGIN; INSERT INTO sales.trunc_b VALUES (2000, 1); TRUNCATE sales.trunc_a, sales.trunc_b;
    INSERT INTO sales.trunc_a VALUES (1, 1); INSERT INTO sales.trunc_b VALUES (1, 2); COMMIT;
    UPDATE sales.trunc_a SET v = 9;
    """

  @Test("loaded and followed", arguments: SinkUnderTest.allCases)
  func oddTables(sink: SinkUnderTest) async throws {
    let pipeline = try await PipelineUnderTest(
      sink, schema: Self.schema, settings: ExtraSettings(sink: ["parallelism: 8", "flush-interval: 100ms"]))
    let process = try pipeline.start()
    try await pipeline.wait(for: "streaming", from: process)
    try pipeline.expectEqual()

    try pipeline.source.run(Self.changes)
    process.signal(SIGTERM)
    try await process.wait()
    try await pipeline.runToEnd()
    try pipeline.expectEqual()
  }

  @Test("a table without a key is refused by its name, unless its identity is full")
  func keyless() async throws {
    let pipeline = try await PipelineUnderTest(
      schema: "CREATE TABLE no_key (n int); INSERT INTO no_key VALUES (1), (1)")

    let refused = try pipeline.start()
    #expect(try await refused.wait() == .exited(3))
    #expect(refused.standardError.contains("public.no_key"))

    try pipeline.source.run("ALTER TABLE no_key REPLICA IDENTITY FULL")
    try await pipeline.runToEnd()
    try pipeline.expectEqual()
  }

  @Test("a transaction of 300,000 rows", arguments: [("postgres", 300_000), ("dsql", 30_000)])
  func largeTransaction(sink: String, rows: Int) async throws {
    let pipeline = try await PipelineUnderTest(
      SinkUnderTest(rawValue: sink)!, schema: "CREATE TABLE t (id int PRIMARY KEY, v text)")
    try await pipeline.runToEnd()
    try pipeline.source.run(
      """
      BEGIN; INSERT INTO t SELECT i, md5(i::text) FROM generate_series(1, \(rows)) i;
      UPDATE t SET v = 'changed' WHERE id % 10 = 0; DELETE FROM t WHERE id % 7 = 0; COMMIT;
      """)

    let process = try await pipeline.runToEnd(timeout: .seconds(120))

    try pipeline.expectEqual()
    #expect(process.peakResidentBytes < 250 << 20)
  }

  @Test("a unique value that is handed on and on arrives in order", arguments: SinkUnderTest.allCases)
  func hotUniqueValue(sink: SinkUnderTest) async throws {
    let pipeline = try await PipelineUnderTest(
      sink, schema: "CREATE TABLE t (id int PRIMARY KEY, u text UNIQUE); INSERT INTO t SELECT generate_series(1, 20)",
      settings: ExtraSettings(sink: ["parallelism: 8", "batch-size: 10", "flush-interval: 50ms"]))
    let process = try pipeline.start()
    try await pipeline.wait(for: "streaming", from: process)

    let moves = (0..<600).map { move in
      "BEGIN; UPDATE t SET u = NULL WHERE id = \(1 + move % 20); UPDATE t SET u = 'the one' WHERE id = \(1 + (move + 1) % 20); COMMIT;"
    }
    try pipeline.source.run("UPDATE t SET u = 'the one' WHERE id = 1;" + moves.joined())

    try await pipeline.becomesEqual(by: process)
    process.signal(SIGTERM)
    #expect(try await process.wait() == .exited(0), "\(process.standardError)")
  }
}
