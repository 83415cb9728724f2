import CLibPQ
import Testing

@testable import DSQLEmulator

/// Overlapping writes of two sessions: nobody waits, the first to commit wins, the other's COMMIT fails.
@Suite struct ConflictTests {
  static let server = Result { try ServerUnderTest() }
  static let conflict = "change conflicts with another transaction (OC000)"

  /// Two sessions and a table with rows 1 to 3.
  func sessions(_ table: String) throws -> (Client, Client) {
    let server = try Self.server.get()
    try server.behind(
      """
      CREATE TABLE \(table) (id int PRIMARY KEY, a int, u int UNIQUE);
      INSERT INTO \(table) SELECT i, 0, i FROM generate_series(1, 3) i;
      CREATE TABLE \(table)_child (id int PRIMARY KEY, parent int REFERENCES \(table));
      """)
    return (try server.connect(), try server.connect())
  }

  func expectConflict(_ answer: Client.Answer, _ client: Client) {
    #expect(answer.sqlState == "40001")
    #expect(answer.message == Self.conflict)
    #expect(client.transactionStatus == PQTRANS_IDLE)
    #expect(client.run("SELECT 1").rows == [["1"]])
  }

  @Test("writers of one row both succeed; who commits first wins", arguments: [true, false])
  func update(firstWriterCommitsFirst: Bool) throws {
    let table = "update_\(firstWriterCommitsFirst)"
    let (first, second) = try sessions(table)
    for (client, value) in [(first, 1), (second, 2)] {
      client.run("BEGIN")
      #expect(client.run("UPDATE \(table) SET a = \(value) WHERE id = 1").tag == "UPDATE 1")
    }
    let (winner, loser) = firstWriterCommitsFirst ? (first, second) : (second, first)

    #expect(winner.run("COMMIT").tag == "COMMIT")
    #expect(loser.run("UPDATE \(table) SET a = 9 WHERE id = 2").tag == "UPDATE 1")
    expectConflict(loser.run("COMMIT"), loser)

    #expect(
      loser.run("SELECT id, a FROM \(table) ORDER BY id").rows
        == [["1", firstWriterCommitsFirst ? "1" : "2"], ["2", "0"], ["3", "0"]])
  }

  @Test("by the extended protocol and in one flight it is the same", arguments: [true, false])
  func flight(firstWriterCommitsFirst: Bool) throws {
    let table = "flight_\(firstWriterCommitsFirst)"
    let (first, second) = try sessions(table)
    first.run("BEGIN")
    #expect(first.extended("UPDATE \(table) SET a = $1 WHERE id = 1", ["1"]).tag == "UPDATE 1")
    second.run("BEGIN")
    let upsert =
      "INSERT INTO \(table) SELECT i, 5 FROM unnest(array[1, 7]) i ON CONFLICT (id) DO UPDATE SET a = excluded.a"

    if firstWriterCommitsFirst {
      #expect(second.pipeline([upsert, "UPDATE \(table) SET a = 6 WHERE id = 3"]).map(\.sqlState) == [nil, nil])
      #expect(first.run("COMMIT").tag == "COMMIT")
      expectConflict(second.run("COMMIT"), second)
    } else {
      let answers = second.pipeline([upsert, "UPDATE \(table) SET a = 6 WHERE id = 3", "COMMIT"])
      #expect(answers.map(\.sqlState) == [nil, nil, nil])
      expectConflict(first.run("COMMIT"), first)
    }
    let expected = firstWriterCommitsFirst ? "1:1 2:0 3:0" : "1:5 2:0 3:6 7:5"
    let rows = first.run("SELECT string_agg(id || ':' || a, ' ' ORDER BY id) FROM \(table)").rows
    #expect(rows == [[expected]])
  }

  @Test("a writer outside a block does not wait for an open one, which then has lost")
  func autocommit() throws {
    let (open, alone) = try sessions("alone")
    open.run("BEGIN")
    open.run("UPDATE alone SET a = 1 WHERE id = 1")

    let start = ContinuousClock.now
    #expect(alone.run("UPDATE alone SET a = 2 WHERE id = 1").tag == "UPDATE 1")
    #expect(ContinuousClock.now - start < .seconds(5))

    expectConflict(open.run("COMMIT"), open)
    #expect(open.run("SELECT a FROM alone WHERE id = 1").rows == [["2"]])
  }

  @Test("a row that was committed after the snapshot conflicts too")
  func stale() throws {
    let (reader, writer) = try sessions("stale")
    reader.run("BEGIN")
    #expect(reader.run("SELECT a FROM stale WHERE id = 1").rows == [["0"]])
    writer.run("UPDATE stale SET a = 5 WHERE id = 1")

    #expect(reader.run("UPDATE stale SET a = a + 1 WHERE id = 1").tag == "UPDATE 1")

    expectConflict(reader.run("COMMIT"), reader)
    #expect(reader.run("SELECT a FROM stale WHERE id = 1").rows == [["5"]])
  }

  @Test("two inserts of one new key: the later COMMIT fails; a key that is visible is a duplicate")
  func inserts() throws {
    let (first, second) = try sessions("inserts")
    for client in [first, second] {
      client.run("BEGIN")
      #expect(client.run("INSERT INTO inserts VALUES (10, 1)").tag == "INSERT 0 1")
    }
    #expect(first.run("COMMIT").tag == "COMMIT")
    expectConflict(second.run("COMMIT"), second)

    second.run("BEGIN")
    second.run("SELECT count(*) FROM inserts")
    first.run("INSERT INTO inserts VALUES (11, 1, 99)")
    #expect(second.run("INSERT INTO inserts VALUES (12, 1, 99)").tag == "INSERT 0 1")
    expectConflict(second.run("COMMIT"), second)

    second.run("BEGIN")
    let duplicate = second.run("INSERT INTO inserts VALUES (11, 1)")
    #expect(duplicate.sqlState == "23505")
    #expect(duplicate.message == "duplicate key value violates unique constraint \"inserts_pkey\"")
    #expect(second.run("SELECT 1").sqlState == "25P02")
    #expect(second.run("COMMIT").tag == "ROLLBACK")
  }

  @Test("FOR UPDATE takes part without waiting, and still reads")
  func forUpdate() throws {
    let (first, second) = try sessions("locks")
    first.run("BEGIN")
    #expect(first.run("SELECT a FROM locks WHERE id = 1 FOR UPDATE").rows == [["0"]])
    second.run("BEGIN")
    #expect(second.run("UPDATE locks SET a = 1 WHERE id = 1").tag == "UPDATE 1")
    #expect(first.run("COMMIT").tag == "COMMIT")
    expectConflict(second.run("COMMIT"), second)

    first.run("BEGIN")
    first.run("UPDATE locks SET a = 2 WHERE id = 2")
    for run in [second.run, { second.extended($0) }] {
      second.run("BEGIN")
      #expect(run("SELECT id, a FROM locks WHERE id > 1 ORDER BY id FOR UPDATE").rows == [["2", "0"], ["3", "0"]])
      if run("SELECT 1").sqlState != nil { Issue.record("the block is aborted") }
      second.run("ROLLBACK")
    }
    second.run("BEGIN")
    second.run("SELECT a FROM locks WHERE id = 2 FOR UPDATE")
    #expect(first.run("COMMIT").tag == "COMMIT")
    expectConflict(second.run("COMMIT"), second)
  }

  @Test("foreign keys: deleting a parent conflicts with a new child, changing its other columns does not")
  func foreignKeys() throws {
    let (first, second) = try sessions("parents")
    first.run("BEGIN")
    first.run("DELETE FROM parents WHERE id = 1")
    second.run("BEGIN")
    #expect(second.run("INSERT INTO parents_child VALUES (1, 1)").tag == "INSERT 0 1")
    #expect(first.run("COMMIT").tag == "COMMIT")
    expectConflict(second.run("COMMIT"), second)

    first.run("BEGIN")
    first.run("UPDATE parents SET a = 5 WHERE id = 2")
    second.run("BEGIN")
    #expect(second.run("INSERT INTO parents_child VALUES (2, 2)").tag == "INSERT 0 1")
    #expect(first.run("COMMIT").tag == "COMMIT")
    #expect(second.run("COMMIT").tag == "COMMIT")
  }

  @Test("disjoint rows do not conflict; a rolled back writer has not won")
  func noConflict() throws {
    let (first, second) = try sessions("disjoint")
    first.run("BEGIN")
    first.run("UPDATE disjoint SET a = 1 WHERE id = 1")
    second.run("BEGIN")
    second.run("UPDATE disjoint SET a = 2 WHERE id = 2")
    #expect(first.run("COMMIT").tag == "COMMIT")
    #expect(second.run("COMMIT").tag == "COMMIT")

    first.run("BEGIN")
    first.run("UPDATE disjoint SET a = 3 WHERE id = 3")
    second.run("BEGIN")
    #expect(second.run("UPDATE disjoint SET a = 4 WHERE id = 3").tag == "UPDATE 1")
    first.run("ROLLBACK")
    #expect(second.run("UPDATE disjoint SET a = a * 10 WHERE id = 3").tag == "UPDATE 1")
    #expect(second.run("COMMIT").tag == "COMMIT")
    #expect(second.run("SELECT a FROM disjoint ORDER BY id").rows == [["1"], ["2"], ["40"]])
  }

  @Test("a definition does not wait for writers, who then find the catalog changed")
  func definition() throws {
    let server = try ServerUnderTest()
    try server.behind("CREATE TABLE defined (id int PRIMARY KEY, a int); INSERT INTO defined VALUES (1, 0)")
    let (definer, writer) = (try server.connect(), try server.connect())
    writer.run("BEGIN")
    writer.run("UPDATE defined SET a = 1 WHERE id = 1")

    #expect(definer.run("ALTER TABLE defined ADD COLUMN b int").tag == "ALTER TABLE")

    let commit = writer.run("COMMIT")
    #expect(commit.sqlState == "40001")
    #expect(commit.message == "schema has been updated by another transaction (OC001)")
    #expect(writer.run("SELECT a, b FROM defined WHERE id = 1").rows == [["0", nil]])
  }

  @Test("writers do not keep an index from being built, nor lose to it for good")
  func indexUnderWriters() async throws {
    let server = try ServerUnderTest()
    try server.behind(
      "CREATE TABLE busy (id int PRIMARY KEY, a int); INSERT INTO busy SELECT i, i FROM generate_series(1, 300000) i")
    let clients = [try server.connect(), try server.connect()]
    let builder = try server.connect()
    let failures = await withTaskGroup(of: Int.self) { group in
      for (number, client) in clients.enumerated() {
        nonisolated(unsafe) let client = client
        group.addTask {
          (0..<100).count { round in
            let id = number * 1000 + round
            let answers = client.pipeline(["BEGIN", "UPDATE busy SET a = 0 WHERE id = \(id + 1)", "COMMIT"])
            if client.transactionStatus == PQTRANS_INERROR { client.run("ROLLBACK") }
            return answers.last?.tag != "COMMIT"
          }
        }
      }
      nonisolated(unsafe) let builder = builder
      group.addTask { builder.run("CREATE INDEX ASYNC ON busy (a)").tag == "CREATE INDEX" ? 0 : 1000 }
      return await group.reduce(0, +)
    }

    #expect(failures < 20)
    #expect(try server.behind("SELECT count(*) FROM busy WHERE a = 0") == "\(200 - failures)")
  }

  @Test("transfers between accounts under contention keep the sum, and every session makes progress")
  func contention() async throws {
    let (first, second) = try sessions("transfers")
    let clients = [first, second, try Self.server.get().connect(), try Self.server.get().connect()]
    let done = await withTaskGroup(of: Int.self) { group in
      for (number, client) in clients.enumerated() {
        nonisolated(unsafe) let client = client
        group.addTask {
          var commits = 0
          for round in 0..<30 {
            let (from, to) = ((number + round) % 3 + 1, (number + round * 2 + 1) % 3 + 1)
            client.run("BEGIN")
            client.run("UPDATE transfers SET a = a - 1 WHERE id = \(from)")
            client.run("UPDATE transfers SET a = a + 1 WHERE id = \(to)")
            let answer = client.run("COMMIT")
            if answer.tag == "COMMIT" { commits += 1 } else if answer.sqlState != "40001" { return -1000 }
          }
          return commits
        }
      }
      return await group.reduce(into: []) { $0.append($1) }
    }

    #expect(done.allSatisfy { $0 > 0 }, "\(done)")
    #expect(first.run("SELECT sum(a) FROM transfers").rows == [["0"]])
  }

  @Test(
    "a duplicate's key is read from the error",
    arguments: [
      ("Key (id)=(1) already exists.", "SELECT EXISTS (SELECT FROM \"s\".\"t\" WHERE (id) = ('1'))"),
      ("Key (a, b)=(x, it's) already exists.", "SELECT EXISTS (SELECT FROM \"s\".\"t\" WHERE (a, b) = ('x', 'it''s'))"),
      ("Key (a, b)=(x, y, z) already exists.", nil), ("Key is hidden", nil),
    ])
  func probe(detail: String, sql: String?) {
    let fields = Array("ss\u{0}tt\u{0}D\(detail)\u{0}\u{0}".utf8)

    #expect(Relay.probe(forDuplicate: ErrorFields(body: fields)) == sql)
  }
}
