import CLibPQ
import Testing

/// One statement and DSQL's answer to it.
struct Probe: CustomTestStringConvertible, Sendable {
  let sql: String
  let sqlState: String?
  let message: String?

  init(_ sql: String, _ sqlState: String, _ message: String) {
    self.sql = sql
    self.sqlState = sqlState
    self.message = message
  }
  /// A statement that DSQL runs.
  init(runs sql: String) {
    self.sql = sql
    sqlState = nil
    message = nil
  }
  var testDescription: String { String(sql.prefix(100)) }
}

/// Statement by statement: the exact SQLSTATE and text of DSQL. Each runs by itself, then in a block, then by the
/// extended protocol, with the same answer.
@Suite(.serialized) struct ProbeTests {
  static let server = Result {
    let server = try ServerUnderTest()
    try server.behind(
      """
      CREATE TABLE t (id int PRIMARY KEY, a int, b text, j jsonb);
      CREATE TABLE child (id int PRIMARY KEY, parent int, w varchar(1999));
      CREATE VIEW v AS SELECT 1 AS one;
      CREATE SEQUENCE q CACHE 1;
      CREATE STATISTICS st ON id, a FROM t;
      CREATE TABLE referenced (id int PRIMARY KEY);
      CREATE TABLE referencing (id int PRIMARY KEY, r int REFERENCES referenced);
      """)
    return server
  }

  static let refused: [Probe] =
    Probes.tables + Probes.alterations + Probes.indexes + Probes.others + Probes.queries
    + Probes.spellings

  @Test("a refused statement has DSQL's SQLSTATE and text", arguments: refused)
  func refusal(probe: Probe) throws {
    let client = try Self.server.get().connect()

    let alone = client.run(probe.sql)
    #expect(alone.sqlState == probe.sqlState)
    #expect(alone.message == probe.message)
    #expect(client.transactionStatus == PQTRANS_IDLE)

    client.run("BEGIN")
    let inBlock = client.run(probe.sql)
    #expect(inBlock == alone)
    #expect(client.run("SELECT 1").sqlState == "25P02")
    #expect(client.run(probe.sql).sqlState == (probe.sqlState == "42601" ? "42601" : "25P02"))
    #expect(client.run("COMMIT").tag == "ROLLBACK")

    #expect(client.extended(probe.sql) == alone)
    #expect(client.run("SELECT 1").rows == [["1"]])
  }

  @Test(
    "a statement that DSQL has runs, alone and by the extended protocol",
    arguments: Probes.accepted + Probes.acceptedSpellings)
  func acceptance(probe: Probe) throws {
    let client = try Self.server.get().connect()
    for run in [client.run, { client.extended($0) }] {
      client.run("BEGIN")
      let answer = run(probe.sql)
      #expect(answer.sqlState == nil, "\(answer)")
      client.run("ROLLBACK")
    }
  }
}
