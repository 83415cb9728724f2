import ChangeModel
import SQLMapping
import Testing

@Suite("What becomes of a table")
struct TableMappingTests {
  private let dsql = SchemaMapper(dialect: .dsql)

  @Test("a table keeps its columns, its order and its key, and quotes what it must")
  func createTable() throws {
    let source = table(
      "Order \"Lines\"",
      [
        column("tenant", "uuid", notNull: true), column("Line No", "int4", notNull: true),
        numericColumn("price", 12, 2),
        column("note", "text"), arrayColumn("tags", of: "text"),
      ], keys: 2)

    let mapping = try dsql.mapTable(source, target: TableName("app", "lines"))

    #expect(mapping.key == [0, 1])
    #expect(
      dsql.generateCreateTableStatement(mapping) == """
        CREATE TABLE IF NOT EXISTS "app"."lines" (
          "tenant" uuid NOT NULL,
          "Line No" integer NOT NULL,
          "price" numeric(12,2),
          "note" text,
          "tags" jsonb,
          PRIMARY KEY ("tenant", "Line No")
        )
        """)
    #expect(dsql.generateCreateSchemaStatements([mapping]) == ["CREATE SCHEMA IF NOT EXISTS \"app\""])
  }

  @Test("a generated column is computed by the target when it can, else left out with the reason")
  func generatedColumns() throws {
    let source = table(
      "t",
      [
        column("id", "int4", notNull: true), column("lower_name", "text", generated: "lower((name)::text)"),
        column("name", "varchar"), column("total", "int4", generated: "public.twice(id)"),
        column("bare", "numeric", generated: "(id * 2)"),
      ])

    let mapping = try dsql.mapTable(source, target: source.name)

    #expect(mapping.columns.map(\.targetName) == ["id", "name"])
    #expect(mapping.generated.map { $0.expression != nil } == [true, false, false])
    #expect(mapping.generated.map { $0.remark != nil } == [false, true, true])
    #expect(
      dsql.generateCreateTableStatement(mapping) == """
        CREATE TABLE IF NOT EXISTS "public"."t" (
          "id" integer NOT NULL,
          "lower_name" text GENERATED ALWAYS AS (lower((name)::text)) STORED,
          "name" text,
          PRIMARY KEY ("id")
        )
        """)
  }

  @Test("the key is the replica identity's index, and the primary key becomes a unique index")
  func identityIndex() throws {
    let source = table(
      "t", [column("id", "int4", notNull: true), column("code", "text", notNull: true)],
      indexes: [SourceIndex(name: "t_code", isUnique: true, columns: ["code"])], identity: .index("t_code"))

    let mapping = try dsql.mapTable(source, target: source.name)

    #expect(mapping.key == [1])
    #expect(
      dsql.generateCreateIndexStatements(mapping) == [
        "CREATE UNIQUE INDEX ASYNC IF NOT EXISTS \"t_pkey\" ON \"public\".\"t\" (\"id\")"
      ])
  }

  @Test("with REPLICA IDENTITY FULL a unique index without NULLs is the key, and without one the rows are a bag")
  func fullIdentity() throws {
    let unique = SourceIndex(name: "u", isUnique: true, columns: ["a"])
    let keyed = table("t", [column("a", "int4", notNull: true)], keys: 0, indexes: [unique], identity: .full)
    let nullable = table("t", [column("a", "int4")], keys: 0, indexes: [unique], identity: .full)

    #expect(try dsql.mapTable(keyed, target: keyed.name).key == [0])
    #expect(try dsql.mapTable(nullable, target: nullable.name).isKeyless)
  }

  @Test("a table without any identity is refused by name, with the statement that helps")
  func noIdentity() {
    let bare = table("t", [column("a", "int4")], keys: 0)
    let unique = table(
      "u", [column("a", "int4", notNull: true)], keys: 0,
      indexes: [SourceIndex(name: "u_a", isUnique: true, columns: ["a"])])

    let failure = #expect(throws: Failure.self) { try dsql.mapTable(bare, target: bare.name) }
    let other = #expect(throws: Failure.self) { try dsql.mapTable(unique, target: unique.name) }

    #expect(failure?.location == "public.t")
    #expect(failure?.hint == "Add a primary key, or run ALTER TABLE \"public\".\"t\" REPLICA IDENTITY FULL;")
    #expect(other?.hint == "ALTER TABLE \"public\".\"u\" REPLICA IDENTITY USING INDEX \"u_a\";")
  }

  @Test("DSQL's limits on columns and key columns are told before anything is created")
  func limits() {
    let wide = table("wide", (0..<256).map { column("c\($0)", "int4", notNull: true) })
    let key = table("key", (0..<9).map { column("c\($0)", "int4", notNull: true) }, keys: 9)

    let failure = #expect(throws: Failure.self) { try dsql.mapSchema([wide, key], route: { TableRoute($0) }) }

    #expect(failure?.location.contains("public.wide: the table has 256 columns; DSQL takes 255") == true)
    #expect(failure?.location.contains("public.key: the key has 9 columns; DSQL takes 8") == true)
    #expect(throws: Never.self) {
      try SchemaMapper(dialect: .postgres).mapSchema([wide, key], route: { TableRoute($0) })
    }
  }

  @Test("a key declared longer than DSQL's budget becomes text")
  func longKeys() throws {
    let source = table(
      "t",
      [
        column("a", "varchar", modifier: 1504, spelling: "character varying(1500)", notNull: true),
        column("b", "varchar", modifier: 604, spelling: "character varying(600)", notNull: true),
      ], keys: 2)

    #expect(try dsql.mapTable(source, target: source.name).columns.map(\.targetType) == ["text", "text"])
  }

  @Test("two tables with one target are refused")
  func sameTarget() {
    let failure = #expect(throws: Failure.self) {
      try dsql.mapSchema(
        [table("a", [column("id", "int4")]), table("b", [column("id", "int4")])],
        route: { _ in TableRoute(TableName("app", "x")) })
    }
    #expect(failure?.message == "public.a and public.b both go to app.x")
    #expect(failure?.kind == .configuration)
  }

  @Test(
    "a table does not go where state is kept, unless it is routed elsewhere",
    arguments: [
      (SinkDialect.dsql, "penstock", true), (.postgres, "penstock", true), (.dsql, "sys", true),
      (.postgres, "sys", false),
    ])
  func reservedSchemas(dialect: SinkDialect, schema: String, isRefused: Bool) throws {
    var source = table("lane", [column("id", "int4", notNull: true)])
    source.name.schema = schema
    let mapper = SchemaMapper(dialect: dialect)

    let result = Result { () throws(Failure) in try mapper.mapSchema([source], route: { TableRoute($0) }) }

    if isRefused {
      #expect { try result.get() } throws: { "\($0)".contains("keeps the target's schema \(schema) to itself") }
    } else {
      #expect(try result.get().count == 1)
    }
    #expect(try mapper.mapSchema([source], route: { TableRoute(TableName("app", $0.name)) }).count == 1)
  }

  @Test("what an index becomes in DSQL, or why it does not")
  func indexes() throws {
    let source = table(
      "t",
      [
        column("id", "int4", notNull: true), column("email", "text"), column("at", "timestamptz"),
        column("body", "jsonb"), column("deleted", "bool"), userColumn("mood", .enum), column("ip", "inet"),
      ],
      indexes: [
        SourceIndex(name: "plain", columns: ["at", "email"], included: ["deleted"], keyOptions: ["DESC", ""]),
        SourceIndex(name: "uniq", isUnique: true, nullsNotDistinct: true, columns: ["email"]),
        SourceIndex(name: "expr", columns: [nil], keyDefinitions: ["lower(email)"]),
        SourceIndex(name: "partial", columns: ["email"], predicate: "(NOT deleted)"),
        SourceIndex(name: "label", columns: ["mood"]),
        SourceIndex(name: "later", isUnique: true, columns: ["at"], isImmediate: false),
        SourceIndex(name: "body", columns: ["body"]),
        SourceIndex(name: "gin", columns: ["body"], method: "gin"),
        SourceIndex(name: "trgm", columns: ["email"], method: "gin", foreignPart: "operator class gin_trgm_ops"),
        SourceIndex(name: "ours", columns: [nil], keyDefinitions: ["public.slug(email)"]),
        SourceIndex(name: "cond", columns: ["email"], predicate: "(mood = 'sad'::public.mood)"),
        SourceIndex(name: "many", columns: Array(repeating: "email", count: 9)),
        SourceIndex(name: "broken", columns: ["email"], isValid: false),
      ])

    let mapping = try dsql.mapTable(source, target: TableName("app", "t"))

    let on = "ON \"app\".\"t\""
    #expect(
      dsql.generateCreateIndexStatements(mapping) == [
        "CREATE INDEX ASYNC IF NOT EXISTS \"plain\" \(on) (\"at\", \"email\") INCLUDE (\"deleted\")",
        "CREATE UNIQUE INDEX ASYNC IF NOT EXISTS \"uniq\" \(on) (\"email\") NULLS NOT DISTINCT",
        "CREATE INDEX ASYNC IF NOT EXISTS \"expr\" \(on) (lower(email))",
        "CREATE INDEX ASYNC IF NOT EXISTS \"partial\" \(on) (\"email\") WHERE (NOT deleted)",
        "CREATE INDEX ASYNC IF NOT EXISTS \"label\" \(on) (\"mood\")",
        "CREATE INDEX ASYNC IF NOT EXISTS \"later\" \(on) (\"at\")",
      ])
    #expect(
      mapping.indexes.compactMap(\.skipReason) == [
        "DSQL takes no jsonb in a key (\"body\")", "DSQL has no gin indexes",
        "the target lacks operator class gin_trgm_ops",
        "it computes public.slug(email): it uses public",
        "its condition is (mood = 'sad'::public.mood): it uses mood", "DSQL takes 8 columns in an index",
        "it is invalid in the source",
      ])
    #expect(mapping.indexes.first?.remark == "without DESC")
  }

  @Test("PostgreSQL keeps order, operator class and access method")
  func postgresIndexes() throws {
    let mapper = SchemaMapper(dialect: .postgres)
    let source = table(
      "t", [column("id", "int4", notNull: true), column("email", "text"), column("body", "jsonb")],
      indexes: [
        SourceIndex(name: "a", columns: ["email", "id"], keyOptions: ["text_pattern_ops DESC NULLS LAST", ""]),
        SourceIndex(name: "b", columns: ["body"], method: "gin"),
      ])

    #expect(
      mapper.generateCreateIndexStatements(try mapper.mapTable(source, target: source.name)) == [
        "CREATE INDEX IF NOT EXISTS \"a\" ON \"public\".\"t\" "
          + "(\"email\" text_pattern_ops DESC NULLS LAST, \"id\")",
        "CREATE INDEX IF NOT EXISTS \"b\" ON \"public\".\"t\" USING \"gin\" (\"body\")",
      ])
  }

  @Test("two indexes that a route brings into one schema get two names")
  func indexNames() throws {
    let index = SourceIndex(name: "by_email", columns: ["email"])
    let columns = [column("id", "int4", notNull: true), column("email", "text")]
    var other = table("u", columns, indexes: [index])
    other.name.schema = "billing"

    let mappings = try dsql.mapSchema(
      [table("t", columns, indexes: [index]), other], route: { TableRoute(TableName("app", $0.name)) })

    #expect(mappings.flatMap(\.indexes).map(\.name) == ["by_email", "by_email_2"])
  }

  @Test("no more than 24 indexes are asked of DSQL, the primary key among them")
  func indexCount() throws {
    let indexes = (0..<30).map { SourceIndex(name: "i\($0)", columns: ["v"]) }
    let source = table("t", [column("id", "int4", notNull: true), column("v", "int4")], indexes: indexes)

    #expect(dsql.generateCreateIndexStatements(try dsql.mapTable(source, target: source.name)).count == 23)
  }
}
