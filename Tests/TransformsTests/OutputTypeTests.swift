import ChangeModel
import SQLMapping
import Testing
import Transforms

@Suite struct OutputTypeTests {
  @Test(
    "a computed column is printed as its type prints it",
    arguments: [
      ("id", "bigint", "42"), ("points * 1.5", "double precision", "10.5"), ("1e15", "double precision", "1e+15"),
      ("123456789012345.0", "double precision", "123456789012345"), ("0.0001", "float8", "0.0001"),
      ("1.5e-5", "float8", "1.5e-05"), ("-0.1 - 0.2", "float8", "-0.30000000000000004"),
      ("1e400", "float8", "Infinity"),
      ("active", "boolean", "t"), ("NOT active", "boolean", "f"), ("photo", "bytea", "\\x00ff10"),
      ("'12.5'", "numeric(10,2)", "12.50"), ("'-0012.500'", "numeric(10,1)", "-12.5"),
      ("'-0.00'", "numeric(4,2)", "0.00"),
      ("7", "numeric(3)", "7"), ("0.25", "numeric(3,2)", "0.25"),
      ("balance", "numeric(38,4)", "12345678901234567890.1234"),
      ("'2024-02-29'", "date", "2024-02-29"), ("datetime(created_at)", "timestamp", "2024-02-29 10:11:12"),
      ("'2024-02-29T10:11:12.500Z'", "timestamptz", "2024-02-29 10:11:12.5+00"),
      ("created_at || ''", "timestamp with time zone", "2024-02-29 10:11:12.5+00"),
      ("'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'", "uuid", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"),
      ("json_array(1, 'a')", "json", #"[1,"a"]"#), ("lower(email)", "varchar(100)", "ann@example.org"),
      ("id", "smallint", "42"), ("ratio", "text", "0.5"),
    ])
  func printed(expression: String, type: String, expected: String) throws {
    #expect(try transformed("\(expression) AS x", types: ["x": type]) == ["x": expected])
  }

  @Test(
    "a value that does not fit fails its row, and the column is named",
    arguments: [
      ("email", "bigint"), ("70000", "smallint"), ("3000000000", "integer"), ("2", "boolean"), ("1.5", "bigint"),
      ("'12.345'", "numeric(10,2)"), ("'123'", "numeric(2)"), ("'1e5'", "numeric(10)"), ("'2023-02-29'", "date"),
      ("'2024-13-01'", "date"), ("'2024-01-01'", "timestamp"), ("'2024-01-01 25:00:00'", "timestamp"),
      ("'2024-01-01 10:00:00+02'", "timestamptz"), ("'no'", "uuid"), ("'text'", "bytea"), ("photo", "text"),
    ])
  func misfits(expression: String, type: String) throws {
    #expect {
      try transformed("id, \(expression) || '' AS y, \(expression) AS x", types: ["x": type])
    } throws: { ($0 as? RowTransformError)?.column == "x" }
  }

  @Test(
    "NULL fits every type", arguments: ["text", "bigint", "numeric(3,1)", "boolean", "date", "uuid", "bytea", "json"])
  func nulls(type: String) throws {
    #expect(try transformed("deleted_at AS x", types: ["x": type]) == ["x": nil])
  }

  @Test(
    "an unknown type is refused",
    arguments: ["jsonb", "varchar", "text[]", "numeric(1001)", "numeric(2,3)", "varchar(0)", "integer(4)", "bit(3", ""])
  func unknown(type: String) throws {
    #expect(try #require(refusal("1 AS x", types: ["x": type])).message.contains("is no type of a computed column"))
  }

  @Test("a type for a column that is not made is refused, and the nearest is named")
  func missing() throws {
    let failure = try #require(refusal("id, 1 AS total", types: ["totl": "bigint"]))

    #expect(failure.message.contains("columns gives a type for \"totl\""))
    #expect(failure.hint.contains("Did you mean \"total\"?"))
  }
}
