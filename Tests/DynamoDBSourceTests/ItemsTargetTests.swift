import Apply
import ChangeModel
import ChangeTestKit
import PenstockTestKit
import Postgres
import SQLMapping
import Testing

@testable import DynamoDBSource

/// Items of every type go into a table made for them, through the statements of the pipeline, and are read back.
@Suite("Items in a target") struct ItemTargetTests {
  private static let key = [KeyAttribute(name: "pk", kind: .string), KeyAttribute(name: "Sort \"Key\"", kind: .number)]
  private static let item = #"""
    {"pk":{"S":"k"},"Sort \"Key\"":{"N":"12345678901234567890123456789.012345678"},"s":{"S":"ä\n\"\u20ac"},"empty":{"S":""},
     "n":{"N":"-1.5E-100"},"whole":{"N":"9007199254740993"},"flag":{"BOOL":true},"raw":{"B":"AP\/\/"},"map":{"M":{"b":{"NULL":true},
     "a":{"N":"99999999999999999999999999999999999999"}}},"list":{"L":[{"S":"x"},{"B":"AP8="}]},"ss":{"SS":["a"]},"ns":{"NS":["1"]},
     "bs":{"BS":["AA=="]},"nothing":{"NULL":true},"at":{"N":"1700000000.5"},"id":{"S":"A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11"},
     "city":{"M":{"zip":{"S":"52062"}}}}
    """#

  private func mapping() throws -> ItemMapping {
    var sampler = ItemSampler()
    try withBytes(of: Self.item) { try sampler.read(0..<$0.count, of: $0) }
    let layout = ItemLayout(columns: [
      try column("at", "timestamptz", epoch: .seconds), try column("id", "uuid"), try column("city.zip", "varchar(5)"),
    ])
    return try mapping(layout, key: Self.key, sampler.inference)
  }

  private func mapping(_ layout: ItemLayout, key: [KeyAttribute], _ inference: ItemInference) throws -> ItemMapping {
    try ItemMapping(table: TableName("items", "t"), key: key, layout: layout, inference: inference)
  }

  private func session() throws -> Connection {
    let cluster = try TestCluster.shared
    let connection = try Connection(
      ConnectionSettings(
        role: .source,
        parameters: [
          ("host", "127.0.0.1"), ("port", "\(cluster.port)"), ("user", "postgres"),
          ("dbname", try cluster.createDatabase()),
        ]))
    try connection.query("SET timezone = 'Asia/Tokyo'")
    return connection
  }

  /// Runs a statement with the row of one item, or its key.
  private func run(_ statement: Statement, _ row: [String?], in session: Connection) throws {
    let parameters: [String?] = statement.parameters.map { parameter in
      guard let value = row[parameter.column] else { return "{NULL}" }
      return "{\"" + value.map { $0 == "\"" || $0 == "\\" ? "\\\($0)" : String($0) }.joined() + "\"}"
    }
    try session.query(statement.sql, parameters)
  }

  @Test("every type is stored and comes back whole", arguments: SinkDialect.allCases)
  func roundTrip(dialect: SinkDialect) throws {
    let items = try mapping()
    let mapper = SchemaMapper(dialect: dialect)
    let table = try mapper.mapTable(items.sourceTable(estimatedItems: 1), target: TableName("app", "Items"))
    let session = try session()
    for sql in mapper.generateCreateSchemaStatements([table]) { try session.query(sql) }
    try session.query(mapper.generateCreateTableStatement(table))
    let texts = StatementTexts(table, format: .text)
    let row = try row(of: Self.item, items).map(\.text)
    #expect(TablePlan(index: 0, mapping: table, isBinary: false).keyColumns == [0, 1])

    try run(texts.insert, row, in: session)
    try run(texts.upsert, row, in: session)

    let names = items.columns.map { quotedIdentifier($0.name) + "::text" }.joined(separator: ",")
    let found = try session.query("SELECT \(names) FROM app.\"Items\"").values
    let values = Dictionary(uniqueKeysWithValues: zip(items.columns.map(\.name), try #require(found.first)))
    #expect(
      values == [
        "pk": "k", "Sort \"Key\"": "12345678901234567890123456789.012345678", "s": "ä\n\"€", "empty": "",
        "n": "-0." + String(repeating: "0", count: 99) + "15", "whole": "9007199254740993", "flag": "true",
        "raw": "\\x00ffff", "map": #"{"a": 99999999999999999999999999999999999999, "b": null}"#,
        "list": #"["x", "AP8="]"#,
        "ss": #"["a"]"#, "ns": "[1]", "bs": #"["AA=="]"#, "at": "2023-11-15 07:13:20.5+09",
        "id": "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "zip": "52062", "city": #"{"zip": "52062"}"#,
        "other_attributes": #"{"nothing": null}"#,
      ])

    try run(texts.delete, row, in: session)
    #expect(try session.query("SELECT 1 FROM app.\"Items\"").values.isEmpty)
  }

  @Test("the types of the columns are those that the target takes") func types() throws {
    let table = try SchemaMapper(dialect: .dsql).mapTable(try mapping().sourceTable(), target: TableName("a", "b"))

    #expect(table.key == [0, 1])
    // DSQL's bare numeric would round.
    #expect(table.columns[1].targetType == "text")
    #expect(table.columns.filter(\.isNotNull).count == 2)
  }
}

extension Cell {
  fileprivate var text: String? {
    if case .bytes(let bytes) = self { String(decoding: bytes, as: UTF8.self) } else { nil }
  }
}
