import Foundation
import Penstock

/// Follows a journal that a program appends JSON lines to, such as `{"id":7,"state":"paid","amount":"12.50"}`, or
/// `{"id":7,"deleted":true}`.
///
///     source:
///       type: journal
///       options: { file: /var/lib/shop/payments.jsonl }
///       tables: [public.payment]
struct Journal: ChangeSource {
  private struct Line: Decodable {
    var id: Int64
    var state: String?
    var amount: String?
    var deleted: Bool?
  }

  private let file: String

  init(_ context: PipelineContext) throws {
    guard let file = context.options["file"] else { throw Problem(description: "the option file is missing") }
    self.file = file
  }

  func identity() -> String { file }

  func tables() -> [Table] {
    let columns = [Column("id", "bigint"), Column("state", "text"), Column("amount", "numeric(12,2)")]
    return [Table(name: "payment", columns: columns, key: ["id"])]
  }

  /// A position is the offset behind a line, so reading goes on where it ended.
  func transactions(after position: UInt64) throws -> [Transaction]? {
    let journal = try FileHandle(forReadingFrom: URL(fileURLWithPath: file))
    defer { try? journal.close() }
    try journal.seek(toOffset: position)
    let data = try journal.read(upToCount: 256 << 10) ?? Data()
    // The rest of a line may still have to be written.
    guard let end = data.lastIndex(of: UInt8(ascii: "\n")) else { return [] }
    var offset = position
    return try data[...end].split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).dropLast().map {
      text in
      offset += UInt64(text.count) + 1
      guard let line = try? JSONDecoder().decode(Line.self, from: text) else {
        throw Problem(description: "what ends at byte \(offset) is no line of a journal")
      }
      let values = ["\(line.id)", line.state, line.amount]
      let change = RowChange(line.deleted == true ? .delete : .upsert, table: 0, values: values)
      return Transaction(position: offset, changes: [change])
    }
  }
}

struct Problem: Error, CustomStringConvertible { let description: String }

var extensions = Extensions()
extensions.registerSource("journal") { try Journal($0) }
await extensions.main()
