import ChangeModel
import SQLMapping
import Testing

@Suite("What becomes of a column's type")
struct ColumnMappingTests {
  @Test(
    "DSQL stores its own types unchanged, modifier and binary form included",
    arguments: [
      (column("c", "int8"), "bigint", 20), (column("c", "bool"), "boolean", 16),
      (numericColumn("c", 12, 2), "numeric(12,2)", 1700), (numericColumn("c", 1000, -3), "numeric(1000,-3)", 1700),
      (column("c", "varchar", modifier: 14, spelling: "character varying(10)"), "character varying(10)", 1043),
      (column("c", "bpchar", modifier: 9, spelling: "character(5)"), "character(5)", 1042),
      (
        column("c", "timestamptz", modifier: 3, spelling: "timestamp(3) with time zone"), "timestamp(3) with time zone",
        1184
      ),
      (column("c", "jsonb"), "jsonb", 3802), (column("c", "interval"), "interval", 1186),
    ] as [(SourceColumn, String, UInt32)])
  func unchanged(column: SourceColumn, type: String, oid: UInt32) {
    let mapping = SchemaMapper(dialect: .dsql).mapColumn(column, isKey: false)

    #expect(mapping.targetType == type)
    #expect(mapping.binaryOID == oid)
    #expect(mapping.conversion == .none)
    #expect(mapping.remark == nil)
  }

  @Test(
    "what DSQL can't store becomes another type without losing anything, and says so",
    arguments: [
      (column("c", "numeric"), "text", .none),
      (column("c", "bpchar"), "text", .none),
      (column("c", "bpchar", modifier: 4101, spelling: "character(4097)"), "text", .none),
      (column("c", "money"), "numeric(19,2)", .moneyToNumeric),
      (column("c", "oid"), "bigint", .none),
      (column("c", "inet"), "text", .none), (column("c", "xml"), "text", .none),
      (column("c", "bit", modifier: 3, spelling: "bit(3)"), "text", .none),
      (column("c", "tsvector"), "text", .none), (column("c", "point"), "text", .none),
      (arrayColumn("c", of: "int4"), "jsonb", .arrayToJSON(.number)),
      (arrayColumn("c", of: "oid"), "jsonb", .arrayToJSON(.number)),
      (arrayColumn("c", of: "bool"), "jsonb", .arrayToJSON(.boolean)),
      (arrayColumn("c", of: "text"), "jsonb", .arrayToJSON(.string)),
      (arrayColumn("c", of: "jsonb"), "jsonb", .arrayToJSON(.json)),
      (arrayColumn("c", of: "json"), "json", .arrayToJSON(.json)),
      (arrayColumn("c", of: "box", delimiter: 0x3B), "jsonb", .arrayToJSON(.string, delimiter: 0x3B)),
      (userColumn("c", .composite), "text", .none),
      (userColumn("c", .range), "text", .none), (userColumn("c", .multirange), "text", .none),
      (userColumn("c", .base, type: "citext"), "text", .none),
      (userColumn("c", .array, type: "_mood", element: "mood"), "jsonb", .arrayToJSON(.string)),
      (userColumn("c", .domain, base: column("b", "numeric")), "text", .none),
    ] as [(SourceColumn, String, ValueConversion)])
  func converted(column: SourceColumn, type: String, conversion: ValueConversion) {
    let mapping = SchemaMapper(dialect: .dsql).mapColumn(column, isKey: false)

    #expect(mapping.targetType == type)
    #expect(mapping.conversion == conversion)
    #expect(mapping.binaryOID == nil)
    #expect(mapping.remark != nil)
  }

  @Test(
    "what becomes text without a change of its binary form keeps that form",
    arguments: [
      column("c", "varchar"), column("c", "varchar", modifier: 65540, spelling: "character varying(65536)"),
      userColumn("c", .enum),
    ])
  func sharedBinary(column: SourceColumn) {
    let mapping = SchemaMapper(dialect: .dsql).mapColumn(column, isKey: false)

    #expect(mapping.targetType == "text")
    #expect(mapping.binaryOID == 25)
    #expect(mapping.sourceExpression(.binary) == "\"c\"")
    #expect(mapping.remark != nil)
  }

  @Test("an enum in a key travels as text", arguments: SinkDialect.allCases)
  func enumKey(dialect: SinkDialect) {
    #expect(SchemaMapper(dialect: dialect).mapColumn(userColumn("c", .enum), isKey: true).binaryOID == nil)
  }

  @Test("a domain becomes its base type and keeps its binary form", arguments: SinkDialect.allCases)
  func domain(dialect: SinkDialect) {
    let base = column("b", "varchar", modifier: 14, spelling: "character varying(10)")

    let mapping = SchemaMapper(dialect: dialect).mapColumn(userColumn("c", .domain, base: base), isKey: false)

    #expect(mapping.targetType == "character varying(10)")
    #expect(mapping.castType == "character varying")
    #expect(mapping.binaryOID == 1043)
    #expect(mapping.remark != nil)
  }

  @Test(
    "a type that DSQL takes in no key is text there, and only there",
    arguments: ["timetz", "interval", "bytea", "json", "jsonb"])
  func keyTypes(type: String) {
    let dsql = SchemaMapper(dialect: .dsql)

    #expect(dsql.mapColumn(column("c", type), isKey: true).targetType == "text")
    #expect(dsql.mapColumn(column("c", type), isKey: false).binaryOID != nil)
    #expect(SchemaMapper(dialect: .postgres).mapColumn(column("c", type), isKey: true).binaryOID != nil)
    #expect(dsql.mapColumn(arrayColumn("c", of: "int4"), isKey: true).targetType == "text")
  }

  @Test(
    "PostgreSQL keeps every built-in type, and casts to it never cut",
    arguments: [
      (column("c", "numeric"), "numeric", "numeric"), (column("c", "money"), "money", "money"),
      (column("c", "bit", modifier: 3, spelling: "bit(3)"), "bit(3)", "\"bit\""),
      (column("c", "varbit", modifier: 5, spelling: "bit varying(5)"), "bit varying(5)", "bit varying"),
      (column("c", "char"), "\"char\"", "\"char\""), (column("c", "inet"), "inet", "inet"),
      (column("c", "bpchar", modifier: 9, spelling: "character(5)"), "character(5)", "bpchar"),
      (column("c", "interval", spelling: "interval day to second(3)"), "interval day to second(3)", "interval"),
      (arrayColumn("c", of: "int4"), "integer[]", "integer[]"),
      (arrayColumn("c", of: "bpchar"), "bpchar[]", "bpchar[]"),
    ])
  func postgresKeeps(column: SourceColumn, type: String, cast: String) {
    let mapping = SchemaMapper(dialect: .postgres).mapColumn(column, isKey: false)

    #expect(mapping.targetType == type)
    #expect(mapping.castType == cast)
    #expect(mapping.remark == nil)
  }

  @Test(
    "PostgreSQL lacks the types that someone made, and names of things in one database",
    arguments: [
      (userColumn("c", .enum), "text"), (userColumn("c", .composite), "text"),
      (userColumn("c", .base, type: "citext"), "text"), (column("c", "regclass"), "text"),
      (userColumn("c", .array, type: "_mood", element: "mood"), "jsonb"),
    ])
  func postgresLacks(column: SourceColumn, type: String) {
    let mapping = SchemaMapper(dialect: .postgres).mapColumn(column, isKey: false)

    #expect(mapping.targetType == type)
    #expect(mapping.remark != nil)
  }

  @Test(
    "the source is read by its output functions, not by casts that change the text",
    arguments: [
      (column("a\"b", "int4"), "\"a\"\"b\"", "\"a\"\"b\"::text"),
      (column("c", "bool"), "\"c\"", "textin(boolout(\"c\"))"),
      (column("c", "inet"), "textin(inet_out(\"c\"))", "textin(inet_out(\"c\"))"),
      (column("c", "bpchar"), "textin(bpcharout(\"c\"))", "textin(bpcharout(\"c\"))"),
      (userColumn("c", .composite), "\"c\"::text", "\"c\"::text"),
      (arrayColumn("c", of: "inet"), "\"c\"::text", "\"c\"::text"),
    ])
  func sourceExpressions(column: SourceColumn, binary: String, text: String) {
    let mapping = SchemaMapper(dialect: .dsql).mapColumn(column, isKey: false)

    #expect(mapping.sourceExpression(.binary) == binary)
    #expect(mapping.sourceExpression(.text) == text)
  }
}
