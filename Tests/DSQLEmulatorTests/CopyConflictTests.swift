import PenstockTestKit
import Testing

/// COPY beside other sessions' writes: like every other statement it succeeds, and COMMIT decides.
@Suite struct CopyConflictTests {
  static let server = Result { try ServerUnderTest() }
  static let conflict = "change conflicts with another transaction (OC000)"

  func sessions(_ table: String) throws -> (Client, Client) {
    let server = try Self.server.get()
    try server.behind("CREATE TABLE \(table) (id int PRIMARY KEY, a text)")
    return (try server.connect(), try server.connect())
  }

  /// Rows from 1 on.
  func rows(_ count: Int, width: Int = 5) -> String {
    (1...count).map { "\($0)\t\(String(repeating: "x", count: width))\n" }.joined()
  }

  enum End: String, CaseIterable {
    case commitsFirst, rollsBack, commitsLater
  }

  @Test(
    "a COPY that meets an open transaction's row succeeds at once, however long it is",
    arguments: End.allCases, [(rows: 3, width: 5, extended: false), (2999, 1000, false), (2999, 1000, true)])
  func meets(_ end: End, _ copy: (rows: Int, width: Int, extended: Bool)) throws {
    let table = "meets_\(end)_\(copy.rows)_\(copy.extended)".lowercased()
    let (client, other) = try sessions(table)
    other.run("BEGIN")
    other.run("INSERT INTO \(table) VALUES (1, 'other')")

    client.run("BEGIN")
    let answer = client.copy(
      "COPY \(table) FROM STDIN", rows(copy.rows, width: copy.width), extended: copy.extended)
    #expect(answer.tag.hasPrefix("COPY "), "\(answer)")
    #expect(client.run("SELECT 1").rows == [["1"]])
    switch end {
    case .commitsFirst: #expect(other.run("COMMIT").tag == "COMMIT")
    case .rollsBack: #expect(other.run("ROLLBACK").tag == "ROLLBACK")
    case .commitsLater: break
    }
    let commit = client.run("COMMIT")

    #expect(commit.message == (end == .commitsFirst ? Self.conflict : nil))
    if end == .commitsLater { #expect(other.run("COMMIT").message == Self.conflict) }
    let expected = end == .commitsFirst ? ["1", "other"] : ["\(copy.rows)", String(repeating: "x", count: copy.width)]
    #expect(client.run("SELECT count(*), min(a) FROM \(table)").rows == [expected])
  }

  @Test("a COPY of a key that was committed after the snapshot conflicts at COMMIT; a visible one is a duplicate")
  func stale() throws {
    let (client, other) = try sessions("stale_copy")
    client.run("BEGIN")
    client.run("SELECT count(*) FROM stale_copy")
    other.run("INSERT INTO stale_copy VALUES (2, 'other')")

    #expect(client.copy("COPY stale_copy FROM STDIN", rows(3)).tag.hasPrefix("COPY "))
    #expect(client.run("COMMIT").message == Self.conflict)

    client.run("BEGIN")
    #expect(client.copy("COPY stale_copy FROM STDIN", rows(3)).sqlState == "23505")
    #expect(client.run("SELECT 1").sqlState == "25P02")
    client.run("ROLLBACK")
    #expect(client.run("SELECT count(*) FROM stale_copy").rows == [["1"]])
  }

  @Test("a long COPY outside a block wins over an open transaction")
  func alone() throws {
    let (client, other) = try sessions("alone_copy")
    other.run("BEGIN")
    other.run("INSERT INTO alone_copy VALUES (1, 'other')")

    #expect(client.copy("COPY alone_copy FROM STDIN", rows(2999, width: 1000)).tag == "COPY 2999")

    #expect(other.run("COMMIT").message == Self.conflict)
    #expect(client.run("SELECT count(*) FROM alone_copy").rows == [["2999"]])
  }

  @Test(
    "a COPY that its client gives up fails with its client's words, also beside another's row",
    arguments: [false, true])
  func givenUp(meets: Bool) throws {
    let (client, other) = try sessions("given_up_\(meets)")
    other.run("BEGIN")
    if meets { other.run("INSERT INTO given_up_true VALUES (1, 'other')") }

    client.run("BEGIN")
    let answer = client.copy("COPY given_up_\(meets) FROM STDIN", rows(2999, width: 1000), giveUp: "no more")
    #expect(answer.sqlState == "57014")
    #expect(answer.message == "COPY from stdin failed: no more")
    #expect(client.run("SELECT 1").sqlState == "25P02")
    #expect(client.run("ROLLBACK").tag == "ROLLBACK")
    #expect(other.run("COMMIT").tag == "COMMIT")
  }

  @Test("a statement whose client has left is carried out to its end")
  func leaves() async throws {
    let server = try Self.server.get()
    try server.behind("CREATE TABLE left_alone (n bigint)")
    var client: Client? = try server.connect()

    client?.send("INSERT INTO left_alone SELECT count(*) FROM generate_series(1, 2000000)")
    client = nil

    try await eventually("its row") { try server.behind("SELECT n FROM left_alone") == "2000000" }
  }
}
