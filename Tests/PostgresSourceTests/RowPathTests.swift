import Apply
import ChangeModel
import ChangeTestKit
import PenstockTestKit
import Postgres
import SQLMapping
import Testing

@testable import Pipeline
@testable import PostgresSource

@Suite("Rows of the change stream in the target's form")
struct RowPathTests {
  /// The rows of the stream's inserts, routed by the relation that the server described.
  private func streamed(_ source: SourceDatabase, _ plan: TablePlan, binary: Bool) throws -> [[Cell]] {
    var reader = PgoutputReader()
    var route: RelationRoute?
    var rows: [[Cell]] = []
    for bytes in try source.messages(binary: binary) {
      try bytes.withUnsafeBytes { bytes in
        switch try reader.read(bytes) {
        case .relation(let relation): route = try RelationRoute(relation, plan, isOlder: false)
        case .insert:
          var row = ByteBuffer()
          let isPartial = try route!.appendRow(reader.newTuple, old: [], nil, in: bytes, isWhole: true, to: &row)
          #expect(!isPartial)
          rows.append(cells(row.bytes, columns: plan.mapping.columns.count)!)
        default: break
        }
      }
    }
    return rows
  }

  /// The same rows as COPY reads them, converted like the load does.
  private func selected(_ source: SourceDatabase, _ plan: TablePlan, _ format: WireFormat) throws -> [[Cell]] {
    let reader = try Connection(source.settings)
    let rows = try reader.binaryRows(
      "SELECT \(plan.mapping.sourceSelectList(format)) FROM \(plan.mapping.source.name.quoted) ORDER BY id",
      types: [], [])
    return try rows.map { row in
      try zip(row, plan.mapping.columns).map { value, column in
        guard let value else { return .null }
        if column.conversion == .none { return .bytes(value) }
        var converted: [UInt8] = []
        try column.conversion.apply(value.span.bytes, into: &converted)
        return .bytes(converted)
      }
    }
  }

  @Test("every type comes by the stream as it comes by a read of the table", arguments: SinkDialect.allCases)
  func streamEqualsTable(dialect: SinkDialect) throws {
    let source = try SourceDatabase(everyTypeSetup + everyTypeTable)
    try source.session.query(everyTypeInsert)
    let plan = TablePlan(index: 0, mapping: try source.mapping("everything", dialect), isBinary: false)

    let found = try streamed(source, plan, binary: false)
    let wanted = try selected(source, plan, .text)

    #expect(found.count == wanted.count)
    for (row, other) in zip(found, wanted) {
      for (column, (a, b)) in zip(row, other).enumerated() {
        #expect(a == b, "\(plan.mapping.columns[column].source.formattedType)")
      }
    }
  }

  @Test("a row read again by key is the row of the stream", arguments: SinkDialect.allCases)
  func readAgain(dialect: SinkDialect) throws {
    let source = try SourceDatabase(everyTypeSetup + everyTypeTable)
    try source.session.query(everyTypeInsert)
    let plan = TablePlan(index: 0, mapping: try source.mapping("everything", dialect), isBinary: false)
    let rows = try streamed(source, plan, binary: false)
    let keys = rows.map { row in row[0].field } + [Cell("99999").field]

    let found = try SourceRowReader(source: source.settings).rows(plan, keys: keys.reversed())

    #expect(found == [nil] + rows.reversed())
  }

  @Test("in binary too, with keys of several columns and types that travel as text")
  func readAgainBinary() throws {
    let source = try SourceDatabase(
      """
      CREATE TYPE mood AS ENUM ('sad', 'glad');
      CREATE TABLE t (v numeric, m mood, id int8, u uuid, a int[], PRIMARY KEY (u, m, v))
      """)
    try source.session.query(
      "INSERT INTO t SELECT i / 10.0, 'glad', i, gen_random_uuid(), ARRAY[i, NULL] FROM generate_series(1, 1200) i")
    let plan = TablePlan(index: 0, mapping: try source.mapping("t"), isBinary: true)
    let rows = try selected(source, plan, .binary)
    let keys = rows.map { row in plan.keyColumns.flatMap { row[$0].field } }

    #expect(try SourceRowReader(source: source.settings).rows(plan, keys: keys) == rows)
  }

  @Test("an unchanged column is taken from the old row where that is whole")
  func unchanged() throws {
    let plan = tablePlan(["text", "int4", "text"], key: [1])
    let relation = RelationMessage(
      id: 1, name: TableName("public", "t"),
      columns: zip(["c0", "c1", "c2"], [25, 23, 25]).map { .init(name: $0, typeOID: $1, isKey: false) })
    let route = try RelationRoute(relation, plan, isOlder: false)
    let message: [UInt8] = [0, 0, 0, 1, 0x61, 0, 0, 0, 1, 0x37]
    let (a, seven) = (
      TupleField(kind: .text, lengthOffset: 0, count: 1), TupleField(kind: .text, lengthOffset: 5, count: 1)
    )
    let (same, null) = (
      TupleField(kind: .unchanged, lengthOffset: 0, count: 0), TupleField(kind: .null, lengthOffset: 0, count: 0)
    )
    func row(_ new: [TupleField], _ old: [TupleField], _ kind: OldTuple?) throws -> (Bool, [Cell]) {
      try message.withUnsafeBytes { bytes in
        var out = ByteBuffer()
        let isPartial = try route.appendRow(new, old: old, kind, in: bytes, isWhole: false, to: &out)
        return (isPartial, cells(out.bytes, columns: 3)!)
      }
    }

    let full = try row([same, seven, a], [a, seven, null], .full)
    #expect(!full.0 && full.1 == ["a", "7", "a"])
    let key = try row([same, same, a], [null, seven, null], .key)
    #expect(key.0 && key.1 == [.unchanged, "7", "a"])
    let none = try row([same, seven, null], [], nil)
    #expect(none.0 && none.1 == [.unchanged, "7", nil])
    let failure = #expect(throws: Failure.self) { _ = try row([a, same, a], [], nil) }
    #expect(failure?.message.contains("does not hold key column \"c1\"") == true)
  }
}
