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

  // MARK: Whole rows in one pass

  /// A relation of `text`, `int4` and `text` that is the plan's table.
  private static let relation = RelationMessage(
    id: 1, name: TableName("public", "t"),
    columns: zip(["c0", "c1", "c2"], [25, 23, 25]).map { .init(name: $0, typeOID: $1, isKey: false) })

  private static let long = [UInt8](repeating: 0x7A, count: 1000)

  /// New tuples from their number of columns on, and the row that one pass makes of each; `nil` where it declines.
  private static let tuples: [(name: String, bytes: [UInt8], row: [Cell]?)] = [
    ("text", [0, 3] + text("a") + text("7") + text("bc"), ["a", "7", "bc"]),
    ("binary", [0, 3] + [0x62, 0, 0, 0, 1, 9] + text("7") + text(""), [.bytes([9]), "7", ""]),
    ("NULL", [0, 3] + [0x6E] + text("7") + [0x6E], [nil, "7", nil]),
    ("only NULL", [0, 3, 0x6E, 0x6E, 0x6E], [nil, nil, nil]),
    ("a long value", [0, 3] + text("a") + text("7") + [0x74, 0, 0, 3, 0xE8] + long, ["a", "7", .bytes(long)]),
    ("unchanged", [0, 3] + text("a") + text("7") + [0x75], nil),
    ("a column less", [0, 2] + text("a") + text("7"), nil),
    ("a column more", [0, 4] + text("a") + text("7") + text("b") + text("c"), nil),
    ("bytes after it", [0, 3] + text("a") + text("7") + text("b") + [0], nil),
    ("an unknown kind", [0, 3] + text("a") + text("7") + [0x78], nil),
    ("a negative length", [0, 3] + text("a") + text("7") + [0x74, 0xFF, 0xFF, 0xFF, 0xFE], nil),
    ("a length beyond the end", [0, 3] + text("a") + text("7") + [0x74, 0, 0, 0, 2, 0x61], nil),
    ("an end inside a length", [0, 3] + text("a") + text("7") + [0x74, 0, 0, 0], nil),
    ("an end before a column", [0, 3] + text("a") + text("7"), nil),
    ("no column count", [0], nil), ("nothing", [], nil),
  ]

  private static func text(_ value: String) -> [UInt8] { [0x74, 0, 0, 0, UInt8(value.utf8.count)] + Array(value.utf8) }

  @Test("a tuple of values and NULL becomes a row, and any other is left alone", arguments: tuples)
  func straight(name: String, bytes: [UInt8], row: [Cell]?) throws {
    let route = try RelationRoute(Self.relation, tablePlan(["text", "int4", "text"], key: [1]), isOlder: false)
    var out = ByteBuffer()
    out.append([1, 2, 3])

    let isDone = bytes.withUnsafeBytes { route.appendStraight($0, to: &out) }

    #expect(isDone == (row != nil))
    #expect(Array(out.bytes.prefix(3)) == [1, 2, 3])
    let rest = UnsafeRawBufferPointer(rebasing: out.bytes[3...])
    #expect(isDone ? cells(rest, columns: 3) == row : rest.isEmpty)
  }

  @Test("fields in another order, and rows without a key, take the other way")
  func notStraight() throws {
    let tuple = [0, 3] + Self.text("a") + Self.text("7") + Self.text("b")
    var swapped = Self.relation
    swapped.columns.swapAt(0, 2)
    for route in [
      try RelationRoute(swapped, tablePlan(["text", "int4", "text"], key: [1]), isOlder: false),
      try RelationRoute(Self.relation, tablePlan(["text", "int4", "text"], key: []), isOlder: false),
    ] {
      var out = ByteBuffer()
      #expect(tuple.withUnsafeBytes { !route.appendStraight($0, to: &out) } && out.count == 0)
    }
  }
}
