import CLibPQ
import DSQLEmulator
import PenstockTestKit
import Testing

@Suite struct TransactionTests {
  static let server = Result { try ServerUnderTest() }

  /// A client with an empty table of its own.
  func client(_ table: String, _ columns: String = "id int PRIMARY KEY, a text") throws -> Client {
    let server = try Self.server.get()
    try server.behind("CREATE TABLE \(table) (\(columns)); CREATE TABLE \(table)_b (id int)")
    return try server.connect()
  }

  @Test("3,000 rows pass; the statement that reaches 3,001 fails and nothing is kept")
  func rowCap() throws {
    let client = try client("row_cap")

    #expect(client.run("INSERT INTO row_cap SELECT generate_series(1, 3000)").tag == "INSERT 0 3000")
    let crossing = client.run("INSERT INTO row_cap SELECT generate_series(3001, 6001)")
    #expect(crossing.sqlState == "54000")
    #expect(crossing.message == "transaction row limit exceeded")
    #expect(client.run("SELECT count(*) FROM row_cap").rows == [["3000"]])
    #expect(client.extended("INSERT INTO row_cap SELECT generate_series(3001, 6001)") == crossing)
    #expect(client.run("SELECT count(*) FROM row_cap").rows == [["3000"]])
  }

  @Test("rows of all statements of a block add up")
  func rowCapInBlock() throws {
    let client = try client("row_block")

    client.run("BEGIN")
    #expect(client.run("INSERT INTO row_block SELECT generate_series(1, 1500)").tag == "INSERT 0 1500")
    #expect(client.run("UPDATE row_block SET a = 'x' WHERE id <= 1000").tag == "UPDATE 1000")
    #expect(client.run("DELETE FROM row_block WHERE id <= 500").tag == "DELETE 500")
    #expect(client.run("DELETE FROM row_block WHERE id = 501").sqlState == "54000")
    #expect(client.run("SELECT 1").sqlState == "25P02")
    #expect(client.run("COMMIT").tag == "ROLLBACK")
    #expect(client.run("SELECT count(*) FROM row_block").rows == [["0"]])
    client.run("BEGIN")
    #expect(client.run("INSERT INTO row_block SELECT generate_series(1, 3000)").tag == "INSERT 0 3000")
    #expect(client.run("COMMIT").tag == "COMMIT")
  }

  @Test("rows that are only locked have a limit of their own")
  func lockedRows() throws {
    let client = try client("locked", "id int PRIMARY KEY")
    client.run("INSERT INTO locked SELECT generate_series(1, 3000)")
    client.run("BEGIN")
    #expect(client.run("SELECT id FROM locked FOR UPDATE").rows.count == 3000)
    #expect(client.run("UPDATE locked SET id = -id WHERE id <= 3000").tag == "UPDATE 3000")
    #expect(client.run("SELECT id FROM locked WHERE id = -1 FOR UPDATE").message == "transaction row limit exceeded")
    client.run("ROLLBACK")
  }

  @Test("10 MiB are counted, and refused at COMMIT")
  func sizeCap() throws {
    let client = try client("size_cap")
    let value = String(repeating: "x", count: 1_000_000)

    client.run("BEGIN")
    for id in 1...11 {
      #expect(client.extended("INSERT INTO size_cap VALUES (\(id), $1)", [value]).tag == "INSERT 0 1")
    }
    let commit = client.run("COMMIT")

    #expect(commit.sqlState == "54000")
    #expect(commit.message == "transaction size limit 10mb exceeded")
    #expect(commit.detail == "Current transaction size 11mb > 10mb")
    #expect(client.transactionStatus == PQTRANS_IDLE)
    #expect(client.run("SELECT count(*) FROM size_cap").rows == [["0"]])
  }

  @Test("a row may be 2 MiB as stored")
  func rows() throws {
    let client = try client("row_size", "id int PRIMARY KEY, a bytea, b bytea, c bytea")
    let full = "decode(repeat('00', 1048576), 'hex')"
    #expect(client.run("INSERT INTO row_size VALUES (1, \(full))").tag == "INSERT 0 1")
    let tooLarge = client.run("INSERT INTO row_size VALUES (2, \(full), \(full), 'x')")
    #expect(tooLarge.sqlState == "54000")
    #expect(tooLarge.message == "maximum row size exceeded")
    #expect(client.run("UPDATE row_size SET b = a, c = a").message == "maximum row size exceeded")
    #expect(client.run("SELECT count(*) FROM pg_trigger WHERE NOT tgisinternal").rows == [["0"]])
  }

  @Test("ages are told by a clock that may run faster than time")
  func clock() async throws {
    let server = try ServerUnderTest {
      $0.clockRate = 50
      $0.sessionAgeMax = .seconds(10_000_000)
    }
    let client = try server.connect()
    client.run("BEGIN")
    client.run("SELECT 1")
    try await Task.sleep(for: .seconds(6.5))
    let answer = client.run("SELECT 1")
    #expect(answer.message == "transaction age limit of 300s exceeded")
    #expect(answer.detail?.hasPrefix("Current transaction age ") == true)
    #expect(answer.detail?.hasSuffix("s exceeds 300s") == true)
  }

  @Test("a transaction fails once it is too old, on its next statement or at COMMIT")
  func age() async throws {
    let server = try ServerUnderTest { $0.transactionAgeMax = .seconds(5) }
    try server.behind("CREATE TABLE t (id int)")
    let client = try server.connect()
    for next in ["SELECT 1", "COMMIT"] {
      client.run("BEGIN")
      client.run("INSERT INTO t VALUES (1)")
      try await Task.sleep(for: .milliseconds(5100))
      let answer = client.run(next)
      #expect(answer.sqlState == "54000")
      #expect(answer.message == "transaction age limit of 5s exceeded")
      #expect(answer.detail?.hasSuffix("s exceeds 5s") == true)
      client.run("ROLLBACK")
    }
    #expect(client.run("SELECT count(*) FROM t").rows == [["0"]])
  }

  @Test("one definition per transaction, and no writes beside it, in blocks and in query strings")
  func definitions() throws {
    // Of its own: the definitions of other tests would be noticed here.
    let server = try ServerUnderTest()
    try server.behind("CREATE TABLE ddl_rules (id int)")
    let client = try server.connect()
    let several = "multiple ddl statements not supported in a transaction"
    let mixed = "ddl and dml are not supported in the same transaction"
    let cases = [
      (["CREATE TABLE d1 (a int)", "CREATE TABLE d2 (a int)"], several),
      (["CREATE TABLE d1 (a int)", "GRANT SELECT ON ddl_rules TO PUBLIC"], several),
      (["CREATE TABLE d1 (a int)", "INSERT INTO ddl_rules VALUES (1)"], mixed),
      (["INSERT INTO ddl_rules VALUES (1)", "CREATE TABLE d1 (a int)"], mixed),
    ]
    for (statements, message) in cases {
      client.run("BEGIN")
      #expect(client.run(statements[0]).sqlState == nil)
      #expect(client.run(statements[1]).message == message)
      client.run("ROLLBACK")
      #expect(client.run(statements.joined(separator: "; ")).message == message)
      #expect(client.pipeline(statements).last?.message == message)
    }
    client.run("BEGIN")
    #expect(client.run("CREATE TABLE d1 (a int)").tag == "CREATE TABLE")
    #expect(client.run("SELECT 1").tag == "SELECT 1")
    #expect(client.run("ROLLBACK").tag == "ROLLBACK")
    #expect(client.run("SELECT count(*) FROM ddl_rules").rows == [["0"]])
    #expect(client.run("SELECT to_regclass('d1')").rows == [[nil]])
  }

  @Test("a query string's statements answer one by one, as one transaction")
  func queryString() throws {
    let server = try ServerUnderTest()
    try server.behind("CREATE TABLE strings (id int PRIMARY KEY, a text)")
    let client = try server.connect()

    let answers = client.all("INSERT INTO strings VALUES (1); SELECT 5; SELEC")
    #expect(answers.map(\.sqlState) == ["42601"])
    #expect(
      client.all("INSERT INTO strings VALUES (1); SELECT 5; SELECT 1/0; SELECT 6").map(\.description) == [
        "INSERT 0 1 []", "SELECT 1 [[Optional(\"5\")]]", "22012 division by zero",
      ])
    #expect(client.run("SELECT count(*) FROM strings").rows == [["0"]])
    let build = client.all("BEGIN; CREATE INDEX ASYNC ON strings (a); COMMIT")
    #expect(build.map(\.tag) == ["BEGIN", "CREATE INDEX", "COMMIT"])
    #expect(build[1].rows[0][0]?.count == 26)
    #expect(client.run("").sqlState == nil)
    #expect(client.run("SELECT 1").rows == [["1"]])
  }

  @Test("COPY counts as one write")
  func copy() throws {
    let client = try client("copies")
    let lines = (1...3000).map { "\($0)\tx\n" }.joined()

    #expect(client.copy("COPY copies FROM STDIN", lines).tag == "COPY 3000")
    #expect(client.copy("COPY copies (id) FROM STDIN", "1\n").sqlState == "23505")
    #expect(client.copy("COPY copies_b FROM STDIN", (1...3001).map { "\($0)\n" }.joined()).sqlState == "54000")
    #expect(
      client.run("SELECT (SELECT count(*) FROM copies), (SELECT count(*) FROM copies_b)").rows == [["3000", "0"]])
    #expect(client.copyOut("COPY (SELECT id, a FROM copies WHERE id < 3 ORDER BY id) TO STDOUT") == "1\tx\n2\tx\n")
    #expect(client.run("SELECT 1").rows == [["1"]])
  }

  @Test("rows that foreign keys change count too")
  func cascades() throws {
    let server = try ServerUnderTest()
    try server.behind(
      """
      CREATE TABLE parent (id int PRIMARY KEY);
      CREATE TABLE child (id int PRIMARY KEY, parent int REFERENCES parent ON DELETE CASCADE ON UPDATE CASCADE);
      INSERT INTO parent VALUES (1), (2);
      INSERT INTO child SELECT i, 1 FROM generate_series(1, 3000) i;
      INSERT INTO child SELECT i, 2 FROM generate_series(3001, 5999) i;
      """)
    let client = try server.connect()
    let crossing = "DELETE FROM parent WHERE id = 1"

    #expect(client.run(crossing).message == "transaction row limit exceeded")
    #expect(client.extended(crossing).message == "transaction row limit exceeded")
    client.run("BEGIN")
    #expect(client.run(crossing).message == "transaction row limit exceeded")
    #expect(client.run("SELECT 1").sqlState == "25P02")
    client.run("ROLLBACK")
    #expect(client.run("SELECT count(*) FROM child").rows == [["5999"]])
    #expect(client.run("DELETE FROM parent WHERE id = 2").tag == "DELETE 1")
    #expect(client.run("SELECT count(*) FROM child").rows == [["3000"]])
  }

  @Test("a value may be 1 MiB as stored: compressed text may be longer, random bytes may not")
  func values() throws {
    let client = try client("wide", "id int PRIMARY KEY, a text, b bytea, j jsonb")
    var random = SeededGenerator(seed: 7)
    let words = (0..<132_500).flatMap { _ in
      withUnsafeBytes(of: UInt64.random(in: 0...UInt64.max, using: &random)) { Array($0) }
    }
    // Letters, two of three bits random.
    let noise = String(decoding: words.map { $0 & 63 | 64 }.map { $0 == 92 ? 91 : $0 }, as: UTF8.self)
    let message = "datatype limit greater than 1048576 bytes not supported for"

    #expect(client.extended("INSERT INTO wide VALUES (1, $1)", [noise]).message == "\(message) text")
    #expect(client.run("INSERT INTO wide VALUES (1, '\(noise)')").message == "\(message) text")
    let repeated = String(repeating: "x", count: 2_000_000)
    #expect(client.extended("INSERT INTO wide VALUES (1, $1)", [repeated]).tag == "INSERT 0 1")
    #expect(client.run("INSERT INTO wide VALUES (2, '\(repeated)')").tag == "INSERT 0 1")
    #expect(client.extended("SELECT length($1)", [noise]).rows == [["1060000"]])
    #expect(
      client.run("INSERT INTO wide (id, b) VALUES (3, decode(repeat('00', 1048577), 'hex'))").message
        == "\(message) bytea")
    #expect(client.run("INSERT INTO wide (id, b) VALUES (3, decode(repeat('00', 1048576), 'hex'))").tag == "INSERT 0 1")
    #expect(client.run("INSERT INTO wide (id, j) VALUES (4, to_jsonb(repeat('x', 3000000)))").tag == "INSERT 0 1")
    #expect(client.run("UPDATE wide SET a = coalesce(a, '') || '\(noise)' WHERE id = 3").message == "\(message) text")
    #expect(client.run("UPDATE wide SET a = '\(noise)' WHERE id = 4").message == "\(message) text")
    try Self.server.get().behind("CREATE TABLE wide_keys (a text PRIMARY KEY)")
    let key = client.run("INSERT INTO wide_keys VALUES ('\(noise.prefix(9000))')")
    #expect(key.sqlState == "54000")
    #expect(key.message == "key size too large")
  }

  @Test("a message of 10 MiB closes the connection without a word")
  func hugeMessage() throws {
    let client = try client("huge")

    let answer = client.run("INSERT INTO huge VALUES (1, '\(String(repeating: "x", count: 10 << 20))')")

    #expect(answer.sqlState == nil)
    #expect(!client.isConnected)
  }

  @Test("any definition is noticed once by every other session, on a statement or at COMMIT")
  func catalogConflict() throws {
    let server = try ServerUnderTest()
    try server.behind("CREATE TABLE t (id int)")
    let definer = try server.connect()
    let reader = try server.connect()
    let writer = try server.connect()
    let stale = "schema has been updated by another transaction (OC001)"
    writer.run("BEGIN")
    writer.run("INSERT INTO t VALUES (1)")
    let snapshot = try server.connect()
    snapshot.run("BEGIN READ ONLY")
    snapshot.run("SELECT * FROM t")
    let untouched = try server.connect()
    untouched.run("BEGIN")

    #expect(definer.run("CREATE TABLE u (id int)").tag == "CREATE TABLE")

    #expect(definer.run("SELECT * FROM u").sqlState == nil)
    #expect(reader.run("SELECT 1").sqlState == nil)
    #expect(reader.run("SELECT * FROM t").message == stale)
    #expect(reader.run("SELECT * FROM t").sqlState == nil)
    #expect(snapshot.run("COMMIT").message == stale)
    #expect(untouched.run("COMMIT").tag == "COMMIT")
    let commit = writer.run("COMMIT")
    #expect(commit.sqlState == "40001")
    #expect(commit.message == stale)
    #expect(writer.transactionStatus == PQTRANS_IDLE)
    #expect(writer.run("SELECT count(*) FROM t").rows == [["0"]])
  }
}
