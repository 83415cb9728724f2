import ChangeModel
import PenstockTestKit
import Postgres
import PostgresSource
import SQLMapping
import Testing

@Suite("Check on a real server")
struct CheckServerTests {
  private func request(_ name: String = "penstock_check") -> CheckRequest {
    CheckRequest(slotName: name, publicationName: name, dialect: .dsql)
  }

  private func findings(
    _ connection: Connection, _ request: CheckRequest, where isSelected: (TableName) -> Bool = { _ in true }
  ) throws -> [Finding] {
    SourceCheck.findings(try SourceFacts.read(connection, for: request, where: isSelected), request)
  }

  @Test("a plain table on a fresh server gives no error and no warning")
  func clean() throws {
    let cluster = try TestCluster.start()
    try withExtendedLifetime(cluster) {
      let connection = try newSession("CREATE TABLE t (id int PRIMARY KEY)", on: cluster)

      #expect(try findings(connection, request()).map(\.id) == [.walKeepSize])
    }
  }

  @Test("a role without any right is told each one with its grant, and needs no more than those")
  func privileges() throws {
    let cluster = try TestCluster.start()
    let database = try cluster.createDatabase()
    try cluster.psql(
      """
      CREATE ROLE "Re ader" LOGIN; REVOKE CREATE ON SCHEMA public FROM PUBLIC;
      CREATE SCHEMA s; CREATE TABLE s.t (id int PRIMARY KEY); ALTER TABLE s.t ENABLE ROW LEVEL SECURITY;
      """, database: database)

    var found = try findings(session(database, as: "Re ader", on: cluster), request()).filter { $0.severity == .error }
    #expect(
      found.map(\.id) == [
        .roleReplication, .publicationPrivilege, .publicationPrivilege, .tablePrivilege, .tablePrivilege,
        .tableRowSecurity,
      ])

    for finding in found {
      let statement = finding.fix.hasPrefix("As an owner: ") ? String(finding.fix.dropFirst(13)) : finding.fix
      try cluster.psql(statement, database: database)
    }
    found = try findings(session(database, as: "Re ader", on: cluster), request()).filter { $0.severity == .error }
    #expect(found.isEmpty)
  }

  @Test("the fix of every table without an identity works")
  func identities() throws {
    let connection = try newSession(
      """
      CREATE TABLE a (id int); CREATE TABLE b (id int NOT NULL UNIQUE);
      CREATE TABLE c (id int PRIMARY KEY); ALTER TABLE c REPLICA IDENTITY NOTHING; CREATE UNLOGGED TABLE d (id int PRIMARY KEY);
      CREATE TABLE e (id int PRIMARY KEY) PARTITION BY LIST (id); CREATE TABLE e1 PARTITION OF e DEFAULT;
      ALTER TABLE e1 REPLICA IDENTITY FULL;
      """)
    var found = try findings(connection, request()).filter { $0.severity == .error }

    #expect(
      found.map(\.id) == [.tableIdentity, .tableIdentity, .tableIdentity, .tableUnlogged, .partitionIdentity])

    for finding in found {
      let range = try #require(finding.fix.firstRange(of: "ALTER TABLE"))
      let statement = finding.fix[range.lowerBound...].prefix { $0 != ";" }
      try connection.query(String(statement))
    }
    found = try findings(connection, request()).filter { $0.severity == .error }
    #expect(found.isEmpty)
  }

  @Test("an existing publication is compared with the selected tables")
  func publications() throws {
    let connection = try newSession(
      """
      CREATE TABLE a (id int PRIMARY KEY, b int, g int GENERATED ALWAYS AS (id) STORED);
      CREATE TABLE f (id int PRIMARY KEY); CREATE TABLE l (id int PRIMARY KEY, b int);
      CREATE TABLE p (id int PRIMARY KEY) PARTITION BY LIST (id); CREATE TABLE p1 PARTITION OF p DEFAULT;
      CREATE TABLE missing (id int PRIMARY KEY);
      CREATE PUBLICATION penstock_check FOR TABLE a, f WHERE (id > 5), l (id), p WITH (publish = 'insert, update');
      """)
    let found = try findings(connection, request()).filter { $0.severity == .error }

    #expect(
      found.map(\.id) == [
        .publicationOperations, .publicationPartitions, .publicationTables, .publicationFilter, .publicationFilter,
      ])
    #expect(found[2].evidence == "it lacks 1 of the selected tables: public.missing")
    #expect(found[0].evidence == "it leaves out every delete, truncate")

    for finding in found { try connection.query(finding.fix) }
    #expect(try findings(connection, request()).filter { $0.severity == .error }.isEmpty)
  }

  @Test("slots of the same name, full slots and old transactions are seen")
  func slots() throws {
    let cluster = try TestCluster.start(settings: [
      "max_replication_slots": "2", "max_prepared_transactions": "5", "max_slot_wal_keep_size": "100",
    ])
    let database = try cluster.createDatabase()
    try cluster.psql("CREATE TABLE t (id int PRIMARY KEY)", database: database)
    let connection = try session(database, on: cluster)
    func ids(_ slot: String) throws -> [FindingID] {
      try findings(connection, request(slot)).filter { $0.severity < .info }.map(\.id)
    }

    try connection.query("BEGIN; INSERT INTO t VALUES (1); PREPARE TRANSACTION 'two'")
    #expect(try ids("penstock_check") == [.transactionPrepared, .walKeepSize])
    try connection.query("ROLLBACK PREPARED 'two'")

    try connection.query("SELECT pg_create_logical_replication_slot('other', 'test_decoding')")
    #expect(try ids("other") == [.slotForeign, .walKeepSize])
    try connection.query("SELECT pg_create_logical_replication_slot('ours', 'pgoutput')")
    #expect(try ids("ours") == [.walKeepSize])
    #expect(try findings(connection, request("ours")).contains { $0.id == .slotResumed })
    #expect(try ids("new") == [.slotsFree, .walKeepSize])
    #expect(try findings(connection, request("new"))[0].evidence == "all 2 are taken; not read by anyone: other, ours")

    let elsewhere = try session(try cluster.createDatabase(), on: cluster)
    let found = try findings(elsewhere, request("ours")) { _ in false }
    #expect(found.first { $0.id == .slotForeign }?.evidence == "it belongs to database \(database)")
  }

  @Test("a transaction that has written is seen with its process, by a role without rights too")
  func openTransactions() throws {
    let cluster = try TestCluster.start()
    let database = try cluster.createDatabase()
    try cluster.psql("CREATE TABLE t (id int PRIMARY KEY); CREATE ROLE nobody_else LOGIN", database: database)
    let writer = try session(database, on: cluster)
    try writer.query("BEGIN; INSERT INTO public.t VALUES (1)")
    let reader = try session(database, on: cluster)
    try reader.query("BEGIN; SELECT * FROM public.t")

    let known = try SourceFacts.read(session(database, on: cluster), for: request()) { _ in true }
    let hidden = try SourceFacts.read(session(database, as: "nobody_else", on: cluster), for: request()) { _ in true }

    #expect(known.openTransactions.map(\.pid) == [writer.backendPID])
    #expect(known.openTransactions.first?.ageSeconds != nil)
    #expect(known.openTransactions.first?.state == "idle in transaction")
    #expect(hidden.openTransactions.map(\.pid) == [writer.backendPID])
    #expect(hidden.openTransactions.first?.ageSeconds == nil)
  }
}
