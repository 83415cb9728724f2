import PenstockTestKit
import Testing

@Suite("penstock verify with every type", .serialized)
struct VerifyTypesTests {
  /// Column types, a value, and another value that is not equal to it.
  private static let columns: [(type: String, value: String, other: String)] = [
    ("smallint", "-7", "8"), ("integer", "1", "2"), ("bigint", "9007199254740993", "9007199254740992"),
    ("real", "'NaN'", "1.5"), ("double precision", "'-0'", "0"), ("double precision", "0.1", "0.10000000000000002"),
    ("numeric(20,6)", "12345678901234.567891", "12345678901234.567890"), ("numeric(5,1)", "'NaN'", "1.5"),
    ("numeric", "1.23456789012345678901234567890", "1.23456789012345678901234567891"),
    ("money", "-1234.56", "1234.56"), ("boolean", "true", "false"), ("text", "''", "NULL"),
    ("text", "E'a\\tb\\\\'", "'a'"), ("varchar(20)", "'x '", "'x'"), ("char(5)", "'ab'", "'abc'"),
    ("bytea", "'\\x00ff'", "'\\x00fe'"), ("uuid", "'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'", "gen_random_uuid()"),
    ("date", "'infinity'", "'2024-01-01'"), ("date", "'0044-03-15 BC'", "'0044-03-15'"),
    ("time", "'24:00'", "'00:00'"), ("timetz", "'12:00+02'", "'10:00+00'"),
    ("timestamp", "'-infinity'", "'2024-01-01'"), ("timestamptz", "'2024-01-01 12:00:00.000001+05'", "now()"),
    ("interval", "'1 mon -3 days 04:05:06'", "'1 mon'"), ("json", "'{\"a\":1,  \"a\":2}'", "'{\"a\":1,\"a\":2}'"),
    ("jsonb", "'{\"b\":1.0,\"a\":[null]}'", "'{\"b\":1,\"a\":[null]}'"),
    ("integer[]", "'{1,NULL,3}'", "'{1,2,3}'"), ("text[]", "'{\"a\\\"b\",\"NULL\",NULL}'", "'{}'"),
    ("numeric[]", "'{1.50,NaN}'", "'{1.5,NaN}'"), ("timestamptz[]", "'{2024-01-01 00:00+00}'", "NULL"),
    ("mood", "'ok'", "'sad'"), ("pair", "'(1,\"a b\")'", "'(1,b)'"), ("posint", "5", "6"),
    ("int4range", "'[1,5)'", "'[1,6)'"), ("tstzrange", "'[2024-01-01 00:00+00,)'", "'empty'"),
    ("inet", "'10.0.0.1/8'", "'10.0.0.1'"), ("cidr", "'10.0.0.0/8'", "'11.0.0.0/8'"),
    ("macaddr", "'08:00:2b:01:02:03'", "'08:00:2b:01:02:04'"), ("bit(3)", "'101'", "'100'"),
    ("varbit", "'1010'", "'101'"), ("xml", "'<a>é</a>'", "'<a/>'"), ("tsvector", "'fat cat'", "'cat'"),
    ("point", "'(1.5,-2)'", "'(1.5,2)'"), ("box", "'(1,1),(0,0)'", "'(2,1),(0,0)'"),
    ("pg_lsn", "'16/B374D848'", "'0/0'"),
    ("oid", "4294967295", "1"), ("name", "'n'", "'m'"), ("\"char\"", "'c'", "'d'"), ("jsonpath", "'$.a'", "'$.b'"),
  ]

  private static let schema: String = {
    let list = columns.enumerated().map { "c\($0) \($1.type)" }.joined(separator: ", ")
    let values = columns.map(\.value).joined(separator: ", ")
    return """
      CREATE TYPE mood AS ENUM ('sad', 'ok'); CREATE TYPE pair AS (a int, b text);
      CREATE DOMAIN posint AS int CHECK (VALUE > 0);
      CREATE TABLE every (id int PRIMARY KEY, \(list));
      INSERT INTO every VALUES (1, \(values)), (2, \(columns.map { _ in "NULL" }.joined(separator: ", ")));
      """
  }()

  @Test("every type is equal after a load, and a change of any one column is seen", arguments: [false, true])
  func everyType(isDSQL: Bool) async throws {
    let pair = try await PairUnderTest(Self.schema, isDSQL: isDSQL)
    try await pair.load()

    let equal = try await pair.verify()
    #expect(equal.status == .exited(0), "\(equal.output)\(equal.errors)")

    // The source changes, as only it has all the types; the pipeline does not run.
    let all = Self.columns.enumerated().map { "c\($0) = \($1.other)" }.joined(separator: ", ")
    try pair.source("UPDATE every SET \(all) WHERE id = 1")
    let end = try await pair.verify()

    let names = Self.columns.indices.map { "c\($0)" }.joined(separator: ", ")
    #expect(end.output.contains("  public.every (id=1): differs in columns \(names)\n"), "\(end.output)\(end.errors)")
    #expect(end.output.contains("\n1 row differs in 1 table\n"))
  }

  @Test("each type that can be a key names the missing row", arguments: [false, true])
  func keys(isDSQL: Bool) async throws {
    let keys = [
      ("smallint", "7"), ("bigint", "-8"), ("numeric(9,3)", "1.500"), ("numeric", "0.000012"), ("real", "1.5"),
      ("double precision", "'-infinity'"), ("money", "-3.10"), ("boolean", "true"), ("text", "'a''b\\'"),
      ("varchar(9)", "'é'"), ("char(4)", "'q'"), ("bytea", "'\\xff00'"), ("date", "'2024-02-29'"),
      ("uuid", "'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'"), ("timestamp", "'2024-01-01 00:00:01.5'"),
      ("timestamptz", "'2024-01-01 00:00:01.5+01'"), ("interval", "'1 day'"), ("jsonb", "'{\"a\": 1}'"),
      ("mood", "'ok'"),
      ("int[]", "'{1,2}'"), ("inet", "'10.0.0.1'"), ("int4range", "'[1,3)'"), ("timetz", "'10:00+01'"),
    ]
    var schema = "CREATE TYPE mood AS ENUM ('sad', 'ok');\n"
    for (index, key) in keys.enumerated() {
      schema += "CREATE TABLE t\(index) (k \(key.0) PRIMARY KEY, v int); INSERT INTO t\(index) VALUES (\(key.1), 1);\n"
    }
    let pair = try await PairUnderTest(schema, isDSQL: isDSQL)
    try await pair.load()
    let equal = try await pair.verify()
    #expect(equal.status == .exited(0), "\(equal.output)\(equal.errors)")

    try pair.target(keys.indices.map { "DELETE FROM t\($0);" }.joined())
    let end = try await pair.verify()

    for index in keys.indices {
      #expect(
        end.output.contains(try Regex("public\\.t\(index) \\(k=[^)]+\\){1,2}'?\\)?: missing in target")),
        "\(keys[index])")
    }
    #expect(end.output.contains("\(keys.count) rows differ in \(keys.count) tables"), "\(end.output)\(end.errors)")
  }
}
