/// Types with values that try their edges, as SQL literals.
let everyType: [(type: String, values: [String])] = [
  ("bool", ["true", "false"]), ("\"char\"", ["'x'", "''"]), ("int2", ["-32768", "32767"]),
  ("int4", ["-2147483648", "2147483647"]), ("int8", ["'-9223372036854775808'", "9223372036854775807"]),
  ("float4", ["'NaN'", "'-0'", "3.4028235e38", "1e-45"]), ("float8", ["'-Infinity'", "0.1", "5e-324", "'-0'"]),
  ("numeric", ["'NaN'", "'Infinity'", "1.500", "'-12345678901234567890.00000000000000000001'", "0.00"]),
  ("numeric(12,2)", ["1234567890.12", "0"]), ("money", ["'-1234.56'", "'0.01'"]),
  ("text", ["''", "'a''b'", "E'line\\nbreak\\ttab'", "'ü€😀'", "repeat('long ', 1000)"]),
  ("varchar(20)", ["'abc'", "''"]), ("char(5)", ["'ab'", "''"]), ("name", ["'n'"]),
  ("bytea", ["'\\x'", "'\\x00ff5c27'"]), ("date", ["'infinity'", "'0044-03-15 BC'", "'5874897-12-31'"]),
  ("time", ["'24:00'", "'00:00:00.000001'"]), ("time(3)", ["'01:02:03.456'"]),
  ("timetz", ["'23:59:59.999999+15:59'", "'00:00-12'"]),
  ("timestamp", ["'-infinity'", "'4713-01-01 00:00:00 BC'", "'294276-12-31 23:59:59.999999'"]),
  ("timestamptz", ["'infinity'", "'2024-02-29 12:00:00.5+05:30'"]),
  ("interval", ["'-1 year 2 mons -3 days 04:05:06.7'", "'0'"]), ("uuid", ["'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'"]),
  ("json", ["'{\"b\" : [1, null], \"a\":\"\\u00fc\"}'", "'null'"]), ("jsonb", ["'{\"b\": [1.50, null]}'", "'\"\"'"]),
  ("xml", ["'<a b=\"c\">d</a>'"]), ("inet", ["'10.0.0.1'", "'::1/64'"]), ("cidr", ["'10.0.0.0/8'"]),
  ("macaddr", ["'08:00:2b:01:02:03'"]), ("macaddr8", ["'08:00:2b:01:02:03:04:05'"]), ("bit(3)", ["B'101'"]),
  ("varbit", ["B'10101010101'", "B''"]), ("tsvector", ["'a fat cat'"]), ("tsquery", ["'fat & rat'"]),
  ("point", ["'(1,2)'"]), ("line", ["'{1,2,3}'"]), ("lseg", ["'[(0,0),(1,1)]'"]), ("box", ["'(1,1),(0,0)'"]),
  ("path", ["'((0,0),(1,1))'"]), ("polygon", ["'((0,0),(1,1),(1,0))'"]), ("circle", ["'<(0,0),5>'"]), ("oid", ["42"]),
  ("regclass", ["'pg_class'"]), ("pg_lsn", ["'16/B374D848'"]), ("xid", ["'7'"]), ("tid", ["'(1,2)'"]),
  ("pg_snapshot", ["'10:20:10,14'"]), ("jsonpath", ["'$.a[*]'"]), ("int2vector", ["'1 2'"]), ("oidvector", ["'1 2'"]),
  ("aclitem", ["'postgres=r/postgres'"]), ("int4range", ["'[1,5)'", "'empty'"]),
  ("int4multirange", ["'{[1,2),[5,7)}'"]),
  ("mood", ["'sad'", "'ha\"ppy'"]), ("pair", ["'(1,\"a,b\")'"]), ("code", ["'ab'"]), ("positive", ["5"]),
  ("hstore", ["'a=>1, b=>NULL'"]), ("citext", ["'AbC'"]),
  ("int4[]", ["'{1,NULL,3}'", "'{}'", "'{{1,2},{3,4}}'", "'[0:1]={5,6}'"]),
  ("text[]", ["'{\"a,b\",\"\",\"\\\\\\\\\"}'"]),
  ("mood[]", ["'{sad}'"]), ("numeric[]", ["'{NaN,1.50}'"]), ("jsonb[]", ["ARRAY['{\"a\": 1}'::jsonb]"]),
  ("box[]", ["'{(1,1),(0,0);(2,2),(1,1)}'"]), ("bool[]", ["'{t,f}'"]),
  ("timestamptz[]", ["'{2024-02-29 12:00:00+00}'"]),
]

/// What the types of `everyType` need.
let everyTypeSetup = """
  CREATE EXTENSION hstore; CREATE EXTENSION citext; CREATE TYPE mood AS ENUM ('sad', 'ha"ppy');
  CREATE TYPE pair AS (a int, b text); CREATE DOMAIN code AS varchar(5); CREATE DOMAIN positive AS numeric CHECK (VALUE > 0);
  """

/// `CREATE TABLE everything`: a key, then one column for each type.
let everyTypeTable =
  "CREATE TABLE everything (id int PRIMARY KEY, "
  + everyType.enumerated().map { "v\($0) \($1.type)" }.joined(separator: ", ") + ")"

/// Rows that hold every value of every type, and one of NULLs.
let everyTypeInsert: String = {
  let rows = everyType.map(\.values.count).max()!
  let lines = (0..<rows).map { row in
    "(\(row), " + everyType.map { $0.values[row % $0.values.count] }.joined(separator: ", ") + ")"
  }
  // Several VALUES lists would need one type for each column; single statements take each literal by its column.
  return (lines.map { "INSERT INTO everything VALUES \($0)" } + ["INSERT INTO everything (id) VALUES (\(rows))"])
    .joined(separator: "; ")
}()
