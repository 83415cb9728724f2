import AWS
import ChangeModel
import DSQLEmulator
import PenstockTestKit
import Postgres
import PostgresSource
import SQLMapping
import Testing

/// An emulated DSQL before a database of its own, and one session in it.
private final class EmulatedTarget {
  let session: Connection
  private let emulator: Emulator
  private let cluster: TestCluster

  init() throws {
    cluster = try TestCluster.shared
    var options = EmulatorOptions()
    options.backend = cluster.url(database: try cluster.createDatabase())
    options.certificateFolder = try temporaryDirectory("certificates")
    emulator = try Emulator(options, credentials: nil)
    let host = "abcdefghijklmnopqrstuvwxyz.dsql.us-east-1.on.aws"
    let token = DSQLToken.sign(
      credentials: AWSCredentials(accessKeyID: "AKIDEXAMPLE", secretAccessKey: "c2VjcmV0"), host: host,
      region: "us-east-1", action: DSQLToken.Action(user: "admin"), date: .now, expiresAfterSeconds: 900)
    session = try Connection(
      ConnectionSettings(
        role: .sink,
        parameters: [
          ("host", host), ("hostaddr", "127.0.0.1"), ("port", "\(emulator.port)"), ("user", "admin"),
          ("dbname", "postgres"), ("sslmode", "verify-full"), ("sslrootcert", emulator.authorityFile ?? ""),
        ],
        password: { () throws(Failure) in token }))
  }

  deinit { emulator.stop() }
}

@Suite("DSQL takes what the mapper writes")
struct EmulatedTargetTests {
  private let mapper = SchemaMapper(dialect: .dsql)

  /// A source table with a column of nearly every type there is, read from a real catalog.
  private func everything() throws -> SourceTable {
    let session = try newSession(
      """
      SET search_path = public;
      CREATE EXTENSION hstore; CREATE EXTENSION citext; CREATE TYPE mood AS ENUM ('sad'); CREATE TYPE pair AS (a int);
      CREATE DOMAIN code AS varchar(5);
      CREATE TABLE everything (k1 bytea, k2 varchar(20), k3 timetz, b bool, i2 int2, i4 int4, i8 int8, f4 float4,
        f8 float8, n numeric, np numeric(20,5), t text, v varchar, vn varchar(9), c char(3), cl char(5000), by bytea,
        u uuid, d date, ti time(3), tz timetz, ts timestamp(0), tstz timestamptz, iv interval day to second, j json,
        jb jsonb, m money, x xml, ip inet, ci cidr, mac macaddr, bi bit(3), vb varbit, tv tsvector, tq tsquery,
        p point, bx box, r int4range, mr int4multirange, l pg_lsn, o oid, nm name, q "char", e mood, co pair,
        dm code, h hstore, ct citext, a int[], ae mood[], aj json[], ab box[], id bigint GENERATED ALWAYS AS IDENTITY,
        low text GENERATED ALWAYS AS (lower(t)) STORED, net text GENERATED ALWAYS AS (host(ip)) STORED,
        PRIMARY KEY (k1, k2, k3));
      CREATE INDEX i1 ON everything (i8 DESC, t) INCLUDE (vn); CREATE UNIQUE INDEX i2 ON everything (lower(t));
      CREATE INDEX i3 ON everything (e, low) WHERE b AND i4 > 5 AND t <> ALL (ARRAY['x', 'y']);
      CREATE INDEX i4 ON everything USING gin (a); CREATE INDEX i5 ON everything (jb); CREATE INDEX i6 ON everything (n);
      CREATE UNIQUE INDEX i7 ON everything (u) NULLS NOT DISTINCT; CREATE INDEX i8 ON everything ((np + i4), d);
      """)
    return try SourceCatalog.read(session) { $0.name == "everything" }.tables[0]
  }

  @Test("every table and index that the mapper creates is taken")
  func ddl() throws {
    let target = try EmulatedTarget()
    let mapping = try mapper.mapTable(everything(), target: TableName("app", "everything"))

    for sql in mapper.generateCreateSchemaStatements([mapping]) { try target.session.query(sql) }
    try target.session.query(mapper.generateCreateTableStatement(mapping))
    let jobs = try mapper.generateCreateIndexStatements(mapping).map { try target.session.query($0).single }

    #expect(mapping.indexes.filter(\.isCreated).map(\.name) == ["i1", "i2", "i3", "i6", "i7", "i8"])
    #expect(jobs.count == 6)
    #expect(jobs.allSatisfy { $0?.count == 26 })
  }

  @Test("every statement text is taken", arguments: StatementTests.formats)
  func statements(format: WireFormat) throws {
    let target = try EmulatedTarget()
    let mapping = try mapper.mapTable(everything(), target: TableName("public", "everything"))
    try target.session.query(mapper.generateCreateTableStatement(mapping))
    let texts = StatementTexts(mapping, format: format)
    var row = [String?](repeating: nil, count: mapping.columns.count)
    for (index, value) in ["\\x01", "k", "10:00:00+00"].enumerated() { row[index] = value }
    row[mapping.columns.firstIndex { $0.targetName == "id" }!] = "1"

    try runStatement(texts.insert, [row], in: target.session)
    try runStatement(texts.upsert, [row], in: target.session)
    row[3] = "t"
    try runStatement(texts.maskedUpdate(present: [3]), [row], in: target.session)
    try runStatement(texts.presenceGuard, [row], in: target.session)
    #expect(try runStatement(texts.bagCount, [row], in: target.session).single == "1")
    #expect(try runStatement(texts.delete, [row], in: target.session).affected == 1)
    #expect(try runStatement(texts.bagDelete, [row], in: target.session).affected == 0)
  }
}
