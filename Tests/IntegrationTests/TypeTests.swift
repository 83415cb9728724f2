import Foundation
import PenstockTestKit
import Testing

/// One column: its type, edge values as SQL, and how it must read in the target.
private struct TypeCase: Sendable {
  var type: String
  var values: [String]
  /// What the target's text must be, as SQL over the source's column, `$`; `nil` is the column's own text.
  var onDSQL: String?
  var onPostgres: String?

  init(_ type: String, _ values: [String], dsql: String? = nil, postgres: String? = nil) {
    self.type = type
    self.values = values
    onDSQL = dsql
    onPostgres = postgres
  }
}

/// A text array of literals, each quoted for SQL.
private func quoted(_ values: String...) -> [String] {
  values.map { "'" + $0.replacingOccurrences(of: "'", with: "''") + "'" }
}

@Suite("Every type arrives as the page about types says", .queued)
struct TypeTests {
  private static let schema = """
    CREATE EXTENSION hstore; CREATE EXTENSION citext;
    CREATE TYPE mood AS ENUM ('sad', 'so so', 'it''s fine');
    CREATE TYPE pair AS (a int, b text);
    CREATE DOMAIN code AS varchar(5) CHECK (value <> 'bad');
    """

  /// What DSQL can store, with values at the edges.
  private static let stored: [TypeCase] = [
    TypeCase("smallint", ["-32768", "32767", "0"]),
    TypeCase("integer", ["-2147483648", "2147483647"]),
    TypeCase("bigint", ["-9223372036854775808", "9223372036854775807"]),
    TypeCase("real", quoted("NaN", "Infinity", "-Infinity", "-0", "1e-45", "3.4028235e38", "0.1")),
    TypeCase(
      "double precision",
      quoted("NaN", "Infinity", "-Infinity", "-0", "5e-324", "1.7976931348623157e308", "0.1", "2.2250738585072011e-308")
    ),
    TypeCase("numeric(18,6)", quoted("NaN", "0.000001", "-999999999999.999999", "0")),
    TypeCase("numeric(38,0)", quoted("99999999999999999999999999999999999999", "-1", "NaN")),
    TypeCase("numeric(38,37)", quoted("9.9999999999999999999999999999999999999", "0")),
    TypeCase("boolean", ["true", "false"]),
    TypeCase(
      "text", quoted("", " ", "\\N", "\\.", "tab\there", "line\nbreak", "\u{1F600} Ünïcödé", "'quoted'", "NULL")),
    TypeCase("varchar", quoted("", "x")),
    TypeCase("varchar(10)", quoted("", "0123456789", "ääääääääää")),
    TypeCase("char(5)", quoted("", "a", "abcde", "  b")),
    TypeCase("bytea", quoted("\\x", "\\x00", "\\x00ff00", "\\x5c5c", "\\xdeadbeef")),
    TypeCase("uuid", quoted("00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff")),
    TypeCase("date", quoted("infinity", "-infinity", "4713-01-01 BC", "5874897-12-31", "2000-02-29", "0001-12-31 BC")),
    TypeCase("time", quoted("00:00", "24:00:00", "23:59:59.999999")),
    TypeCase("time(2)", quoted("12:00:00.25")),
    TypeCase("timetz", quoted("00:00+15:59", "24:00-15:59", "12:00:00.000001+05:30")),
    TypeCase(
      "timestamp",
      quoted("infinity", "-infinity", "4713-01-01 00:00:00 BC", "294276-12-31 23:59:59.999999", "1969-12-31")),
    TypeCase("timestamp(0)", quoted("2020-01-01 00:00:01")),
    TypeCase(
      "timestamptz", quoted("infinity", "-infinity", "4713-01-02 00:00:00+00 BC", "294276-12-31 23:59:59.999999+00")),
    TypeCase(
      "interval",
      quoted("0", "178000000 years", "-178000000 years", "1 mon -1 day +00:00:00.000001", "-1 year 2 mons -3 days")),
    TypeCase("interval day to second(3)", quoted("1 day 02:03:04.567")),
    TypeCase("json", quoted("{\"b\" : 1,  \"a\":2, \"a\": [null]}", "null", "\"\"", "1e400") + ["(\(nested))::json"]),
    TypeCase(
      "jsonb", quoted("{\"b\": 1, \"a\": 1}", "null", "123456789012345678901234567890.5") + ["(\(nested))::jsonb"]),
  ]

  private static let nested = "repeat('[', 200) || repeat(']', 200)"

  /// What DSQL can't store: each has a declared form.
  private static let converted: [TypeCase] = [
    TypeCase(
      "numeric",
      quoted("NaN", "Infinity", "-Infinity", "1e-20", "123456789012345678901234567890.123456789") + ["1e200::numeric"]),
    TypeCase("money", quoted("-92233720368547758.08", "92233720368547758.07", "0.01"), dsql: "$::numeric::text"),
    TypeCase("int[]", quoted("{}", "{1,NULL,-3}", "{{1,2},{3,4}}"), dsql: "to_jsonb($)::text"),
    TypeCase("text[]", quoted("{\"\",NULL,\"a,b\",\"\\\"q\\\"\",\"NULL\"}", "{}"), dsql: "to_jsonb($)::text"),
    TypeCase("timestamp[]", quoted("{2020-01-01 00:00:00,infinity}"), dsql: "to_jsonb($::text[])::text"),
    TypeCase("json[]", ["ARRAY['{\"b\":  1}'::json]"], dsql: "array_to_json($)::text"),
    TypeCase("mood", quoted("sad", "so so", "it's fine")),
    TypeCase("mood[]", quoted("{sad,so so}"), dsql: "to_jsonb($::text[])::text", postgres: "to_jsonb($::text[])::text"),
    TypeCase("pair", ["ROW(1, 'a,b')", "ROW(NULL, '')", "ROW(NULL, NULL)"]),
    TypeCase("code", quoted("", "abcde")),
    TypeCase("int4range", quoted("empty", "[1,5)", "(,)")),
    TypeCase("int4multirange", quoted("{[1,5),[7,9)}", "{}")),
    TypeCase(
      "inet", quoted("10.0.0.1", "10.0.0.1/8", "::1"), dsql: "CASE WHEN $ IS NOT NULL THEN format('%s', $) END"),
    TypeCase("cidr", quoted("10.0.0.0/8")),
    TypeCase("macaddr", quoted("08:00:2b:01:02:03")),
    TypeCase("macaddr8", quoted("08:00:2b:01:02:03:04:05")),
    TypeCase("bit(3)", ["B'101'"]),
    TypeCase("varbit", ["B''", "B'10101'"]),
    TypeCase("xml", quoted("<a>&amp;</a>")),
    TypeCase("tsvector", quoted("'a':1A 'b c'", "")),
    TypeCase("tsquery", quoted("'a' & 'b':*")),
    TypeCase("point", quoted("(0.1,-0)", "(NaN,Infinity)")),
    TypeCase("box", quoted("(1,1),(0,0)")),
    TypeCase("polygon", quoted("((0,0),(1,1),(1,0))")),
    TypeCase("circle", quoted("<(0,0),1.5>")),
    TypeCase("jsonpath", quoted("$.a[*] ? (@ > 1)")),
    TypeCase("pg_lsn", quoted("16/B374D848")),
    TypeCase("oid", ["4294967295", "0"]),
    TypeCase("xid", quoted("4294967295")),
    TypeCase("name", quoted("a name")),
    TypeCase("\"char\"", quoted("a")),
    TypeCase("regclass", quoted("pg_class")),
    TypeCase("hstore", quoted("a=>1, b=>NULL", "")),
    TypeCase("citext", quoted("MiXed")),
  ]

  private static let all = stored + converted

  /// `n` values for a row: the n-th of each column, NULL where a column has no more.
  private func rows() -> [String] {
    let count = (Self.all.map(\.values.count).max() ?? 0) + 1
    return (0..<count).map { row in
      Self.all.map { $0.values.indices.contains(row) ? $0.values[row] : "NULL" }.joined(separator: ", ")
    }
  }

  private func digest(_ table: String, _ database: TestDatabase, _ expression: (Int) -> String) throws -> [Substring] {
    let queries = Self.all.indices.map { index in
      """
      SELECT '\(table) c\(index) ' || $q$\(Self.all[index].type)$q$ || ': '
        || string_agg(coalesce(quote_literal(\(expression(index))), 'NULL'), ', ' ORDER BY id)
      FROM \(table);
      """
    }
    let settings = """
      SET datestyle = 'ISO'; SET timezone = 'UTC'; SET intervalstyle = 'postgres'; SET extra_float_digits = 3;
      SET bytea_output = 'hex'; SET lc_monetary = 'C';

      """
    return try database.run(settings + queries.joined(separator: "\n")).split(separator: "\n")
  }

  @Test("by the load, by an insert and by an update", arguments: SinkUnderTest.allCases)
  func everyType(sink: SinkUnderTest) async throws {
    let columns = Self.all.enumerated().map { "c\($0) \($1.type)" }.joined(separator: ", ")
    let tables = ["loaded", "inserted", "updated"]
    let rows = rows()
    var schema = Self.schema
    for table in tables { schema += "CREATE TABLE \(table) (id int PRIMARY KEY, \(columns));\n" }
    for (id, row) in rows.enumerated() {
      schema += "INSERT INTO loaded VALUES (\(id), \(row));\nINSERT INTO updated (id) VALUES (\(id));\n"
    }
    let pipeline = try await PipelineUnderTest(
      sink, schema: schema, settings: ExtraSettings(tables: "[public.*]"))
    let process = try pipeline.start()
    try await pipeline.wait(for: "streaming", from: process)
    let names = Self.all.indices.map { "c\($0)" }.joined(separator: ", ")
    for (id, row) in rows.enumerated() {
      try pipeline.source.run(
        """
        INSERT INTO inserted VALUES (\(id), \(row));
        UPDATE updated SET (\(names)) = ROW(\(row)) WHERE id = \(id);
        INSERT INTO inserted (id) VALUES (\(id) + 100);
        """)
    }
    process.signal(SIGTERM)
    try await process.wait()
    try await pipeline.runToEnd()

    for table in tables {
      let expected = try digest(table, pipeline.source) { index in
        let form = sink == .dsql ? Self.all[index].onDSQL : Self.all[index].onPostgres
        return (form ?? "$::text").replacingOccurrences(of: "$", with: "c\(index)")
      }
      let found = try digest(table, pipeline.target) { "c\($0)::text" }
      for (found, expected) in zip(found, expected) { #expect(found == expected) }
      #expect(found.count == expected.count)
    }
  }
}
