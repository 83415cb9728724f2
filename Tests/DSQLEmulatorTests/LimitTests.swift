import DSQLEmulator
import Testing

/// Limits on what is stored, wherever the bytes and rows come from.
@Suite struct LimitTests {
  private static let server = Result { try ServerUnderTest() }

  private func client(_ tables: String) throws -> Client {
    let server = try Self.server.get()
    try server.behind(tables)
    return try server.connect()
  }

  @Test("the columns of a key share 1,981 bytes, and each but the first costs 7 more")
  func keys() throws {
    let client = try client(
      """
      CREATE TABLE keys (k text PRIMARY KEY, a text);
      CREATE TABLE two_keys (k varchar(1000), n int, l text, PRIMARY KEY (k, n, l));
      """)
    func insert(_ size: Int, _ letter: String = "x") -> Client.Answer {
      client.run("INSERT INTO keys (k) VALUES (repeat('\(letter)', \(size)))")
    }

    #expect(insert(1981).tag == "INSERT 0 1")
    for answer in [insert(1982), insert(991, "é"), insert(9000)] {
      #expect(answer.sqlState == "54000")
      #expect(answer.message == "key size too large")
    }
    let longest = 1981 - 2 * 7 - 4 - 900
    let pair = "INSERT INTO two_keys VALUES (repeat('k', 900), 1, repeat('l', "
    #expect(client.run("\(pair)\(longest)))").tag == "INSERT 0 1")
    #expect(client.run("\(pair)\(longest + 1)))").message == "key size too large")
    #expect(client.run("UPDATE two_keys SET l = l || 'l'").message == "key size too large")
    #expect(
      client.copy("COPY keys (k) FROM STDIN", String(repeating: "y", count: 1982)).message == "key size too large")
  }

  @Test("an index's key carries the primary key, for as long as the index is there")
  func indexKeys() throws {
    let server = try ServerUnderTest()
    try server.behind("CREATE TABLE t (id varchar(500) PRIMARY KEY, a text, b text)")
    let client = try server.connect()
    #expect(client.run("CREATE INDEX ASYNC i ON t (a)").tag == "CREATE INDEX")

    #expect(client.run("INSERT INTO t VALUES (repeat('p', 500), repeat('a', 1474))").tag == "INSERT 0 1")
    #expect(client.run("UPDATE t SET a = repeat('a', 1475)").message == "key size too large")
    #expect(client.run("DROP INDEX i").tag == "DROP INDEX")
    #expect(client.run("UPDATE t SET a = repeat('a', 1475)").tag == "UPDATE 1")
  }

  @Test("limits follow a table's columns when they are renamed, dropped and added")
  func changedColumns() throws {
    let server = try ServerUnderTest()
    try server.behind("CREATE TABLE t (id int PRIMARY KEY, a text)")
    let client = try server.connect()
    let tooLarge = "datatype limit greater than 1048576 bytes not supported for bytea"
    func insert() -> Client.Answer {
      client.run("INSERT INTO t (id, b) VALUES (1, decode(repeat('00', 1048577), 'hex'))")
    }

    #expect(client.run("ALTER TABLE t DROP COLUMN a").tag == "ALTER TABLE")
    #expect(client.run("ALTER TABLE t ADD COLUMN c bytea").tag == "ALTER TABLE")
    #expect(client.run("ALTER TABLE t RENAME COLUMN c TO b").tag == "ALTER TABLE")
    #expect(insert().message == tooLarge)
    #expect(client.run("ALTER TABLE t DROP COLUMN b, ADD COLUMN b bytea").tag == "ALTER TABLE")
    #expect(insert().message == tooLarge)
    #expect(client.run("ALTER TABLE t DROP COLUMN b").tag == "ALTER TABLE")
    #expect(client.run("INSERT INTO t VALUES (1)").tag == "INSERT 0 1")
  }

  @Test("a transaction may be of 10 MiB, wherever its rows come from", arguments: [true, false])
  func transactionSize(inBlock: Bool) throws {
    let client = try client("CREATE TABLE sizes_\(inBlock) (id int PRIMARY KEY, a text)")
    func run(_ sql: String) -> Client.Answer {
      if !inBlock { return client.run(sql) }
      client.run("BEGIN")
      #expect(client.run(sql).sqlState == nil)
      return client.run("COMMIT")
    }
    let rows = "INSERT INTO sizes_\(inBlock) SELECT i, repeat(md5(i::text), 125) FROM generate_series"

    let answer = run("\(rows)(1, 2700) i")
    #expect(answer.sqlState == "54000")
    #expect(answer.message == "transaction size limit 10mb exceeded")
    #expect(answer.detail == "Current transaction size 11mb > 10mb")
    #expect(client.run("SELECT count(*) FROM sizes_\(inBlock)").rows == [["0"]])
    #expect(run("\(rows)(1, 2500) i").sqlState == nil)
    #expect(run("\(rows)(2501, 2600) i").sqlState == nil)
    #expect(run("UPDATE sizes_\(inBlock) SET a = a || 'x'").message == "transaction size limit 10mb exceeded")
  }

  @Test("what a value is when it is stored counts: one letter many times is small")
  func compressed() throws {
    let client = try client("CREATE TABLE compressed (id int PRIMARY KEY, a text)")

    #expect(client.run("INSERT INTO compressed VALUES (1, repeat('x', 200 * 1048576))").tag == "INSERT 0 1")
  }

  @Test(
    "rows count that no command tag tells of",
    arguments: [
      "WITH d AS (DELETE FROM hidden RETURNING id) SELECT count(*) FROM d",
      "WITH d AS (UPDATE hidden SET a = 1 RETURNING id) INSERT INTO hidden (id) SELECT -1",
      "EXPLAIN ANALYZE UPDATE hidden SET a = 1", "SELECT change_hidden()",
    ])
  func hiddenChanges(sql: String) throws {
    let server = try ServerUnderTest()
    try server.behind(
      """
      CREATE TABLE hidden (id int PRIMARY KEY, a int);
      INSERT INTO hidden SELECT generate_series(1, 3001);
      CREATE FUNCTION change_hidden() RETURNS void LANGUAGE sql AS 'UPDATE hidden SET a = 1';
      """)
    let client = try server.connect()

    #expect(client.run(sql).message == "transaction row limit exceeded")
    #expect(client.extended(sql).message == "transaction row limit exceeded")
    client.run("BEGIN")
    #expect(client.run(sql).message == "transaction row limit exceeded")
    #expect(client.run("SELECT 1").sqlState == "25P02")
    client.run("ROLLBACK")
    #expect(client.run("SELECT count(*), count(a) FROM hidden").rows == [["3001", "0"]])
    client.run("DELETE FROM hidden WHERE id < 3")
    #expect(client.run(sql).sqlState == nil)
  }
}
