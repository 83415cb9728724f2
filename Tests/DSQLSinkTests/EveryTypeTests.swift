import Apply
import ChangeModel
import ChangeTestKit
import DSQLSink
import PenstockTestKit
import Postgres
import SQLMapping
import Testing

@Suite("Values of every type that passes arrive as they were")
struct EveryTypeTests {
  /// Literals for each type that travels in binary.
  private static let values: [String: [String]] = [
    "bool": ["t", "f"], "bytea": ["\\x", "\\x00ff5c"], "int8": ["-9223372036854775808", "5"], "int2": ["-32768", "7"],
    "int4": ["2147483647", "-1"], "text": ["", "a'b\\c\"{},ü€😀\n"], "json": ["{\"b\" : 1, \"a\":[null]}", "0"],
    "float4": ["NaN", "-0", "3.4028235e+38"], "float8": ["-Infinity", "5e-324", "0.1"], "bpchar": ["ab ", ""],
    "varchar": ["", "v  "], "date": ["infinity", "0044-03-15 BC"], "time": ["24:00:00", "00:00:00.000001"],
    "timestamp": ["-infinity", "294276-12-31 23:59:59.999999"],
    "timestamptz": ["infinity", "2024-02-29 12:00:00.5+00"],
    "interval": ["-1 years -2 mons +3 days -04:05:06.7", "00:00:00"],
    "timetz": ["23:59:59.999999+15:59", "00:00:00-12"],
    "numeric": ["NaN", "-Infinity", "1.500", "-12345678901234567890.00000000000000000001", "0.00"],
    "uuid": ["a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"], "jsonb": ["{\"b\": [1.50, null]}", "\"\""],
  ]

  @Test("in arrays with NULLs between them", arguments: [true, false])
  func arrays(isBinary: Bool) throws {
    let types = BuiltinType.all.map(\.name)
    #expect(Set(types) == Set(Self.values.keys))
    let columns = BuiltinType.all.enumerated().map { "c\($0 + 1) \($1.castName)" }.joined(separator: ", ")
    let plan = tablePlan(["int4"] + types, key: [0], isBinary: isBinary)
    var setup = Rig.Setup()
    setup.isBinary = isBinary
    let rig = try Rig(
      "CREATE TABLE t (c0 int PRIMARY KEY, \(columns)); CREATE TABLE origin (LIKE t INCLUDING ALL)", [plan], setup)
    for row in 0..<12 {
      let cells = types.enumerated().map { column, type -> String? in
        // Some columns begin with a NULL, others end with one.
        (row + column) % 4 == 0 ? nil : Self.values[type]![row % Self.values[type]!.count]
      }
      let list = cells.map { $0.map { quotedLiteral($0) } ?? "NULL" }.joined(separator: ", ")
      try rig.session.query("INSERT INTO origin VALUES (\(row), \(list))")
    }
    let select = plan.mapping.sourceSelectList(isBinary ? .binary : .text)
    try rig.session.query("SET extra_float_digits = 3")
    let rows = try rig.session.binaryRows("SELECT \(select) FROM origin ORDER BY c0", types: [], [])

    rig.send(rows.map { row in .upsert(row.map { $0.map { .bytes($0) } ?? .null }) })
    try rig.work()

    let (found, wanted) = (try rig.table(), try rig.table("origin"))
    #expect(found.count == 12)
    for (row, other) in zip(found, wanted) {
      for (column, (a, b)) in zip(row, other).enumerated() {
        #expect(a == b, "\(column == 0 ? "key" : types[column - 1])")
      }
    }
    // The same rows again find their keys; their deletes too.
    rig.send(rows.map { row in .upsert(row.map { $0.map { .bytes($0) } ?? .null }) })
    try rig.work()
    #expect(try rig.table() == wanted)
    rig.send(rows.map { row in .delete([.bytes(row[0]!)]) })
    try rig.work()
    #expect(try rig.table().isEmpty)
  }

  @Test("a key of any type finds its row again", arguments: BuiltinType.all.map(\.name), [true, false])
  func keys(type: String, isBinary: Bool) throws {
    guard !["json"].contains(type) else { return }
    let plan = tablePlan([type, "text"], key: [0], isBinary: isBinary)
    var setup = Rig.Setup()
    (setup.isBinary, setup.lanes) = (isBinary, 3)
    let name = BuiltinType.named(type)!.castName
    let rig = try Rig("CREATE TABLE t (c0 \(name) PRIMARY KEY, c1 text)", [plan], setup)
    let select = plan.mapping.columns[0].sourceExpression(isBinary ? .binary : .text)
    try rig.session.query("SET extra_float_digits = 3")
    for value in Self.values[type]! {
      let list = "SELECT \(select) FROM (SELECT \(quotedLiteral(value))::\(name) AS c0) AS s"
      let key = Cell.bytes(try rig.session.binaryRows(list, types: [], [])[0][0]!)
      rig.send([.upsert([key, "first"]), .patch([key, "second"])])
      try rig.work()
      #expect(try rig.session.query("SELECT c1 FROM t").values == [["second"]], "\(value)")
      rig.send([.delete([key])])
      try rig.work()
      #expect(try rig.table().isEmpty, "\(value)")
    }
  }
}
