import ChangeModel
import PenstockTestKit
import Postgres
import PostgresSource
import Testing

@Suite("pgoutput as a real server writes it")
struct PgoutputTests {
  /// What each column of `everything` must look like: the output of the type's own function, by row.
  private func printed(_ source: SourceDatabase, binary: Bool) throws -> [[Decoded.Value]] {
    let functions = try source.session.query(
      """
      SELECT t.typoutput::text, t.typsend::text FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
      WHERE a.attrelid = 'everything'::regclass AND a.attnum > 0 ORDER BY a.attnum
      """
    ).values
    let names = ["id"] + everyType.indices.map { "v\($0)" }
    let columns = zip(names, functions).map { name, function in
      if binary, function[1] != "-" { return "'b' || encode(\(function[1]!)(\(name)), 'hex')" }
      return "'t' || textin(\(function[0]!)(\(name)))"
    }
    let rows = try source.session.query("SELECT \(columns.joined(separator: ", ")) FROM everything ORDER BY id")
    return rows.values.map { row in
      row.map { value in
        guard let value else { return .null }
        return value.first == "b" ? .binary(unhex(String(value.dropFirst()))) : .text(String(value.dropFirst()))
      }
    }
  }

  @Test("every value of every type arrives as the type prints or sends it", arguments: [false, true])
  func everyTypeArrives(binary: Bool) throws {
    let source = try SourceDatabase(everyTypeSetup + everyTypeTable)
    try source.session.query("BEGIN; \(everyTypeInsert); COMMIT")

    let decoded = try source.messages(binary: binary).map(Decoded.init)
    let expected = try printed(source, binary: binary)

    let inserts = decoded.filter { $0.word == "insert" }
    #expect(inserts.count == expected.count)
    for (insert, row) in zip(inserts, expected) {
      for (column, (found, wanted)) in zip(insert.new, row).enumerated() {
        #expect(found == wanted, "column \(column): \(column == 0 ? "id" : everyType[column - 1].type)")
      }
      #expect(insert.new.count == everyType.count + 1)
    }
    let relations = decoded.compactMap { if case .relation(let relation) = $0.message { relation } else { nil } }
    // A server may describe a relation again, such as after an ANALYZE by itself.
    #expect(Set(relations.map { $0.columns.map(\.name) }).count == 1)
    #expect(relations[0].name == TableName("public", "everything"))
    #expect(relations[0].columns.map(\.name) == ["id"] + everyType.indices.map { "v\($0)" })
    #expect(relations[0].columns.map(\.isKey) == [true] + everyType.map { _ in false })
    #expect(relations[0].columns[1].typeOID == 16)
    #expect(decoded.contains { $0.word == "skipped" }, "types that users made are described")
  }

  private let long = "(SELECT string_agg(md5(i::text), '') FROM generate_series(1, 300) i)"

  private func fixture() throws -> SourceDatabase {
    try SourceDatabase(
      """
      CREATE TABLE plain (id int PRIMARY KEY, v text, big text);
      CREATE TABLE whole (id int, v text); ALTER TABLE whole REPLICA IDENTITY FULL;
      CREATE TABLE other (id int PRIMARY KEY); CREATE UNLOGGED TABLE quiet (id int);
      """)
  }

  @Test("an update tells its key only when it changed, and leaves out TOAST that did not")
  func updates() throws {
    let source = try fixture()
    try source.session.query("INSERT INTO plain VALUES (1, 'a', \(long))")
    try source.session.query("UPDATE plain SET v = 'b'")
    try source.session.query("UPDATE plain SET id = 2")
    try source.session.query("UPDATE plain SET big = NULL")
    try source.session.query("DELETE FROM plain")

    let decoded = try source.messages().map(Decoded.init)
    let changes = decoded.filter { !["begin", "commit"].contains($0.word) }
    #expect(
      changes.map(\.word) == [
        "relation plain", "insert", "update", "update with key tuple", "update", "delete by key tuple",
      ])
    #expect(changes[2].new == [.text("1"), .text("b"), .unchanged])
    #expect(changes[3].old == [.text("1"), .null, .null])
    #expect(changes[3].new == [.text("2"), .text("b"), .unchanged])
    #expect(changes[4].new == [.text("2"), .text("b"), .null])
    #expect(changes[5].old == [.text("2"), .null, .null])
  }

  @Test("under REPLICA IDENTITY FULL updates and deletes tell the whole old row")
  func fullIdentity() throws {
    let source = try fixture()
    try source.session.query("INSERT INTO whole VALUES (1, \(long)), (NULL, NULL)")
    try source.session.query("UPDATE whole SET id = 5 WHERE id = 1")
    try source.session.query("DELETE FROM whole")

    let changes = try source.messages().map(Decoded.init).filter { !["begin", "commit"].contains($0.word) }
    #expect(
      changes.map(\.word) == [
        "relation whole", "insert", "insert", "update with full tuple", "delete by full tuple", "delete by full tuple",
      ])
    #expect(changes[3].old == changes[1].new)
    #expect(changes[3].new[0] == .text("5"))
    #expect(Set(changes[4...5].map { "\($0.old[0])" }) == ["5", "NULL"])
  }

  @Test("transactions come whole, in commit order, with positions that only grow")
  func transactions() throws {
    let source = try fixture()
    try source.session.query("INSERT INTO other VALUES (1)")
    try source.session.query("BEGIN; INSERT INTO other VALUES (2); DELETE FROM other WHERE id = 1; COMMIT")
    try source.session.query("BEGIN; INSERT INTO other VALUES (3); ROLLBACK")
    // An empty one for the publication: servers before 15 send its frame.
    try source.session.query("INSERT INTO quiet VALUES (1)")

    let decoded = try source.messages().map(Decoded.init)
    var ends: [LSN] = []
    for one in decoded {
      switch one.message {
      case .begin(let commitLSN, let time, _):
        #expect(commitLSN > ends.last ?? .zero)
        #expect(time > 700_000_000_000_000)
        ends.append(commitLSN)
      case .commit(let end):
        #expect(end > ends.last!)
        ends.append(end)
      default: break
      }
    }
    let changes = decoded.filter { !["begin", "commit"].contains($0.word) }
    #expect(changes.map(\.word) == ["relation other", "insert", "insert", "delete by key tuple"])
  }

  @Test("a truncation names all its tables")
  func truncate() throws {
    let source = try fixture()
    try source.session.query("TRUNCATE plain, whole, other RESTART IDENTITY CASCADE")
    let words = try source.messages().map(Decoded.init).map(\.word)
    #expect(words.filter { $0.hasPrefix("relation") }.count == 3)
    #expect(words.contains("truncate 3"))
  }

  @Test("a changed table is described again before its next change")
  func relationChange() throws {
    let source = try fixture()
    try source.session.query("INSERT INTO plain VALUES (1, 'a', 'b')")
    try source.session.query("ALTER TABLE plain ADD COLUMN more int DEFAULT 7")
    try source.session.query("INSERT INTO plain VALUES (2, 'a', 'b', NULL)")
    try source.session.query("ALTER TABLE plain DROP COLUMN v")
    try source.session.query("UPDATE plain SET big = 'c' WHERE id = 1")

    let decoded = try source.messages().map(Decoded.init)
    let columns = decoded.compactMap { one in
      if case .relation(let relation) = one.message { relation.columns.map(\.name) } else { nil }
    }
    #expect(columns == [["id", "v", "big"], ["id", "v", "big", "more"], ["id", "big", "more"]])
    #expect(decoded.last { $0.word == "update" }?.new == [.text("1"), .text("c"), .text("7")])
  }

  @Test("logical messages and origins are passed over")
  func skipped() throws {
    let source = try fixture()
    let origin = "origin_of_\(source.settings["dbname"]!)"
    try source.session.query("SELECT pg_replication_origin_create('\(origin)')")
    try source.session.query("SELECT pg_replication_origin_session_setup('\(origin)')")
    try source.session.query(
      """
      BEGIN; SELECT pg_replication_origin_xact_setup('0/1', now()); SELECT pg_logical_emit_message(true, 'a', 'b');
      INSERT INTO other VALUES (1); COMMIT; SELECT pg_logical_emit_message(false, 'c', '')
      """)
    try source.session.query(
      "SELECT pg_replication_origin_session_reset(); SELECT pg_replication_origin_drop('\(origin)')")

    let messages = try source.messages(logical: true)
    #expect(messages.filter { $0.first == UInt8(ascii: "M") }.count == 2)
    #expect(messages.contains { $0.first == UInt8(ascii: "O") })
    let words = try messages.map { try Decoded($0).word }
    #expect(words.filter { $0 == "skipped" }.count == 3)
    #expect(words.filter { !["skipped", "begin", "commit"].contains($0) } == ["relation other", "insert"])
  }
}
