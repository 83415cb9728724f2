import ChangeModel
import PenstockTestKit
import Postgres
import PostgresSource
import SQLMapping
import Testing

/// A session as superuser in a new database of a cluster, with some statements run.
func newSession(_ setup: String, on cluster: TestCluster? = nil) throws -> Connection {
  let cluster = try cluster ?? TestCluster.shared
  let database = try cluster.createDatabase()
  if !setup.isEmpty { try cluster.psql(setup, database: database) }
  return try session(database, on: cluster)
}

/// A session in a database, as someone.
func session(_ database: String, as user: String = "postgres", on cluster: TestCluster) throws -> Connection {
  try Connection(
    ConnectionSettings(
      role: .source,
      parameters: [("host", "127.0.0.1"), ("port", "\(cluster.port)"), ("user", user), ("dbname", database)]))
}

@Suite("The source's catalog")
struct CatalogTests {
  private func read(_ setup: String, where isSelected: (TableName) -> Bool = { _ in true }) throws -> SourceCatalog {
    try SourceCatalog.read(newSession(setup), where: isSelected)
  }

  @Test("columns carry type, modifier, base type and element type")
  func columns() throws {
    let catalog = try read(
      """
      CREATE DOMAIN code AS varchar(5); CREATE DOMAIN short AS code NOT NULL; CREATE DOMAIN bits AS bit(3)[];
      CREATE TYPE mood AS ENUM ('sad'); CREATE TYPE pair AS (a int);
      CREATE EXTENSION citext;
      CREATE TABLE t (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, price numeric(12,2) NOT NULL DEFAULT 0,
        gone int, d short, m mood, p pair, r int4range, mr int4multirange, a text[], dc code[], b box[], bd bits,
        twice numeric GENERATED ALWAYS AS (price * 2) STORED, "Mixed ""Case" citext, v int2vector);
      ALTER TABLE t DROP COLUMN gone;
      """)
    let table = try #require(catalog.tables.first)
    func column(_ name: String) -> SourceColumn? { table.columns.first { $0.name == name } }

    #expect(table.columns.map(\.number) == [1, 2] + Array(4...15))
    #expect(column("id")?.isIdentity == true)
    #expect(column("id")?.isNotNull == true)
    #expect(column("price")?.formattedType == "numeric(12,2)")
    #expect(column("price")?.defaultExpression == "0")
    let domain = try #require(column("d"))
    #expect(domain.kind == .domain)
    #expect(
      [domain.formattedType, domain.baseTypeName, domain.baseFormattedType] == [
        "public.short", "varchar", "character varying(5)",
      ])
    #expect(domain.baseModifier == 9)
    #expect(column("m")?.kind == .enum)
    #expect(column("m")?.typeSchema == "public")
    #expect(column("p")?.kind == .composite)
    #expect(column("r")?.kind == .range)
    #expect(column("mr")?.kind == .multirange)
    #expect(column("a")?.elementTypeName == "text")
    #expect(column("dc")?.elementTypeName == "varchar")
    #expect(column("b")?.elementDelimiter == UInt8(ascii: ";"))
    #expect(column("bd")?.kind == .domain)
    #expect(column("bd")?.baseKind == .array)
    #expect(column("bd")?.elementTypeName == "bit")
    #expect(column("twice")?.isGenerated == true)
    #expect(column("twice")?.defaultExpression == "(price * (2)::numeric)")
    #expect(column("Mixed \"Case")?.typeName == "citext")
    #expect(column("v")?.kind == .base)
  }

  @Test("indexes carry keys, options, predicate and what a target would lack")
  func indexes() throws {
    let catalog = try read(
      """
      CREATE EXTENSION pg_trgm;
      CREATE TABLE t (id int, code text NOT NULL UNIQUE DEFERRABLE, body jsonb, at timestamptz,
        PRIMARY KEY (id) INCLUDE (at));
      CREATE UNIQUE INDEX a ON t (at DESC, code text_pattern_ops NULLS FIRST, lower(code)) INCLUDE (body)
        NULLS NOT DISTINCT WHERE id > 5;
      CREATE INDEX b ON t USING gin (code gin_trgm_ops);
      CREATE INDEX c ON t USING gin (body jsonb_path_ops);
      """)
    let indexes = try #require(catalog.tables.first).indexes

    #expect(indexes.map(\.name) == ["t_pkey", "a", "b", "c", "t_code_key"])
    #expect(indexes[0].isPrimary)
    #expect(indexes[0].columns == ["id"])
    #expect(indexes[0].included == ["at"])
    let a = indexes[1]
    #expect(a.columns == ["at", "code", nil])
    #expect(a.keyDefinitions[2] == "lower(code)")
    #expect(a.keyOptions == ["DESC", "text_pattern_ops NULLS FIRST", ""])
    #expect(a.included == ["body"])
    #expect(a.isUnique && a.nullsNotDistinct && a.isImmediate && a.isValid)
    #expect(a.predicate == "(id > 5)")
    #expect(indexes[2].foreignPart == "operator class gin_trgm_ops")
    #expect(indexes[3].foreignPart == nil)
    #expect(indexes[3].keyOptions == ["jsonb_path_ops"])
    #expect(!indexes[4].isImmediate)
  }

  @Test("a partitioned root is one table whose leaves are its heaps")
  func partitions() throws {
    let setup = """
      CREATE SCHEMA parts;
      CREATE TABLE root (id int, at date, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
      CREATE TABLE parts.y2023 PARTITION OF root FOR VALUES FROM ('2023-01-01') TO ('2024-01-01')
        PARTITION BY RANGE (at);
      CREATE TABLE parts.y2023h1 PARTITION OF parts.y2023 FOR VALUES FROM ('2023-01-01') TO ('2023-07-01');
      CREATE UNLOGGED TABLE parts.y2024 PARTITION OF root FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
      CREATE EXTENSION postgres_fdw; CREATE SERVER s FOREIGN DATA WRAPPER postgres_fdw;
      CREATE TABLE plain (id int) PARTITION BY LIST (id);
      CREATE FOREIGN TABLE far PARTITION OF plain DEFAULT SERVER s;
      INSERT INTO root SELECT i, '2023-02-01' FROM generate_series(1, 1000) i; ANALYZE root;
      """
    let catalog = try read(setup)

    #expect(catalog.tables.map(\.name.description) == ["public.plain", "public.root"])
    #expect(catalog.tables[1].kind == .partitioned)
    #expect(catalog.tables[1].heaps.map(\.name.description) == ["parts.y2023h1", "parts.y2024"])
    #expect(catalog.tables[1].heaps[0].pages > 0)
    #expect(catalog.tables[1].heaps[0].bytes >= catalog.tables[1].heaps[0].pages * 8192)
    #expect(catalog.tables[1].estimatedRows == 1000)
    #expect(catalog.tables[1].isUnlogged)
    #expect(catalog.tables[1].primaryKey?.columns == ["id", "at"])
    #expect(catalog.others.map(\.name.description) == ["public.far"])

    let leaves = try read(setup) { $0.schema == "parts" }
    #expect(leaves.tables.map(\.name.description) == ["parts.y2023", "parts.y2024"])
  }

  @Test("the selection is asked for every relation outside the system's schemas, views and foreign tables included")
  func selection() throws {
    var asked: [String] = []
    let catalog = try read(
      """
      CREATE SCHEMA "Billing"; CREATE TABLE "Billing"."In;voice" (id int PRIMARY KEY); CREATE TABLE skipped (id int);
      CREATE VIEW v AS SELECT 1; CREATE MATERIALIZED VIEW mv AS SELECT 1; CREATE TEMP TABLE tmp (id int);
      """
    ) {
      asked.append($0.description)
      return $0.name != "skipped"
    }

    #expect(asked.sorted() == ["Billing.In;voice", "public.mv", "public.skipped", "public.v"])
    #expect(catalog.tables.map(\.name.description) == ["Billing.In;voice"])
    #expect(catalog.others.map(\.name.description).sorted() == ["public.mv", "public.v"])
  }

  @Test("replica identity is read in each of its forms")
  func replicaIdentity() throws {
    let catalog = try read(
      """
      CREATE TABLE a (id int PRIMARY KEY); CREATE TABLE b (id int); ALTER TABLE b REPLICA IDENTITY FULL;
      CREATE TABLE c (id int PRIMARY KEY); ALTER TABLE c REPLICA IDENTITY NOTHING;
      CREATE TABLE d (id int PRIMARY KEY, code text NOT NULL, CONSTRAINT "D key" UNIQUE (code));
      ALTER TABLE d REPLICA IDENTITY USING INDEX "D key";
      """)

    #expect(catalog.tables.map(\.replicaIdentity) == [.primaryKey, .full, .nothing, .index("D key")])
    #expect(catalog.tables[3].identityColumns == ["code"])
  }

  @Test("what stays behind is named")
  func uncopied() throws {
    let catalog = try read(
      """
      CREATE TABLE p (id int PRIMARY KEY);
      CREATE TABLE t (id int PRIMARY KEY, p int CONSTRAINT fk REFERENCES p, CONSTRAINT positive CHECK (id > 0));
      CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
      CREATE TRIGGER stamp BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION f();
      CREATE POLICY mine ON t USING (true);
      """)

    #expect(
      catalog.tables[1].uncopied == [
        UncopiedPart(kind: .check, name: "positive"), UncopiedPart(kind: .foreignKey, name: "fk"),
        UncopiedPart(kind: .policy, name: "mine"), UncopiedPart(kind: .trigger, name: "stamp"),
      ])
  }

  @Test("a thousand tables take no more queries than one")
  func manyTables() throws {
    let connection = try newSession(
      "SELECT format('CREATE TABLE t%s (id int PRIMARY KEY)', i) FROM generate_series(1, 1000) i \\gexec")

    let catalog = try SourceCatalog.read(connection) { _ in true }

    #expect(catalog.tables.count == 1000)
    #expect(catalog.tables.allSatisfy { $0.columns.count == 1 && $0.heaps.count == 1 && $0.primaryKey != nil })
  }

  @Test("what the catalog says of every type maps to DDL that a server takes", arguments: SinkDialect.allCases)
  func ddlRoundTrip(dialect: SinkDialect) throws {
    let connection = try newSession(
      """
      CREATE TYPE mood AS ENUM ('sad'); CREATE EXTENSION citext; CREATE DOMAIN code AS char(3) CHECK (value <> '');
      CREATE TABLE t (id bigint PRIMARY KEY, a int[], m mood, ms mood[], ci citext, c code, n numeric, np numeric(30,5),
        i interval day to second(3), ts timestamp(2), tt time(0) with time zone, b bit(3), vb bit varying(9),
        bs bit(2)[], r int8range, x xml, q "char", nm name, o oid, rc regclass, js json[], vc varchar(9)[], ip inet,
        twice bigint GENERATED ALWAYS AS (id * 2) STORED, low text GENERATED ALWAYS AS (lower(ci::text)) STORED);
      CREATE UNIQUE INDEX u ON t (lower(vc[1]), np DESC); CREATE INDEX e ON t (abs(id), c) WHERE n IS NOT NULL;
      CREATE INDEX g ON t USING gin (a); CREATE INDEX h ON t USING hash (np); CREATE INDEX z ON t (m, twice) INCLUDE (ts);
      """)
    let mapper = SchemaMapper(dialect: dialect)
    let table = try #require(try SourceCatalog.read(connection) { _ in true }.tables.first)
    let mapping = try mapper.mapTable(table, target: TableName("copy", "t"))

    try connection.query("CREATE SCHEMA copy; SET search_path = pg_catalog, copy")
    try connection.query(mapper.generateCreateTableStatement(mapping))
    for statement in mapper.generateCreateIndexStatements(mapping) {
      try connection.query(statement.replacing("INDEX ASYNC", with: "INDEX"))
    }

    let copy = try #require(try SourceCatalog.read(connection) { $0.schema == "copy" }.tables.first)
    #expect(copy.columns.map(\.name) == table.columns.map(\.name).filter { $0 != "low" })
    #expect(
      zip(mapping.columns, copy.columns.filter { !$0.isGenerated }).allSatisfy { $0.targetType == $1.formattedType })
    #expect(copy.primaryKey?.columns == ["id"])
    #expect(copy.indexes.count == 1 + mapping.indexes.filter(\.isCreated).count)
    #expect(mapping.indexes.filter(\.isCreated).map(\.name) == (dialect == .dsql ? ["z"] : ["e", "g", "h", "u", "z"]))
  }
}
