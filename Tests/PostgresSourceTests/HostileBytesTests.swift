import Apply
import ChangeModel
import ChangeTestKit
import PenstockTestKit
import Postgres
import SQLMapping
import Testing

@testable import PostgresSource

/// One message of every kind, with every type, in both protocols; from a real server.
private let samples: Result<[[UInt8]], any Error> = Result {
  let source = try SourceDatabase(everyTypeSetup + everyTypeTable + "; CREATE TABLE whole (a int, b text)")
  try source.session.query("ALTER TABLE whole REPLICA IDENTITY FULL")
  try source.session.query("BEGIN; \(everyTypeInsert); COMMIT")
  try source.session.query("UPDATE everything SET id = -id - 1; DELETE FROM everything WHERE id = -1")
  try source.session.query("INSERT INTO whole VALUES (1, 'x'), (2, NULL); UPDATE whole SET a = 3; DELETE FROM whole")
  try source.session.query("TRUNCATE whole, everything; SELECT pg_logical_emit_message(true, 'a', 'b')")
  return try source.messages(logical: true) + source.messages(binary: true)
}

@Suite("Damaged replication messages are errors, never traps")
struct HostileBytesTests {
  private func isSkipped(_ bytes: some Collection<UInt8>) -> Bool {
    [UInt8(ascii: "O"), UInt8(ascii: "Y"), UInt8(ascii: "M")].contains(bytes.first)
  }

  @Test("a message cut at any byte, or one byte too long, is refused")
  func truncated() throws {
    var reader = PgoutputReader()
    for message in try samples.get() where !isSkipped(message) {
      // Every byte of small messages; of large ones the ends and every 7th.
      for count in message.indices where message.count < 4000 || count % 7 == 0 || message.count - count < 50 {
        message[..<count].withUnsafeBytes { bytes in
          _ = #expect(throws: PgoutputError.self) { _ = try reader.read(bytes) }
        }
      }
      (message + [0]).withUnsafeBytes { bytes in
        _ = #expect(throws: PgoutputError.self) { _ = try reader.read(bytes) }
      }
    }
  }

  @Test("random changes of real messages, and random bytes, are read or refused", arguments: 0..<12)
  func mutated(seed: UInt64) throws {
    var random = SeededGenerator(seed: seed)
    let messages = try samples.get()
    var read = 0
    for _ in 0..<1500 {
      var bytes = messages.randomElement(using: &random)!
      if Int.random(in: 0..<10, using: &random) == 0 {
        bytes = (0..<Int.random(in: 0...60, using: &random)).map { _ in UInt8.random(in: 0...255, using: &random) }
        if !bytes.isEmpty, let tag = "IUDBCRT".utf8.randomElement(using: &random) { bytes[0] = tag }
      }
      for _ in 0..<Int.random(in: 1...4, using: &random) where !bytes.isEmpty {
        let place = Int.random(in: 0..<min(bytes.count, 200), using: &random)
        bytes[place] = [0, 1, 127, 128, 255, bytes[place] ^ 1].randomElement(using: &random)!
      }
      if Int.random(in: 0..<4, using: &random) == 0 {
        bytes.removeLast(Int.random(in: 0...bytes.count, using: &random))
      }
      if (try? Decoded(bytes)) != nil { read += 1 }
    }
    #expect(read > 0, "seed \(seed)")
  }

  /// A table of three columns with a key behind, and its relation with the columns in another order.
  private func route(_ conversions: [Int: ValueConversion] = [:]) throws -> RelationRoute {
    let plan = tablePlan(["text", "int4", "numeric"], key: [1, 2], conversions: conversions)
    let relation = RelationMessage(
      id: 1, name: TableName("public", "t"),
      columns: [
        .init(name: "c2", typeOID: 1700, isKey: true), .init(name: "c0", typeOID: 25, isKey: false),
        .init(name: "c1", typeOID: 23, isKey: true),
      ])
    return try RelationRoute(relation, plan, isOlder: false)
  }

  @Test("any tuple becomes a well-formed row or an error, as does its key", arguments: 0..<12)
  func oddTuples(seed: UInt64) throws {
    var random = SeededGenerator(seed: seed)
    let route = try route([0: .arrayToJSON(.number)])
    let message = (0..<64).map { _ in UInt8.random(in: 0x20...0x7E, using: &random) }
    func field() -> TupleField {
      let kind = [TupleField.Kind.null, .unchanged, .text, .binary].randomElement(using: &random)!
      let count = kind == .text || kind == .binary ? Int.random(in: 0...20, using: &random) : 0
      return TupleField(kind: kind, lengthOffset: Int.random(in: 0...40, using: &random), count: count)
    }
    for _ in 0..<2000 {
      let new = (0..<Int.random(in: 0...5, using: &random)).map { _ in field() }
      let old = (0..<Int.random(in: 0...5, using: &random)).map { _ in field() }
      let kind = [nil, OldTuple.key, .full].randomElement(using: &random)!
      // Length words are part of the message; give each field its own.
      var bytes = message
      for one in new + old where one.count > 0 || one.kind == .text || one.kind == .binary {
        for byte in 0..<3 { bytes[one.lengthOffset + byte] = 0 }
        bytes[one.lengthOffset + 3] = UInt8(one.count)
      }
      bytes.withUnsafeBytes { bytes in
        var row = ByteBuffer()
        var key = ByteBuffer()
        _ = try? route.appendRow(new, old: old, kind, in: bytes, isWhole: false, to: &row)
        try? route.appendKey(old, in: bytes, to: &key)
        _ = route.sameKey(old, new, in: bytes)
      }
    }
  }

  @Test("a relation that no longer fits the mapping is refused by name")
  func changedRelations() throws {
    let plan = tablePlan(["text", "int4"], key: [1])
    func relation(_ columns: [(String, UInt32)]) -> RelationMessage {
      RelationMessage(
        id: 1, name: TableName("public", "t"), columns: columns.map { .init(name: $0, typeOID: $1, isKey: false) })
    }
    let cases: [([(String, UInt32)], Bool, String)] = [
      ([("c0", 25), ("c1", 20)], false, "column \"c1\" changed its type"),
      ([("c0", 25), ("c1", 20)], true, "column \"c1\" changed its type"),
      ([("c0", 25), ("c1", 23), ("more", 25)], false, "column \"more\" was added"),
      ([("c0", 25)], false, "column \"c1\" is gone"),
      ([("c0", 25)], true, "key column \"c1\" is not in the stream"),
    ]
    for (columns, isOlder, text) in cases {
      let failure = #expect(throws: Failure.self) { _ = try RelationRoute(relation(columns), plan, isOlder: isOlder) }
      #expect(failure?.message == "table public.t changed while it was streamed: \(text)")
      #expect(failure?.exitCode == 3)
    }
    #expect(throws: Never.self) { _ = try RelationRoute(relation([("c1", 23), ("c0", 25)]), plan, isOlder: false) }
  }
}
