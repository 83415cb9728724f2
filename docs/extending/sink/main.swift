import Foundation
import Penstock

/// Keeps every change in a file, one line for each transaction. A line holds the position too, so what was stored tells where
/// to go on, and each transaction is there once.
///
///     sink:
///       type: archive
///       options: { file: /var/lib/shop/archive.jsonl }
actor Archive: ChangeSink {
  private struct Line: Codable {
    var position: UInt64
    var changes: [Entry]
  }

  private struct Entry: Codable {
    var table: String
    var operation: String
    var row: [String: String?]
  }

  private let file: URL
  private var handle: FileHandle?
  private var tables: [Table] = []
  private var position: UInt64 = 0
  /// The parts so far of a transaction that comes in several.
  private var part: Line?

  init(_ context: PipelineContext) throws {
    guard let file = context.options["file"] else { throw Problem(description: "the option file is missing") }
    self.file = URL(fileURLWithPath: file)
  }

  func open(_ tables: [Table]) throws -> UInt64 {
    self.tables = tables
    part = nil
    if !FileManager.default.fileExists(atPath: file.path) { try Data().write(to: file) }
    let handle = try FileHandle(forUpdating: file)
    let stored = try handle.readToEnd() ?? Data()
    // A line that a crash has cut off was never said to be durable.
    let end = stored.lastIndex(of: UInt8(ascii: "\n")).map { $0 + 1 } ?? 0
    try handle.truncate(atOffset: UInt64(end))
    let last = stored[..<end].split(separator: UInt8(ascii: "\n")).last
    position = try last.map { try JSONDecoder().decode(Line.self, from: $0).position } ?? 0
    self.handle = handle
    return position
  }

  func write(_ transactions: [Transaction]) throws -> UInt64 {
    var text = Data()
    var last = position
    for transaction in transactions {
      if let part, part.position != transaction.position { try append(part, to: &text, &last) }
      var line = part?.position == transaction.position ? part : nil
      line = Line(position: transaction.position, changes: (line?.changes ?? []) + transaction.changes.map(entry))
      part = line
      if transaction.isWhole, let line { try append(line, to: &text, &last) }
    }
    guard !text.isEmpty else { return position }
    try handle?.write(contentsOf: text)
    try handle?.synchronize()
    position = last
    return position
  }

  func close() throws -> UInt64 {
    try handle?.close()
    handle = nil
    return position
  }

  private func append(_ line: Line, to text: inout Data, _ last: inout UInt64) throws {
    text += try JSONEncoder().encode(line) + Data("\n".utf8)
    last = line.position
    part = nil
  }

  private func entry(_ change: RowChange) -> Entry {
    let table = tables[change.table]
    var row: [String: String?] = [:]
    for (column, value) in zip(table.columns, change.values) { row[column.name] = .some(value) }
    // What did not change and was not sent is left out; so is what a delete does not tell.
    for column in change.unchanged { row[table.columns[column].name] = nil }
    if change.operation == .delete { row = row.filter { table.key.contains($0.key) } }
    return Entry(table: "\(table.schema).\(table.name)", operation: change.operation.rawValue, row: row)
  }
}

struct Problem: Error, CustomStringConvertible { let description: String }

var extensions = Extensions()
extensions.registerSink("archive") { try Archive($0) }
await extensions.main()
