import ChangeModel
import Postgres
import SQLMapping
import Testing

@Suite("Tables that share a target")
struct MergingTests {
  private let target = TableName("app", "x")
  private let a = table(
    "a",
    [column("id", "int4", notNull: true), column("v", "text", notNull: true), column("only_a", "text", notNull: true)],
    indexes: [
      SourceIndex(name: "a_v", isUnique: true, columns: ["v"]), SourceIndex(name: "a_only", columns: ["only_a"]),
    ])
  private let b = table(
    "b",
    [column("id", "int4", notNull: true), column("only_b", "int4"), column("v", "text", notNull: true)],
    indexes: [SourceIndex(name: "b_v", isUnique: true, columns: ["v"])])

  private func mapped(
    _ tables: [SourceTable], _ merging: TableRoute.Merging? = .init(), indexes: [[String]] = [],
    _ dialect: SinkDialect = .dsql
  ) throws -> [TableMapping] {
    try SchemaMapper(dialect: dialect).mapSchema(tables) { _ in TableRoute(target, merging: merging, indexes: indexes) }
  }

  @Test("have one table of all columns, NULL allowed where one of them has nothing, and the origin behind")
  func united() throws {
    let mapper = SchemaMapper(dialect: .dsql)
    let mappings = try mapped([a, b], indexes: [["only_a", "only_b"], ["v"]])

    #expect(
      mapper.generateCreateTableStatement(mapper.unite(mappings)) == """
        CREATE TABLE IF NOT EXISTS "app"."x" (
          "id" integer NOT NULL,
          "v" text NOT NULL,
          "only_a" text,
          "only_b" integer,
          "origin" text NOT NULL,
          PRIMARY KEY ("id")
        )
        """)
    #expect(mappings.map { $0.columns.map(\.targetName) }.map(\.last) == ["origin", "origin"])
    #expect(mappings.map(\.merge?.originColumn) == [3, 3])
    #expect(mappings.map(\.merge?.group) == [0, 0])
    #expect(mappings.map(\.merge?.othersColumns) == [["only_b"], ["only_a"]])
    #expect(
      mappings.flatMap { mapper.generateCreateIndexStatements($0) } == [
        #"CREATE INDEX ASYNC IF NOT EXISTS "a_v" ON "app"."x" ("v")"#,
        #"CREATE INDEX ASYNC IF NOT EXISTS "a_only" ON "app"."x" ("only_a")"#,
        #"CREATE INDEX ASYNC IF NOT EXISTS "x_only_a_only_b_idx" ON "app"."x" ("only_a", "only_b")"#,
      ])
    #expect(mappings[1].indexes.map(\.skipReason) == ["public.a has the same"])
  }

  @Test("a route for many has an origin column while there is only one, a route for one has not")
  func alone() throws {
    #expect(try mapped([a], .init(isForMany: true)).map { $0.merge != nil } == [true])
    #expect(try mapped([a], .init()).map { $0.merge != nil } == [false])
    #expect(try mapped([a], nil, indexes: [["v", "id"]])[0].indexes.map(\.name).last == "x_v_id_idx")
  }

  private static let refusals: [(SourceTable, String)] = [
    (
      table("b", [column("id", "int8", notNull: true)]),
      "public.a and public.b both go to app.x, but their keys are (id integer) and (id bigint)"
    ),
    (
      table("b", [column("other", "int4", notNull: true)]),
      "public.a and public.b both go to app.x, but their keys are (id integer) and (other integer)"
    ),
    (
      table("b", [column("id", "int4", notNull: true), column("v", "int4")]),
      "column \"v\" of app.x is text in public.a and integer in public.b"
    ),
    (
      table("b", [column("id", "int4", notNull: true), column("origin", "text")]),
      "public.b has a column \"origin\", as the origin column of app.x"
    ),
  ]

  @Test("that don't fit each other are refused, naming both", arguments: refusals.indices)
  func refused(index: Int) throws {
    let (other, message) = Self.refusals[index]
    let failure = #expect(throws: Failure.self) { try mapped([a, other]) }

    #expect(failure?.message == message)
    #expect(failure?.kind == .configuration)
  }

  @Test("by routes that disagree, or with an index that can't be, are refused")
  func disagreement() throws {
    let other = #expect(throws: Failure.self) {
      try SchemaMapper(dialect: .dsql).mapSchema([a, b]) { name in
        TableRoute(target, merging: .init(policy: name == a.name ? .fail : .keepFirst))
      }
    }
    let index = #expect(throws: Failure.self) { try mapped([a, b], indexes: [["v", "w"]]) }

    #expect(other?.message == "public.a and public.b both go to app.x, by routes with different settings")
    #expect(
      index?.message == "the index on (v, w) that a route asks for can't be made: the target lacks column \"w\"")
  }

  @Test("an origin is a JSON array of strings that begins as no other table's does")
  func origins() {
    let origin = OriginText.bytes(of: TableName("a", "b\"c"), key: [Array("1".utf8), Array("x\ny".utf8)])

    #expect(String(decoding: origin, as: UTF8.self) == #"["a.b\"c","1","x\ny"]"#)
    #expect(OriginText.prefix(of: TableName("a", "b")) == #"["a.b""#)
    #expect(OriginText.prefix(of: TableName("", "Music")) == #"["Music""#)
  }

  /// The target as it is after rows of both tables, the second's with keys of the first.
  private func session(
    _ policy: CollisionPolicy, _ format: WireFormat
  ) throws -> (a: StatementTexts, b: StatementTexts, session: Connection) {
    let mapper = SchemaMapper(dialect: .postgres)
    let mappings = try mapped([a, b], .init(policy: policy), .postgres)
    let session = try newSession("CREATE SCHEMA app; " + mapper.generateCreateTableStatement(mapper.unite(mappings)))
    let texts = mappings.map { StatementTexts($0, format: format) }
    try runStatement(texts[0].upsert, [["1", "v1", "a1", "A"], ["2", "v2", "a2", "A"]], in: session)
    return (texts[0], texts[1], session)
  }

  @Test(
    "an upsert overwrites rows of its own origin, others' only where the last writer wins, and then as a whole",
    arguments: CollisionPolicy.allCases, StatementTests.formats)
  func upsert(policy: CollisionPolicy, format: WireFormat) throws {
    let (a, b, session) = try session(policy, format)

    try runStatement(b.upsert, [["1", "7", "w1", "B"], ["3", "8", "w3", "B"]], in: session)
    try runStatement(a.upsert, [["2", "v2b", nil, "A"]], in: session)

    let first = policy == .lastWriter ? ["1", "w1", nil, "7", "B"] : ["1", "v1", "a1", nil, "A"]
    #expect(
      try session.query("SELECT * FROM app.x ORDER BY 1").values == [
        first, ["2", "v2b", nil, nil, "A"], ["3", "w3", nil, "8", "B"],
      ])
  }

  @Test(
    "a row of another origin is neither deleted nor updated in part, nor is it present",
    arguments: StatementTests.formats)
  func foreign(format: WireFormat) throws {
    let (a, b, session) = try session(.keepFirst, format)
    let row: [String?] = ["1", "7", "w1", "B"]

    #expect(try runStatement(b.delete, [row], in: session).affected == 0)
    #expect(try runStatement(b.maskedUpdate(present: [0, 1, 3]), [row], in: session).affected == 0)
    let failure = #expect(throws: Failure.self) { try runStatement(b.presenceGuard, [row], in: session) }
    #expect(failure?.state == "22012")
    #expect(try runStatement(a.presenceGuard, [["1", nil, nil, "A"]], in: session).count == 1)
    #expect(try runStatement(a.maskedUpdate(present: [2, 3]), [["1", nil, "z", "A"]], in: session).affected == 1)
    #expect(try runStatement(a.delete, [["1", nil, nil, "A"]], in: session).affected == 1)
  }

  @Test("collisions are found, and where they stop the pipeline nothing goes on", arguments: CollisionPolicy.allCases)
  func collisions(policy: CollisionPolicy) throws {
    let (a, b, session) = try session(policy, .binary)
    let statements = try #require(b.collisions)
    let rows: [[String?]] = [["1", nil, nil, "B"], ["2", nil, nil, "B"], ["3", nil, nil, "B"]]

    let own = try runStatement(try #require(a.collisions).check, [["1", nil, nil, "A"]], in: session)
    #expect(own.values == (policy == .fail ? [["1"]] : []))
    if policy == .fail {
      let failure = #expect(throws: Failure.self) { try runStatement(statements.check, rows, in: session) }
      #expect(failure?.state == "22012")
    } else {
      #expect(try runStatement(statements.check, rows, in: session).count == 2)
    }
    #expect(try runStatement(statements.first, [rows[1], rows[2]], in: session).values == [["A", "B", "2"]])
    #expect(StatementTexts(try mapped([self.a], .init())[0], format: .binary).collisions == nil)
  }
}
