import ChangeModel
import PenstockTestKit
import Postgres
import PostgresSource
import SQLMapping

/// A database of a server for such alone with a publication of everything and a slot, and the bytes that the slot gives.
final class SourceDatabase {
  let session: Connection
  let settings: ConnectionSettings
  private let database: String

  // Making a slot blocks this thread until all writing transactions end, so none may be left open here.
  private static let cluster = Result { try TestCluster.start() }

  init(_ setup: String) throws {
    let cluster = try Self.cluster.get()
    database = try cluster.createDatabase()
    settings = ConnectionSettings(
      role: .source,
      parameters: [
        ("host", "127.0.0.1"), ("port", "\(cluster.port)"), ("user", "postgres"), ("dbname", database),
        ("options", (sourceSessionSettings.map { "-c \($0.name)=\($0.value)" }).joined(separator: " ")),
      ])
    session = try Connection(settings)
    try session.query("SET search_path = public")
    try session.query(setup)
    try session.query("CREATE PUBLICATION p FOR ALL TABLES")
    try session.query("SELECT pg_create_logical_replication_slot(current_database(), 'pgoutput')")
  }

  deinit { _ = try? session.query("SELECT pg_drop_replication_slot(current_database())") }

  /// Every pgoutput message since the slot was made.
  func messages(binary: Bool = false, logical: Bool = false) throws -> [[UInt8]] {
    let options = (binary ? ", 'binary', 'true'" : "") + (logical ? ", 'messages', 'true'" : "")
    let rows = try session.query(
      """
      SELECT encode(data, 'hex') FROM pg_logical_slot_peek_binary_changes(current_database(), NULL, NULL,
      'proto_version', '1', 'publication_names', 'p'\(options))
      """)
    return rows.values.map { unhex($0[0] ?? "") }
  }

  /// The mapping of one table as a run would make it.
  func mapping(_ table: String, _ dialect: SinkDialect = .postgres) throws -> TableMapping {
    let reader = try Connection(settings)
    let catalog = try SourceCatalog.read(reader) { $0 == TableName("public", table) }
    return try SchemaMapper(dialect: dialect).mapTable(catalog.tables[0], target: TableName("public", table))
  }
}

/// Bytes from hexadecimal digits.
func unhex(_ text: String) -> [UInt8] {
  let digits = Array(text.utf8)
  func value(_ digit: UInt8) -> UInt8 { digit < 0x3A ? digit - 0x30 : digit - 0x57 }
  return stride(from: 0, to: digits.count - 1, by: 2).map { value(digits[$0]) << 4 | value(digits[$0 + 1]) }
}

/// A decoded message with its tuples' values.
struct Decoded {
  enum Value: Equatable, CustomStringConvertible {
    case null, unchanged
    case text(String)
    case binary([UInt8])

    var description: String {
      switch self {
      case .null: "NULL"
      case .unchanged: "unchanged"
      case .text(let text): text
      case .binary(let bytes): bytes.map { String($0, radix: 16) }.joined(separator: " ")
      }
    }
  }

  var message: PgoutputMessage
  var new: [Value]
  var old: [Value]

  /// - Throws: `PgoutputError`.
  init(_ bytes: [UInt8]) throws {
    var reader = PgoutputReader()
    message = try bytes.withUnsafeBytes { try reader.read($0) }
    func values(_ fields: [TupleField]) -> [Value] {
      fields.map { field in
        let value = bytes[(field.kind == .null || field.kind == .unchanged ? 0 : field.lengthOffset + 4)...]
          .prefix(field.count)
        return switch field.kind {
        case .null: .null
        case .unchanged: .unchanged
        case .text: .text(String(decoding: value, as: UTF8.self))
        case .binary: .binary(Array(value))
        }
      }
    }
    new = values(reader.newTuple)
    old = values(reader.oldTuple)
  }

  /// The message's kind in a word, for expectations on order.
  var word: String {
    switch message {
    case .begin: "begin"
    case .commit: "commit"
    case .relation(let relation): "relation \(relation.name.name)"
    case .insert: "insert"
    case .update(_, let old): "update" + (old.map { " with \($0) tuple" } ?? "")
    case .delete(_, let old): "delete by \(old) tuple"
    case .truncate(let relations): "truncate \(relations.count)"
    case .skipped: "skipped"
    }
  }
}
