import ChangeModel
import Foundation
import SQLMapping
import Testing

/// Types as docs/types.md names them, in its order, with a column of each.
private let documented: [(name: String, column: SourceColumn)] = [
  ("smallint", column("c", "int2")), ("integer", column("c", "int4")), ("bigint", column("c", "int8")),
  ("real", column("c", "float4")), ("double precision", column("c", "float8")),
  ("numeric(p,s)", numericColumn("c", 12, 2)), ("numeric", column("c", "numeric")), ("money", column("c", "money")),
  ("boolean", column("c", "bool")), ("text", column("c", "text")),
  ("character varying(n)", column("c", "varchar", modifier: 104, spelling: "character varying(100)")),
  ("character varying(n), n > 65535", column("c", "varchar", modifier: 70_004, spelling: "character varying(70000)")),
  ("character varying", column("c", "varchar")),
  ("character(n)", column("c", "bpchar", modifier: 14, spelling: "character(10)")),
  ("character(n), n > 4096", column("c", "bpchar", modifier: 5004, spelling: "character(5000)")),
  ("bpchar without n", column("c", "bpchar")), ("bytea", column("c", "bytea")), ("uuid", column("c", "uuid")),
  ("date", column("c", "date")), ("time", column("c", "time")), ("time with time zone", column("c", "timetz")),
  ("timestamp", column("c", "timestamp")), ("timestamp with time zone", column("c", "timestamptz")),
  ("interval", column("c", "interval")), ("json", column("c", "json")), ("jsonb", column("c", "jsonb")),
  ("an array", arrayColumn("c", of: "int4")), ("json[]", arrayColumn("c", of: "json")),
  ("an array over a type not built in", userColumn("c", .array, type: "_mood", element: "mood")),
  ("an enum", userColumn("c", .enum)), ("a composite", userColumn("c", .composite)),
  ("a domain", userColumn("c", .domain, base: column("b", "int4"))), ("a built-in range or multirange", rangeColumn()),
  ("another range or multirange", userColumn("c", .range)), ("inet", column("c", "inet")),
  ("cidr", column("c", "cidr")),
  ("macaddr", column("c", "macaddr")), ("macaddr8", column("c", "macaddr8")),
  ("bit(n)", column("c", "bit", modifier: 3, spelling: "bit(3)")), ("bit varying", column("c", "varbit")),
  ("xml", column("c", "xml")), ("tsvector", column("c", "tsvector")), ("tsquery", column("c", "tsquery")),
  ("point, line, lseg, box, path, polygon, circle", column("c", "point")), ("jsonpath", column("c", "jsonpath")),
  ("pg_lsn", column("c", "pg_lsn")), ("oid, xid, cid", column("c", "oid")), ("name", column("c", "name")),
  ("\"char\"", column("c", "char")), ("regclass and its like", column("c", "regclass")),
  ("citext, hstore, ltree, geometry, any other extension's type", userColumn("c", .base, type: "hstore")),
]

private func rangeColumn() -> SourceColumn {
  SourceColumn(name: "c", number: 1, typeOID: 3904, typeName: "int4range", kind: .range, formattedType: "int4range")
}

@Suite("The page about types")
struct TypesPageTests {
  private func row(_ name: String, _ column: SourceColumn) -> String {
    let dsql = SchemaMapper(dialect: .dsql)
    let value = dsql.mapColumn(column, isKey: false)
    let key = dsql.mapColumn(column, isKey: true)
    let other = SchemaMapper(dialect: .postgres).mapColumn(column, isKey: false)
    func cell(_ mapping: ColumnMapping) -> String {
      let same = mapping.targetType == column.formattedType && mapping.remark == nil
      return same ? "the same" : column.kind == .domain ? "its base type" : "`\(mapping.targetType)`"
    }
    let remark = value.remark ?? key.remark.map { $0 } ?? ""
    return "| \(name) | \(cell(value)) | \(cell(key)) | \(cell(other)) | \(remark) |"
  }

  @Test("docs/types.md says what the mapper does, type by type")
  func page() throws {
    let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent()
    let page = try String(contentsOf: root.appendingPathComponent("docs/types.md"), encoding: .utf8)
    let rows = page.split(separator: "\n").map(String.init).filter { $0.hasPrefix("| ") }.dropFirst()
    let expected = documented.map { row($0.name, $0.column) }

    #expect(Array(rows) == expected, "\(expected.joined(separator: "\n"))")
  }

  @Test("every type that passes unchanged has a row")
  func complete() {
    let names = Set(documented.map(\.column.baseTypeName))

    #expect(BuiltinType.all.map(\.name).filter { !names.contains($0) } == [])
  }
}
