import Foundation
import PenstockTestKit
import Testing

/// Tables whose rows are transformed on their way: load, changes and comparison.
@Suite("Transformed tables", .queued)
struct TransformTests {
  private static let schema = """
    CREATE TABLE users (id bigint PRIMARY KEY, email text, phone text, ssn text, balance numeric(38,10),
      created_at timestamptz, active boolean, settings jsonb, deleted_at timestamptz, ratio float8);
    ALTER TABLE users REPLICA IDENTITY FULL; CREATE INDEX users_created ON users (created_at);
    CREATE INDEX users_email ON users (lower(email));
    CREATE TABLE mails (game int, mail int, score int, PRIMARY KEY (game, mail));
    CREATE TABLE events (kind int, v int, note text); ALTER TABLE events REPLICA IDENTITY FULL;
    CREATE TABLE plain (id int PRIMARY KEY, v text, at timestamp DEFAULT '2024-01-01 10:00:00');
    INSERT INTO users SELECT i, 'User' || i || '@Example.ORG', '555-' || i, 'ssn-' || i,
        12345678901234567890.0123456789 + i, '2024-01-01'::timestamptz + i * interval '1 hour', i % 2 = 0,
        jsonb_build_object('theme', 'dark' || i), CASE WHEN i % 4 = 0 THEN now() END, 1.0 / i
      FROM generate_series(1, 400) i;
    INSERT INTO mails SELECT i % 20, i, i - 50 FROM generate_series(1, 200) i;
    INSERT INTO events SELECT i % 5, i % 7, 'n' FROM generate_series(1, 200) i;
    INSERT INTO plain SELECT i, 'p' || i FROM generate_series(1, 50) i;
    """

  private static let rules = [
    "transform:",
    "  - source-table: public.users",
    "    projection: |",
    "      id AS user_id, lower(email) AS email, '***' AS phone, hmac_sha256(ssn, 'key') AS ssn_token, balance,",
    "      created_at, active, settings ->> '$.theme' AS theme, length(email) AS n, NOT active AS idle,",
    "      ratio * 3 AS triple, date(created_at) AS day",
    "    filter: deleted_at IS NULL",
    "    columns: { n: bigint, idle: boolean, triple: double precision, day: date }",
    "  - source-table: public.mails",
    "    projection: game || '#' || mail AS pk, score",
    "    filter: score >= 0",
    "  - source-table: public.events",
    "    projection: kind, v * 2 AS twice",
    "    filter: kind <> 3",
    "    columns: { twice: integer }",
  ]

  /// For each table what the target must hold, as a query on the source, and a query on the target.
  private static let expectations = [
    (
      """
      SELECT id, lower(email), '***', balance, created_at, active, settings->>'theme', length(email), NOT active,
        ratio * 3, created_at::date FROM users WHERE deleted_at IS NULL ORDER BY 1
      """,
      """
      SELECT user_id, email, phone, balance, created_at, active, theme, n, idle, triple, day FROM users ORDER BY 1
      """
    ),
    (
      "SELECT game || '#' || mail, score FROM mails WHERE score >= 0 ORDER BY (game || '#' || mail) COLLATE \"C\"",
      "SELECT pk, score FROM mails ORDER BY pk COLLATE \"C\""
    ),
    (
      "SELECT kind, v * 2 FROM events WHERE kind <> 3 ORDER BY 1, 2", "SELECT kind, twice FROM events ORDER BY 1, 2"
    ),
    ("SELECT * FROM plain ORDER BY 1", "SELECT * FROM plain ORDER BY 1"),
  ]

  private static let changes = """
    INSERT INTO users VALUES (1000, 'NEW@X', '1', 'Ann@Example.org', 0, '2024-02-29', true, '{"theme":"new"}', NULL, 1e15),
      (1001, 'gone@x', '1', 's', 0, '2024-02-29', true, '{}', now(), 2);
    UPDATE users SET settings = jsonb_build_object('theme', 'big', 'pad',
      (SELECT string_agg(md5(i::text), '') FROM generate_series(1, 4000) i)) WHERE id = 5;
    UPDATE users SET email = 'Kept@Large' WHERE id = 5;
    UPDATE users SET deleted_at = now() WHERE id IN (1, 2, 3);
    UPDATE users SET deleted_at = NULL WHERE id IN (4, 8);
    UPDATE users SET id = id + 5000 WHERE id IN (9, 10, 12);
    UPDATE users SET id = id + 5000, deleted_at = now() WHERE id = 11;
    DELETE FROM users WHERE id IN (13, 14, 16);
    UPDATE mails SET score = score - 60 WHERE mail > 100; UPDATE mails SET score = 7 WHERE mail < 20;
    UPDATE mails SET mail = mail + 1000 WHERE mail % 10 = 0; DELETE FROM mails WHERE mail % 10 = 1;
    INSERT INTO events SELECT i % 5, 100, 'n' FROM generate_series(1, 20) i; DELETE FROM events WHERE v = 2;
    UPDATE events SET kind = 3 WHERE v = 4; UPDATE events SET kind = 1 WHERE kind = 3 AND v = 5;
    UPDATE plain SET v = 'changed' WHERE id < 10;
    """

  private func expectTransformed(_ pipeline: PipelineUnderTest, sourceLocation: SourceLocation = #_sourceLocation)
    throws
  {
    for (source, target) in Self.expectations {
      let set = "SET timezone = 'UTC'; "
      #expect(
        try pipeline.target.run(set + target) == pipeline.source.run(set + source), sourceLocation: sourceLocation)
    }
  }

  @Test("the load and the changes end with the same expressions of the source", arguments: SinkUnderTest.allCases)
  func loadAndChanges(sink: SinkUnderTest) async throws {
    let pipeline = try await PipelineUnderTest(
      sink, schema: Self.schema, settings: ExtraSettings(root: Self.rules, tables: "[\"public.*\"]"))

    try await pipeline.runToEnd()
    try expectTransformed(pipeline)
    try pipeline.source.run(Self.changes)
    try await pipeline.runToEnd()
    try expectTransformed(pipeline)
    #expect(
      try pipeline.target.run("SELECT ssn_token FROM users WHERE user_id = 1000")
        == "d2f6d57ea6023492e61962757c335fe97d3e0d17d4808cc979f8be9a386f1d05")

    let equal = try await pipeline.command("verify FILE")
    #expect(equal.status == .exited(0), "\(equal.standardOutput) \(equal.standardError)")
  }

  @Test("verify finds rows that are not what the transform makes")
  func verify() async throws {
    let pipeline = try await PipelineUnderTest(
      schema: Self.schema, settings: ExtraSettings(root: Self.rules, tables: "[\"public.*\"]"))
    try await pipeline.runToEnd()
    try pipeline.target.run(
      """
      UPDATE users SET email = 'User21@Example.ORG' WHERE user_id = 21; DELETE FROM users WHERE user_id = 22;
      UPDATE mails SET score = 1000000 WHERE pk = '0#60'; INSERT INTO events VALUES (3, 2);
      """)

    let found = try await pipeline.command("verify FILE")

    #expect(found.status == .exited(1), "\(found.standardError)")
    #expect(found.standardOutput.contains("(user_id='21'): differs in column email"), "\(found.standardOutput)")
    #expect(found.standardOutput.contains("(user_id='22'): missing in target"))
    #expect(found.standardOutput.contains("public.mails"))
  }

  @Test("plan shows the table that comes of a transform, and which indexes stay behind")
  func plan() async throws {
    let pipeline = try await PipelineUnderTest(
      schema: Self.schema, settings: ExtraSettings(root: Self.rules, tables: "[\"public.*\"]"))

    let plan = try await pipeline.command("plan FILE").standardOutput

    for text in [
      "only rows with: deleted_at IS NULL", "computed: lower(email) AS email", "key: user_id", "key: pk",
      "\"n\" bigint", "index users_email is not created", "users_created",
    ] { #expect(plan.contains(text), "\(text) is not in \(plan)") }
  }

  @Test(
    "a transform that can't be is refused before anything is done",
    arguments: [
      (["projection: id, lowr(email) AS e"], "no such function: lowr", 2),
      (["projection: email"], "leaves out key column \"id\"", 2),
      (["filter: deletd_at IS NULL"], "Did you mean deleted_at?", 2),
      (["projection: id, n + 1 AS m", "columns: { m: money }"], "\"money\" is no type of a computed column", 2),
      (["projection: id, email"], "REPLICA IDENTITY FULL", 3),
      (["projection: id * 1.5 AS id", "columns: { id: double precision }"], "key column \"id\"", 2),
    ] as [([String], String, Int32)])
  func refusals(rule: [String], message: String, code: Int32) async throws {
    let lines = ["transform:", "  - source-table: public.users"] + rule.map { "    " + $0 }
    let pipeline = try await PipelineUnderTest(
      schema: "CREATE TABLE users (id int PRIMARY KEY, email text, n int, deleted_at date)",
      settings: ExtraSettings(root: lines))

    for command in ["check FILE", "plan FILE", "run FILE"] {
      let process = try await pipeline.command(command)
      #expect(process.status == .exited(code), "\(command): \(process.standardError)")
      #expect(process.standardError.contains(message), "\(command): \(process.standardError)")
    }
    #expect(try pipeline.target.number("SELECT count(*) FROM pg_namespace WHERE nspname = 'penstock'") == 0)
  }

  @Test("a row that can't be computed stops the pipeline with its key and column until the expression covers it")
  func failingRow() async throws {
    let rule = [
      "transform:", "  - source-table: public.docs", "    projection: id, json_extract(doc, '$.a') AS a",
    ]
    let pipeline = try await PipelineUnderTest(
      schema: """
        CREATE TABLE docs (id int PRIMARY KEY, doc text); ALTER TABLE docs REPLICA IDENTITY FULL;
        INSERT INTO docs VALUES (1, '{"a":"x"}');
        """, settings: ExtraSettings(root: rule))
    try await pipeline.runToEnd()
    try pipeline.source.run("INSERT INTO docs VALUES (2, 'a secret')")

    let process = try pipeline.start(["--exit-when-caught-up"])

    #expect(try await process.wait(timeout: .seconds(120)) == .exited(3))
    #expect(process.standardError.contains("column \"a\" can't be computed: malformed JSON"))
    #expect(process.standardError.contains(#"public.docs, key {"id":"2"}"#))
    #expect(!process.standardError.contains("secret"))

    try await pipeline.runToEnd(
      changing: ["json_extract(doc, '$.a')": "CASE WHEN json_valid(doc) THEN json_extract(doc, '$.a') END"])
    #expect(try pipeline.target.run("SELECT id, a FROM docs ORDER BY 1") == "1|x\n2|")
  }

  @Test(
    "or is parked by its key, in the load and in the stream, and can't be replayed", arguments: SinkUnderTest.allCases)
  func parkedRow(sink: SinkUnderTest) async throws {
    let rule = [
      "transform:", "  - source-table: public.docs", "    projection: id, json_extract(doc, '$.a') AS a",
    ]
    let pipeline = try await PipelineUnderTest(
      sink,
      schema: """
        CREATE TABLE docs (id int PRIMARY KEY, doc text); ALTER TABLE docs REPLICA IDENTITY FULL;
        INSERT INTO docs VALUES (1, '{"a":"x"}'), (2, 'a secret'), (3, '{"a":"z"}');
        """, settings: ExtraSettings(sink: ["on-error: dead-letter"], root: rule))
    try await pipeline.runToEnd()
    try pipeline.source.run(
      "INSERT INTO docs VALUES (4, 'a secret'), (5, '{}'); UPDATE docs SET doc = '{' WHERE id = 3")
    let process = try await pipeline.runToEnd()

    #expect(try pipeline.target.run("SELECT id, a FROM docs ORDER BY 1") == "1|x\n3|z\n5|")
    let letters = try pipeline.target.run("SELECT key_values, reason FROM penstock.dead_letter ORDER BY 1")
    for id in ["2", "3", "4"] {
      #expect(letters.contains(#"{"id":"\#(id)"}|column "a" can't be computed"#), "\(letters)")
    }
    #expect(!process.standardError.contains("secret") && !letters.contains("secret"))
    let replay = try await pipeline.command("dlq replay FILE --all")
    #expect(replay.status == .exited(1))
    #expect(replay.standardError.contains("its transform could not make its row"), "\(replay.standardError)")

    try pipeline.source.run("UPDATE docs SET doc = '{\"a\":\"mended\"}' WHERE id = 4")
    try await pipeline.runToEnd()
    #expect(try pipeline.target.run("SELECT a FROM docs WHERE id = 4") == "mended")
    #expect(try pipeline.target.number("SELECT count(*) FROM penstock.dead_letter WHERE state = 'parked'") == 2)
  }
}
