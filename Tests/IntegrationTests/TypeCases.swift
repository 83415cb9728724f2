import Foundation
import PenstockTestKit

/// One column: its type, edge values as SQL, and how it must read in the target.
struct TypeCase: Sendable {
  var type: String
  var values: [String]
  /// What the target's text must be, as SQL over the source's column, `$`; `nil` is the column's own text.
  var onDSQL: String?
  var onPostgres: String?
  /// The extension that the type is part of.
  var needs: String?

  init(_ type: String, _ values: [String], dsql: String? = nil, postgres: String? = nil, needs: String? = nil) {
    self.type = type
    self.needs = needs
    self.values = values
    onDSQL = dsql
    onPostgres = postgres
  }
}

/// A text array of literals, each quoted for SQL.
func quoted(_ values: String...) -> [String] {
  values.map { "'" + $0.replacingOccurrences(of: "'", with: "''") + "'" }
}

/// Types with values at their edges, and how docs/types.md says that they arrive.
enum TypeCases {
  static let schema = """
    CREATE TYPE mood AS ENUM ('sad', 'so so', 'it''s fine');
    CREATE TYPE odd_label AS ENUM ('', 'NULL', '{a,"b"}', '\\', 'ünï 😀', '\(String(repeating: "x", count: 63))');
    CREATE TYPE pair AS (a int, b text);
    CREATE DOMAIN code AS varchar(5) CHECK (value <> 'bad');
    CREATE DOMAIN short_code AS code CHECK (length(value) < 4);
    CREATE DOMAIN shortest_code AS short_code;
    CREATE DOMAIN amount AS numeric(12,3) CHECK (value > -100);
    CREATE DOMAIN any_mood AS mood;
    CREATE DOMAIN few_numbers AS int[] CHECK (cardinality(value) < 9);
    CREATE DOMAIN known_pair AS pair CHECK ((value).a > 0);
    CREATE TYPE nest AS (p pair, l text[], r int4range, m mood);
    CREATE TYPE floatrange AS RANGE (subtype = float8, subtype_diff = float8mi);
    CREATE TYPE moodrange AS RANGE (subtype = mood);
    -- As extensions make theirs: a base type that takes a length, here without a binary form.
    CREATE TYPE embedding;
    CREATE FUNCTION embedding_in(cstring, oid, int) RETURNS embedding LANGUAGE internal IMMUTABLE STRICT AS 'varcharin';
    CREATE FUNCTION embedding_out(embedding) RETURNS cstring LANGUAGE internal IMMUTABLE STRICT AS 'varcharout';
    CREATE TYPE embedding (INPUT = embedding_in, OUTPUT = embedding_out, TYPMOD_IN = varchartypmodin,
      TYPMOD_OUT = varchartypmodout, LIKE = varchar, STORAGE = extended);
    """

  /// Extensions whose types are looked at where the server has them.
  static let extensions = ["hstore", "citext", "ltree", "cube", "seg", "isn", "intarray"]

  /// All types that a server with those extensions has.
  static func all(with available: Set<String>) -> [TypeCase] {
    (stored + converted + arrays + made).filter { $0.needs.map(available.contains) ?? true }
  }

  /// What DSQL can store, with values at the edges.
  static let stored: [TypeCase] = [
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
    TypeCase("numeric(1000,500)", ["repeat('9', 500)::numeric + ('0.' || repeat('9', 500))::numeric", "'NaN'", "-1"]),
    TypeCase("numeric(5,-2)", ["1234567", "-49"]),
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

  static let nested = "repeat('[', 200) || repeat(']', 200)"

  /// What DSQL can't store: each has a declared form.
  static let converted: [TypeCase] = [
    TypeCase(
      "numeric",
      quoted("NaN", "Infinity", "-Infinity", "1e-20", "123456789012345678901234567890.123456789") + [
        "1e200::numeric", "('-' || repeat('12345', 200))::numeric", "('0.' || repeat('12345', 3000))::numeric",
        "repeat('9', 131072)::numeric",
      ]),
    TypeCase(
      "money", quoted("-92233720368547758.08", "92233720368547758.07", "0.01", "-0.01"), dsql: "$::numeric::text"),
    TypeCase("int4range", quoted("empty", "[1,5)", "(,)", "[-2147483648,2147483647)")),
    TypeCase("int8range", quoted("[-9223372036854775808,)")),
    TypeCase("numrange", quoted("[1.50,NaN]", "(-Infinity,1e20)")),
    TypeCase("tsrange", quoted("[-infinity,infinity]", "[2020-01-01 00:00:00.000001,)")),
    TypeCase("tstzrange", quoted("(,\"2020-01-01 00:00:00+00\"]")),
    TypeCase("daterange", quoted("[2020-01-01,infinity)", "[4713-01-01 BC,)")),
    TypeCase("int4multirange", quoted("{[1,5),[7,9)}", "{}")),
    TypeCase("nummultirange", quoted("{[1.0,1.00],(2,)}")),
    TypeCase("tstzmultirange", quoted("{[\"2020-01-01 00:00:00+00\",\"2021-01-01 00:00:00+00\")}")),
    TypeCase(
      "inet", quoted("10.0.0.1", "10.0.0.1/8", "::1"), dsql: "CASE WHEN $ IS NOT NULL THEN format('%s', $) END"),
    TypeCase("cidr", quoted("10.0.0.0/8", "::/0", "2001:db8::1/128")),
    TypeCase("macaddr", quoted("08:00:2b:01:02:03")),
    TypeCase("macaddr8", quoted("08:00:2b:01:02:03:04:05")),
    TypeCase("bit(3)", ["B'101'"]),
    TypeCase("bit(70)", ["repeat('10', 35)::bit(70)"]),
    TypeCase("bit varying(9)", ["B''", "B'111111111'"]),
    TypeCase("varbit", ["B''", "B'10101'"]),
    // Printed without its declaration, by the source as well.
    TypeCase(
      "xml", quoted("<a>&amp;</a>", "", "<?xml version=\"1.0\"?><a>ü</a>", "two <b/> roots <c/>"),
      dsql: "CASE WHEN $ IS NOT NULL THEN format('%s', $) END",
      postgres: "CASE WHEN $ IS NOT NULL THEN format('%s', $) END"),
    TypeCase("tsvector", quoted("'a':1A 'b c'", "")),
    TypeCase("tsquery", quoted("'a' & 'b':*")),
    TypeCase("point", quoted("(0.1,-0)", "(NaN,Infinity)")),
    TypeCase("box", quoted("(1,1),(0,0)")),
    TypeCase("polygon", quoted("((0,0),(1,1),(1,0))")),
    TypeCase("circle", quoted("<(0,0),1.5>", "<(NaN,-0),0>")),
    TypeCase("line", quoted("{1,-1,0}", "{0,-1,1e300}")),
    TypeCase("lseg", quoted("[(0,0),(1,-1)]")),
    TypeCase("path", quoted("((0,0),(1,1))", "[(0,0),(1,1)]")),
    TypeCase("jsonpath", quoted("$.a[*] ? (@ > 1)")),
    TypeCase("pg_lsn", quoted("16/B374D848")),
    TypeCase("oid", ["4294967295", "0"]),
    TypeCase("xid", quoted("4294967295")),
    TypeCase("cid", quoted("4294967295")),
    TypeCase("xid8", quoted("18446744073709551615")),
    TypeCase("tid", quoted("(4294967295,65535)", "(0,1)")),
    TypeCase("pg_snapshot", quoted("10:20:10,14,15")),
    TypeCase("txid_snapshot", quoted("10:20:")),
    TypeCase("int2vector", quoted("1 -2 3", "")),
    TypeCase("oidvector", quoted("1 4294967295")),
    TypeCase("regclass", quoted("pg_class", "-")),
    TypeCase("regtype", quoted("integer", "text[]")),
    TypeCase("regproc", quoted("now")),
    TypeCase("refcursor", quoted("a cursor")),
    TypeCase("aclitem", quoted("postgres=r/postgres")),
    TypeCase("name", quoted("a name")),
    TypeCase("\"char\"", quoted("a")),
  ]
}
