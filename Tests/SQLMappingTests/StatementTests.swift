import ChangeModel
import PenstockTestKit
import Postgres
import SQLMapping
import Testing

/// Runs a statement of ours with one array literal per parameter.
@discardableResult
func runStatement(
  _ statement: Statement, _ rows: [[String?]], in session: Connection, count: Int? = nil
) throws -> Rows {
  var parameters: [String?] = statement.parameters.map { parameter in
    if !parameter.isArray { return rows[0][parameter.column] }
    let elements = rows.map { row in
      guard let value = row[parameter.column] else { return "NULL" }
      return "\"" + value.map { $0 == "\"" || $0 == "\\" ? "\\\($0)" : String($0) }.joined() + "\""
    }
    return "{" + elements.joined(separator: ",") + "}"
  }
  if statement.takesRowCount { parameters.append("\(count ?? rows.count)") }
  return try session.query(statement.sql, parameters)
}

@Suite("Statement texts on a real server")
struct StatementTests {
  static let formats: [WireFormat] = [.binary, .text]

  /// Every type that passes, some that do not, a key in another order than the columns, and names that need quotes.
  private let source = table(
    "All \"Types\"",
    [
      column("k2", "varchar", modifier: 14, spelling: "character varying(10)", notNull: true),
      column("K 1", "int8", notNull: true), column("b", "bool"), column("by", "bytea"), numericColumn("n", 12, 2),
      column("bare", "numeric"), column("c", "bpchar", modifier: 9, spelling: "character(5)"), column("f4", "float4"),
      column("f8", "float8"), column("d", "date"), column("t", "time"), column("tz", "timetz"),
      column("ts", "timestamp"), column("tstz", "timestamptz"), column("iv", "interval"), column("u", "uuid"),
      column("j", "json"), column("jb", "jsonb"), arrayColumn("a", of: "text"), userColumn("mood", .enum),
      column("ip", "inet"), column("m", "money"), column("bits", "bit", modifier: 3, spelling: "bit(3)"),
    ], keys: 0, indexes: [SourceIndex(name: "pk", isUnique: true, isPrimary: true, columns: ["K 1", "k2"])])

  private let row: [String?] = [
    "k", "1", "t", "\\x00ff", "10.50", "1.500", "ab   ", "0.1", "-0", "2024-02-29", "01:02:03", "01:02:03+02",
    "infinity", "0044-03-15 00:00:00+00 BC", "1 day 02:00:00", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "{\"a\" : 1}",
    "{\"a\": 1}", nil, "sad", "10.0.0.1", nil, "101",
  ]

  private func prepared(_ dialect: SinkDialect, _ format: WireFormat) throws -> (StatementTexts, Connection) {
    let mapper = SchemaMapper(dialect: dialect)
    let mapping = try mapper.mapTable(source, target: TableName("app \"x\"", "t'able"))
    let session = try newSession(mapper.generateCreateSchemaStatements([mapping]).joined(separator: ";"))
    try session.query(mapper.generateCreateTableStatement(mapping))
    return (StatementTexts(mapping, format: format), session)
  }

  private func all(_ texts: StatementTexts, _ session: Connection) throws -> [[String?]] {
    try session.query("SELECT * FROM \(texts.mapping.target.quoted) ORDER BY 2, 1").values
  }

  @Test("rows of every type go in, are overwritten and deleted by key", arguments: SinkDialect.allCases, formats)
  func upsertAndDelete(dialect: SinkDialect, format: WireFormat) throws {
    let (texts, session) = try prepared(dialect, format)
    var other = row
    other[1] = "2"
    try runStatement(texts.insert, [row, other], in: session)
    #expect(throws: Failure.self) { try runStatement(texts.insert, [row], in: session) }
    var changed = [String?](repeating: nil, count: row.count)
    changed[0] = "k"
    changed[1] = "2"
    changed[5] = "NaN"
    try runStatement(texts.upsert, [changed, row], in: session)

    #expect(try all(texts, session) == [row, changed])

    try runStatement(texts.delete, [row], in: session)
    #expect(try all(texts, session).map { $0[1] } == ["2"])
  }

  @Test("a masked update writes only the columns it has", arguments: SinkDialect.allCases, formats)
  func maskedUpdate(dialect: SinkDialect, format: WireFormat) throws {
    let (texts, session) = try prepared(dialect, format)
    try runStatement(texts.insert, [row], in: session)
    var image = [String?](repeating: nil, count: row.count)
    image[0] = "k"
    image[1] = "1"
    image[4] = "99.99"

    let statement = texts.maskedUpdate(present: [4, 3])
    #expect(statement.parameters.map(\.column) == [0, 1, 3, 4])
    try runStatement(statement, [image], in: session)

    let found = try all(texts, session)[0]
    #expect(found[4] == "99.99")
    #expect(found[3] == nil)
    #expect(found[5] == "1.500")
  }

  @Test("the presence guard fails with 22012 when a row is missing", arguments: formats)
  func presenceGuard(format: WireFormat) throws {
    let (texts, session) = try prepared(.dsql, format)
    var missing = row
    missing[1] = "7"
    try runStatement(texts.insert, [row], in: session)

    #expect(throws: Never.self) { try runStatement(texts.presenceGuard, [row], in: session) }
    let failure = #expect(throws: Failure.self) { try runStatement(texts.presenceGuard, [row, missing], in: session) }
    #expect(failure?.state == "22012")
  }

  @Test(
    "a value that is too long is refused, never cut",
    arguments: [(0, "12345678901", "22001"), (6, "abcdef", "22001"), (4, "12345678901", "22003")], formats)
  func noSilentCut(value: (column: Int, text: String, state: SQLState), format: WireFormat) throws {
    let (texts, session) = try prepared(.dsql, format)
    var bad = row
    bad[value.column] = value.text

    let failure = #expect(throws: Failure.self) { try runStatement(texts.upsert, [bad], in: session) }
    #expect(failure?.state == value.state)
  }

  @Test("a bit string of another length is refused, never cut", arguments: formats)
  func noSilentBits(format: WireFormat) throws {
    let (texts, session) = try prepared(.postgres, format)
    var bad = row
    bad[22] = "1011"

    let failure = #expect(throws: Failure.self) { try runStatement(texts.upsert, [bad], in: session) }
    #expect(failure?.state == "22026")
  }

  @Test("a table of key columns only does nothing on conflict")
  func keyOnly() throws {
    let mapping = try SchemaMapper(dialect: .dsql).mapTable(
      table("t", [column("a", "int4", notNull: true)]), target: TableName("public", "t"))

    #expect(
      StatementTexts(mapping, format: .binary).upsert.sql
        == "INSERT INTO \"public\".\"t\" (\"a\") SELECT u.c0 FROM (SELECT unnest($1::integer[]) AS c0) AS u "
        + "ON CONFLICT (\"a\") DO NOTHING")
  }

  @Test("a bag of rows counts and deletes the copies of one image, telling -0 from 0", arguments: formats)
  func bag(format: WireFormat) throws {
    let mapper = SchemaMapper(dialect: .postgres)
    let source = table(
      "bag",
      [
        column("i", "int4"), column("j", "json"), column("p", "point"), column("f", "float8"), column("x", "xml"),
        column("n", "numeric"), column("t", "text"),
      ], keys: 0, identity: .full)
    let mapping = try mapper.mapTable(source, target: source.name)
    let texts = StatementTexts(mapping, format: format)
    let session = try newSession(mapper.generateCreateTableStatement(mapping))
    let image: [String?] = ["1", "{}", "(1,2)", "-0", "<a/>", "1.0", nil]
    var zero = image
    zero[3] = "0"
    var scale = image
    scale[5] = "1.00"
    try runStatement(texts.upsert, [image, zero, image, scale], in: session)

    #expect(try runStatement(texts.bagCount, [image], in: session).single == "2")
    #expect(try runStatement(texts.delete, [image], in: session).affected == 2)
    #expect(try runStatement(texts.bagCount, [zero], in: session).single == "1")
    #expect(try runStatement(texts.bagCount, [scale], in: session).single == "1")
  }

  @Test("the parameter types are the ones the text casts to")
  func parameterTypes() throws {
    let mapping = try SchemaMapper(dialect: .dsql).mapTable(source, target: source.name)

    let binary = StatementTexts(mapping, format: .binary).insert.parameters.map(\.typeOID)
    #expect(binary[0..<6] == [1015, 1016, 1000, 1001, 1231, 1009])
    #expect(StatementTexts(mapping, format: .text).insert.parameters.allSatisfy { $0.typeOID == 1009 })
  }

  @Test("reading under the select list gives the text of the type's output function")
  func sourceTexts() throws {
    let session = try newSession(
      """
      CREATE TABLE public.s (ip inet, c char(5), x xml, b bool, q "char");
      INSERT INTO public.s VALUES ('10.0.0.1', 'ab', '<?xml version="1.0" encoding="utf8"?><a/>', true, 'z')
      """)
    let source = table(
      "s",
      [
        column("ip", "inet"), column("c", "bpchar", modifier: 9, spelling: "character(5)"), column("x", "xml"),
        column("b", "bool"), column("q", "char"),
      ], keys: 0, identity: .full)
    let mapping = try SchemaMapper(dialect: .dsql).mapTable(source, target: source.name)

    let read = try session.query("SELECT \(mapping.sourceSelectList(.text)) FROM public.s")[0]

    #expect(read == (try session.query("SELECT * FROM public.s")[0]))
  }
}
