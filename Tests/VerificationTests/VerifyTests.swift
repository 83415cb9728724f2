import Foundation
import PenstockTestKit
import Testing

@Suite("penstock verify", .serialized)
struct VerifyTests {
  private static let notRunning =
    "changes on their way may be among these: the pipeline is not running: nobody reads slot"

  @Test("missing, extra and different rows are named by composite, mixed-case keys, with the columns that differ")
  func named() async throws {
    let pair = try await PairUnderTest(
      """
      CREATE SCHEMA "Odd";
      CREATE TABLE "Odd"."Orders" ("Region" text, id bigint, "Note" text, amount numeric(12,2), at timestamptz,
        PRIMARY KEY (id, "Region"));
      INSERT INTO "Odd"."Orders" SELECT r, i, 'n' || i, i * 1.5, '2024-01-01Z'::timestamptz + i * interval '1 s'
        FROM generate_series(1, 200) i, unnest(ARRAY['eu', 'o''brien']) r;
      CREATE TABLE plain (id int PRIMARY KEY, v text);
      INSERT INTO plain SELECT i, i FROM generate_series(1, 10) i;
      """)
    try await pair.load()
    let equal = try await pair.verify()
    #expect(equal.status == .exited(0))
    #expect(
      equal.output == "Odd.Orders: 400 rows, equal\npublic.plain: 10 rows, equal\nsource and target are equal\n")

    // The source's log moves on, which nobody reads now.
    try pair.source("SELECT pg_logical_emit_message(false, 'test', 'x')")
    try pair.target(
      """
      DELETE FROM "Odd"."Orders" WHERE id = 7 AND "Region" = 'o''brien';
      UPDATE "Odd"."Orders" SET "Note" = NULL, amount = amount + 0.01 WHERE id = 9 AND "Region" = 'eu';
      INSERT INTO "Odd"."Orders" VALUES ('us', 3, 'x', 1, now());
      UPDATE "Odd"."Orders" SET at = at + interval '1 us' WHERE id = 10 AND "Region" = 'eu';
      """)
    let end = try await pair.verify()

    #expect(end.status == .exited(1))
    #expect(
      end.output == """
        Odd.Orders: 400 rows, 4 differ
          Odd.Orders (id=3, Region='us'): extra in target
          Odd.Orders (id=7, Region='o'brien'): missing in target
          Odd.Orders (id=9, Region='eu'): differs in columns Note, amount
          Odd.Orders (id=10, Region='eu'): differs in column at
        public.plain: 10 rows, equal
        \(Self.notRunning) penstock_\(pair.name)
        4 rows differ in 1 table

        """)
    #expect(!end.output.contains("n9"))
  }

  @Test("the same as one JSON document")
  func json() async throws {
    struct Document: Decodable {
      struct Difference: Decodable, Equatable {
        var kind: String
        var key: [String: String]
        var columns: [String]?
      }
      struct Table: Decodable {
        var source: String
        var sourceRows: Int
        var targetRows: Int
        var differences: [Difference]
      }
      var equal: Bool
      var differing: Int
      var tables: [Table]
    }
    let pair = try await PairUnderTest(
      "CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t SELECT i, '\"x' FROM generate_series(1, 50) i")
    try await pair.load()
    try pair.target("DELETE FROM t WHERE id = 3; UPDATE t SET v = 'y' WHERE id = 4")

    let end = try await pair.verify(["--json"])
    let document = try JSONDecoder().decode(Document.self, from: Data(end.output.utf8))

    #expect(end.status == .exited(1))
    #expect(!document.equal && document.differing == 2)
    #expect(document.tables.map(\.source) == ["public.t"])
    #expect(document.tables.map(\.sourceRows) == [50] && document.tables.map(\.targetRows) == [49])
    #expect(
      document.tables.first?.differences == [
        .init(kind: "missing", key: ["id": "3"]), .init(kind: "different", key: ["id": "4"], columns: ["v"]),
      ])
  }

  @Test("a table that the target lacks is a failure of the target, not a difference")
  func missingTable() async throws {
    let pair = try await PairUnderTest("CREATE TABLE t (id int PRIMARY KEY)")

    let end = try await pair.verify()

    #expect(end.status == .exited(4))
    #expect(
      end.errors.contains("table public.t does not exist in the target\n  where: public.t\n  to do: Run penstock run"))
    #expect(end.output == "")
  }

  @Test("rows of a table without a key are counted, copies too")
  func bag() async throws {
    let pair = try await PairUnderTest(
      """
      CREATE TABLE bag (a int, b text); ALTER TABLE bag REPLICA IDENTITY FULL;
      INSERT INTO bag SELECT i % 10, CASE WHEN i % 3 = 0 THEN NULL ELSE 'x' END FROM generate_series(1, 300) i;
      """)
    try await pair.load()
    #expect(try await pair.verify().status == .exited(0))

    try pair.target(
      """
      DELETE FROM bag WHERE ctid = (SELECT min(ctid) FROM bag WHERE a = 3 AND b IS NULL);
      INSERT INTO bag VALUES (3, 'x'), (77, NULL), (77, NULL);
      """)
    let end = try await pair.verify()

    let counts = end.output.matches(of: /digest [0-9a-f]{16}\): (.*)\n/).map { String($0.1) }
    #expect(end.status == .exited(1))
    #expect(
      counts.sorted() == [
        "0 in the source, 2 in the target", "10 in the source, 9 in the target", "20 in the source, 21 in the target",
      ])
    #expect(end.output.hasSuffix("3 rows differ in 1 table\n"))
  }

  @Test("at most 100 keys of a table are printed")
  func manyKeys() async throws {
    let pair = try await PairUnderTest(
      "CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t SELECT generate_series(1, 3000)")
    try await pair.load()
    try pair.target("DELETE FROM t WHERE id > 1000")

    let end = try await pair.verify()

    #expect(end.output.matches(of: /missing in target/).count == 100)
    #expect(end.output.contains("\n  ... and 1900 more\n"))
    #expect(end.output.hasSuffix("2000 rows differ in 1 table\n"))
  }

  @Test("routed tables and columns of other types in an existing target compare equal when they are")
  func otherTypes() async throws {
    let pair = try await PairUnderTest(
      """
      CREATE TABLE t (id int PRIMARY KEY, a int, b numeric(8,2), c timestamp, d varchar(9), e char(4), f real);
      INSERT INTO t VALUES (1, 1, 1.5, '2024-01-01 12:00', 'x', 'ab', 1.5), (2, NULL, NULL, NULL, NULL, NULL, NULL);
      """, root: ["route:", "  - { source-table: public.t, sink-table: elsewhere.u }"])
    try pair.target(
      """
      CREATE SCHEMA elsewhere;
      CREATE TABLE elsewhere.u (id bigint PRIMARY KEY, a bigint, b numeric, c timestamptz, d text, e char(7), f float8);
      """)
    try await pair.load()

    let equal = try await pair.verify()
    #expect(equal.output == "public.t -> elsewhere.u: 2 rows, equal\nsource and target are equal\n")

    try pair.target("UPDATE elsewhere.u SET a = 2, c = c + interval '1 s', e = 'abc' WHERE id = 1")
    #expect(try await pair.verify().output.contains("(id=1): differs in columns a, c, e\n"))
  }

  @Test("values with other digits and the same meaning are one key: numeric, character, minus zero")
  func equalKeys() async throws {
    let pair = try await PairUnderTest(
      """
      CREATE TABLE n (k numeric PRIMARY KEY, v int); INSERT INTO n VALUES (1.50, 1), (12345.6789, 2), (-0.00001, 3);
      CREATE TABLE c (k char(5) PRIMARY KEY, v int); INSERT INTO c VALUES ('a', 1), ('b', 2);
      CREATE TABLE f (k float8 PRIMARY KEY, v int); INSERT INTO f VALUES ('-0', 1), ('NaN', 2), ('infinity', 3), (1e-300, 4);
      """)
    try await pair.load()
    try pair.target("UPDATE n SET k = 1.5000 WHERE k = 1.5; UPDATE f SET k = 0 WHERE k = 0")
    #expect(try await pair.verify().status == .exited(0))

    try pair.target("DELETE FROM n; DELETE FROM c WHERE v = 1; UPDATE f SET v = 9")
    let end = try await pair.verify()

    for line in [
      "n (k=1.5000): missing", "n (k=12345.6789): missing", "n (k=-0.00001000): missing", "c (k='a'): missing",
      "f (k=0): differs in column v", "f (k=NaN): differs", "f (k=Infinity): differs", "f (k=1e-300): differs",
    ] {
      #expect(end.output.contains("  public." + line), "\(end.output)")
    }
    #expect(end.output.contains("8 rows differ in 3 tables"))
  }
}
