import CLibPQ
import DSQLEmulator
import Testing

/// Several statements in one flight, as libpq's pipeline mode sends them.
@Suite struct PipelineTests {
  static let server = Result { try ServerUnderTest() }

  func client(_ table: String) throws -> Client {
    let server = try Self.server.get()
    try server.behind("CREATE TABLE \(table) (id int PRIMARY KEY, a text); INSERT INTO \(table) VALUES (0, 'position')")
    return try server.connect()
  }

  func flight(_ table: String, rows: Int = 1000) -> [String] {
    let insert = "INSERT INTO \(table) SELECT i, 'x' FROM unnest"
    return [
      "BEGIN",
      "\(insert)(array(SELECT generate_series(1, \(rows)))) i ON CONFLICT (id) DO UPDATE SET a = excluded.a",
      "\(insert)(array(SELECT generate_series(\(rows + 1), \(2 * rows - 1)))) i",
      "UPDATE \(table) SET a = 'moved' WHERE id = 0", "COMMIT",
    ]
  }

  @Test("a transaction in one flight commits")
  func commits() throws {
    let client = try client("flight")

    let answers = client.pipeline(flight("flight", rows: 1500))

    #expect(answers.map(\.tag) == ["BEGIN", "INSERT 0 1500", "INSERT 0 1499", "UPDATE 1", "COMMIT"])
    #expect(client.run("SELECT count(*), min(a) FROM flight").rows == [["3000", "moved"]])
  }

  @Test("the statement that crosses the row cap fails, the rest is skipped")
  func rowCap() throws {
    let client = try client("flight_cap")

    let answers = client.pipeline(flight("flight_cap", rows: 2000))

    #expect(answers.map(\.sqlState) == [nil, nil, "54000", nil, nil])
    #expect(answers[3...].map(\.tag) == ["aborted", "aborted"])
    #expect(client.transactionStatus == PQTRANS_INERROR)
    client.run("ROLLBACK")
    #expect(client.run("SELECT count(*) FROM flight_cap").rows == [["1"]])
  }

  @Test("a refused statement in a flight aborts the block, one that the backend refuses too")
  func refusals() throws {
    let client = try client("flight_refused")
    for (bad, state) in [("TRUNCATE flight_refused", "0A000"), ("SELECT nothing", "42703"), ("SELECT 1/0", "22012")] {
      let answers = client.pipeline(["BEGIN", "INSERT INTO flight_refused VALUES (1)", bad, "COMMIT"])
      #expect(answers.map(\.sqlState) == [nil, nil, state, nil])
      #expect(client.run("SELECT 1").sqlState == "25P02")
      #expect(client.run("COMMIT").tag == "ROLLBACK")
    }
    #expect(client.run("SELECT count(*) FROM flight_refused").rows == [["1"]])
  }

  @Test("without BEGIN, what stands before one Sync is one transaction")
  func implicit() throws {
    let client = try client("flight_implicit")
    let insert = "INSERT INTO flight_implicit SELECT generate_series"

    let crossing = client.pipeline(["\(insert)(1, 2000)", "\(insert)(2001, 4000)", "SELECT 1"])
    #expect(crossing.map(\.sqlState) == [nil, "54000", nil])
    #expect(client.transactionStatus == PQTRANS_IDLE)
    #expect(client.run("SELECT count(*) FROM flight_implicit").rows == [["1"]])

    #expect(client.pipeline(["\(insert)(1, 1000)", "\(insert)(1001, 2000)"]).map(\.sqlState) == [nil, nil])
    #expect(client.run("SELECT count(*) FROM flight_implicit").rows == [["2001"]])
  }

  @Test("many small writes in one flight each get their own answer, and the one that fails fails alone")
  func smallWrites() throws {
    let client = try client("small")
    func inserts(_ range: ClosedRange<Int>) -> [String] {
      range.map { "INSERT INTO small VALUES (\($0), 'a') RETURNING id" }
    }

    let good = client.pipeline(["BEGIN"] + inserts(1...2000) + ["UPDATE small SET a = 'b' WHERE id > 1999", "COMMIT"])
    #expect(good.compactMap(\.sqlState) == [])
    #expect(good[1...2000].map { $0.rows.first?.first } == (1...2000).map { "\($0)" })
    #expect(good.suffix(2).map(\.tag) == ["UPDATE 1", "COMMIT"])

    for begin in [["BEGIN"], []] {
      let duplicate = client.pipeline(begin + inserts(3001...3500) + inserts(7...7) + inserts(3501...3510))
      #expect(duplicate.firstIndex { $0.sqlState != nil } == begin.count + 500)
      #expect(duplicate[begin.count + 500].sqlState == "23505")
      #expect(duplicate.suffix(10).allSatisfy { $0.tag == "aborted" })
      #expect(client.run("SELECT 1").sqlState == (begin.isEmpty ? nil : "25P02"))
      client.run("ROLLBACK")

      let crossing = client.pipeline(begin + inserts(4001...7010))
      #expect(crossing.firstIndex { $0.sqlState != nil } == begin.count + 3000)
      #expect(crossing[begin.count + 3000].message == "transaction row limit exceeded")
      client.run("ROLLBACK")
    }
    #expect(client.run("SELECT count(*) FROM small").rows == [["2001"]])
  }

  @Test("small writes that meet another transaction's do so alone, and the others stay", arguments: [true, false])
  func smallConflicts(otherCommitsFirst: Bool) throws {
    let table = "met_\(otherCommitsFirst)"
    let (client, other) = (try client(table), try Self.server.get().connect())
    other.run("BEGIN")
    other.run("UPDATE \(table) SET a = 'other' WHERE id = 0")
    let updates = (1...50).map { "INSERT INTO \(table) VALUES (\($0), 'mine')" }
    let flight = updates + ["UPDATE \(table) SET a = 'mine' WHERE id = 0"] + ["DELETE FROM \(table) WHERE id = 50"]

    #expect(client.pipeline(["BEGIN"] + flight).compactMap(\.sqlState) == [])
    if otherCommitsFirst { #expect(other.run("COMMIT").tag == "COMMIT") }
    #expect(client.run("COMMIT").sqlState == (otherCommitsFirst ? "40001" : nil))
    #expect(other.run("COMMIT").sqlState == (otherCommitsFirst ? nil : "40001"))

    let rows = client.run("SELECT count(*), max(a) FILTER (WHERE id = 0) FROM \(table)").rows
    #expect(rows == [otherCommitsFirst ? ["1", "other"] : ["50", "mine"]])
  }

  @Test("a refused COMMIT rolls back, and the session goes on")
  func refusedCommit() throws {
    let server = try ServerUnderTest { $0.faults.conflict = 1 }
    try server.behind("CREATE TABLE flight (id int PRIMARY KEY, a text)")
    let client = try server.connect()

    for answers in [client.pipeline(flight("flight")), client.all("BEGIN; INSERT INTO flight VALUES (9); COMMIT")] {
      let commit = answers.last
      #expect(commit?.sqlState == "40001")
      #expect(commit?.message == "change conflicts with another transaction (OC000)")
      #expect(client.transactionStatus == PQTRANS_IDLE)
    }
    let alone = client.all("INSERT INTO flight VALUES (1)")
    #expect(alone.map(\.sqlState) == ["40001"])
    #expect(client.extended("INSERT INTO flight VALUES (1)").sqlState == "40001")
    #expect(client.run("SELECT count(*) FROM flight").rows == [["0"]])
    #expect(client.run("BEGIN; SELECT 1; COMMIT").tag == "COMMIT")
  }

  @Test("a connection cut after COMMIT has committed, one cut before has not", arguments: [true, false])
  func cuts(after: Bool) throws {
    let server = try ServerUnderTest {
      if after { $0.faults.cutAfterCommit = 1 } else { $0.faults.cutBeforeCommit = 1 }
    }
    try server.behind("CREATE TABLE flight (id int PRIMARY KEY, a text)")

    let client = try server.connect()
    #expect(client.pipeline(flight("flight")).last?.tag != "COMMIT")
    #expect(!client.isConnected)
    #expect(try server.behind("SELECT count(*) FROM flight") == (after ? "1999" : "0"))

    let alone = try server.connect()
    #expect(alone.run("INSERT INTO flight VALUES (9999)").tag == "")
    #expect(try server.behind("SELECT count(*) FROM flight WHERE id = 9999") == (after ? "1" : "0"))
    #expect(try server.connect().run("SELECT 1").rows == [["1"]])
  }

  @Test("server unavailable leaves the session usable")
  func unavailable() throws {
    let server = try ServerUnderTest { $0.faults.unavailable = 1 }
    try server.behind("CREATE TABLE t (id int)")
    let client = try server.connect()

    let answer = client.run("INSERT INTO t VALUES (1)")

    #expect(answer.sqlState == "XX000")
    #expect(answer.message == "server unavailable")
    #expect(client.run("SELECT 1").rows == [["1"]])
  }

  @Test("server unavailable at COMMIT leaves no transaction")
  func unavailableCommit() throws {
    let server = try ServerUnderTest {
      $0.faults.unavailable = 0.4
      $0.seed = 3
    }
    try server.behind("CREATE TABLE t (id int)")
    let client = try server.connect()
    var commits = 0
    var failed = 0
    for _ in 0..<40 {
      client.run("BEGIN")
      guard client.run("INSERT INTO t VALUES (1)").sqlState == nil else {
        client.run("ROLLBACK")
        continue
      }
      let answer = client.run("COMMIT")
      if answer.sqlState == "XX000" { failed += 1 } else { commits += 1 }
      #expect(client.transactionStatus == PQTRANS_IDLE)
    }
    #expect(commits > 0 && failed > 0)
    #expect(try server.behind("SELECT count(*) FROM t") == "\(commits)")
  }
}
