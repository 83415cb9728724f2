import Foundation
import PenstockTestKit
import Testing

/// A pipeline from a scripted DynamoDB to a database, run by the real program.
final class ItemPipeline: Sendable {
  let source: ScriptedDynamoDB
  let pipeline: PipelineUnderTest

  /// - Parameters:
  ///   - tables: made with the key `id`, and a stream each.
  ///   - items: lines of the section `source`.
  init(
    _ sink: SinkUnderTest = .postgres, tables: [String], stream: String? = "NEW_AND_OLD_IMAGES", shards: Int = 1,
    mode: String = "full-load-and-cdc", source lines: [String] = [], sink sinkLines: [String] = [],
    root: [String] = []
  ) async throws {
    source = try ScriptedDynamoDB()
    for table in tables { source.makeTable(table, stream: stream, shards: shards) }
    let own =
      ["type: dynamodb", "region: us-east-1", "endpoint: \(source.url)", "tables: [\(tables.joined(separator: ", "))]"]
      + lines
    pipeline = try await PipelineUnderTest(
      sink, schema: "",
      settings: ExtraSettings(
        pipeline: ["mode: \(mode)"], sink: ["parallelism: 3", "flush-interval: 100ms"] + sinkLines, root: root,
        ownSource: own))
  }

  /// Items with an id, a number, a text and perhaps one more attribute.
  static func item(_ id: Int, number: Int, text: String, extra: String? = nil) -> JSONValue {
    var members: [String: JSONValue] = [
      "id": ["S": .text("k\(id)")], "n": ["N": .text("\(number)")], "s": ["S": .text(text)],
    ]
    if let extra { members["x"] = ["S": .text(extra)] }
    return .object(members)
  }

  static func key(_ id: Int) -> JSONValue { ["id": ["S": .text("k\(id)")]] }

  /// The items of a table, a line each.
  func items(of table: String) -> [String] {
    source.items(of: table).map { item in
      ["id", "n", "s", "x"].map { name in
        (item[name]?["S"] ?? item[name]?["N"])?.text ?? "-"
      }.joined(separator: "|")
    }.sorted()
  }

  /// The rows of its target, a line each.
  func rows(of table: String) throws -> [String] {
    let rows = try pipeline.target.run(
      "SELECT concat_ws('|', id, coalesce(n::text, '-'), coalesce(s, '-'), coalesce(x, '-')) FROM public.\"\(table)\"")
    return rows.split(separator: "\n").map(String.init).sorted()
  }

  /// A table's target holds its items.
  func expectEqual(_ table: String, _ comment: Comment? = nil, at place: SourceLocation = #_sourceLocation) throws {
    let (expected, found) = (items(of: table), try rows(of: table))
    let (missing, extra) = (Set(expected).subtracting(found).sorted(), Set(found).subtracting(expected).sorted())
    #expect(missing == [], comment, sourceLocation: place)
    #expect(extra == [], comment, sourceLocation: place)
    #expect(found.count == expected.count, comment, sourceLocation: place)
  }

  /// Layout of the columns that `rows` reads.
  static let columns = [
    "items:",
    "  - { source-table: '*', infer: false, columns: [{ path: n, type: bigint }, { path: s, type: text }, "
      + "{ path: x, type: text }] }",
  ]
}
