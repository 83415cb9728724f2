import ChangeModel
import ChangeTestKit
import SQLMapping
import Testing

@testable import DynamoDBSource

/// A table with the key `pk` and a layout.
func mapping(
  _ layout: ItemLayout = ItemLayout(infers: false, overflowColumn: nil),
  key: [KeyAttribute] = [KeyAttribute(name: "pk", kind: .string)], _ inference: ItemInference = ItemInference()
) throws -> ItemMapping {
  try ItemMapping(table: TableName("dynamodb", "t"), key: key, layout: layout, inference: inference)
}

/// A column that is asked for.
func column(
  _ path: String, _ type: String, name: String? = nil, epoch: ItemLayout.Epoch? = nil
) throws -> ItemLayout.Column {
  ItemLayout.Column(path: try AttributePath(path), name: name, type: try #require(DeclaredType(type)), epoch: epoch)
}

/// The row of an item, as cells.
func row(of item: String, _ mapping: ItemMapping) throws -> [Cell] {
  try withBytes(of: item) { bytes in
    var rows = ItemRows(mapping)
    var out = ByteBuffer()
    try rows.appendRow(of: 0..<bytes.count, in: bytes, to: &out)
    return try #require(cells(out.bytes, columns: mapping.columns.count))
  }
}

@Suite("Values of items in columns") struct ItemValueTests {
  private func cell(_ value: String, _ type: String, _ epoch: ItemLayout.Epoch? = nil) throws -> Cell {
    let layout = ItemLayout(columns: [try column("a", type, epoch: epoch)], infers: false, overflowColumn: nil)
    return try row(of: #"{"pk":{"S":"k"},"a":\#(value)}"#, try mapping(layout))[1]
  }

  @Test(
    "each type of DynamoDB has its text",
    arguments: [
      (#"{"S":"abc"}"#, "text", "abc"), (#"{"S":""}"#, "text", ""),
      (#"{"S":"a\"\\\/\b\f\n\r\tz"}"#, "text", "a\"\\/\u{8}\u{c}\n\r\tz"),
      (#"{"S":"\u00e4\u20AC\ud83D\ude00!"}"#, "varchar(20)", "ä€😀!"), (#"{"S":"äö"}"#, "text", "äö"),
      (#"{ "S" : "2024-02-29T01:02:03Z" }"#, "timestamptz", "2024-02-29T01:02:03Z"),
      (#"{"S":"a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"}"#, "uuid", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"),
      (#"{"S":"12"}"#, "integer", "12"), (#"{"N":"1.50"}"#, "text", "1.5"), (#"{"N":"42"}"#, "numeric", "42"),
      (#"{"N":"12345678901234567890123456789012345678"}"#, "numeric", "12345678901234567890123456789012345678"),
      (
        #"{"N":"-0.00012345678901234567890123456789012345678"}"#, "numeric",
        "-0.00012345678901234567890123456789012345678"
      ),
      (#"{"N":"1.5E+10"}"#, "numeric", "15000000000"), (#"{"N":"1.5E+10"}"#, "bigint", "15000000000"),
      (#"{"N":"-32768"}"#, "smallint", "-32768"), (#"{"N":"9223372036854775807"}"#, "bigint", "9223372036854775807"),
      (#"{"N":"-9223372036854775808"}"#, "bigint", "-9223372036854775808"), (#"{"N":"7.00"}"#, "integer", "7"),
      (#"{"N":"0.1"}"#, "double precision", "0.1"), (#"{"BOOL":true}"#, "boolean", "t"),
      (#"{"BOOL":false}"#, "boolean", "f"),
      (#"{"BOOL":true}"#, "text", "true"), (#"{"B":"AP8="}"#, "bytea", "\\x00ff"), (#"{"B":""}"#, "bytea", "\\x"),
      (#"{"B":"YWJj"}"#, "bytea", "\\x616263"), (#"{"B":"\/+8\/"}"#, "bytea", "\\xffef3f"),
      (#"{"S":"a\u0022b"}"#, "jsonb", #""a\u0022b""#), (#"{"N":"1E-3"}"#, "jsonb", "0.001"),
      (#"{"BOOL":true}"#, "jsonb", "true"),
      (#"{"B":"AP8="}"#, "jsonb", #""AP8=""#), (#"{"SS":["a","b"]}"#, "jsonb", #"["a","b"]"#),
      (#"{"NS":["1","2.50"]}"#, "jsonb", "[1,2.5]"), (#"{"BS":["AP8=","YQ=="]}"#, "jsonb", #"["AP8=","YQ=="]"#),
      (#"{"L":[]}"#, "jsonb", "[]"), (#"{"M":{}}"#, "jsonb", "{}"),
      (
        #"{"M":{"n":{"NULL":true},"l":{"L":[{"S":"x"},{"M":{"d":{"N":"0.10000000000000000000000000000000000001"}}}]}, "b":{"BOOL":false}}}"#,
        "jsonb", #"{"n":null,"l":["x",{"d":0.10000000000000000000000000000000000001}],"b":false}"#
      ),
    ])
  func text(value: String, type: String, expected: String) throws {
    #expect(try cell(value, type) == Cell(expected))
  }

  @Test("null and what is missing are NULL", arguments: ["text", "numeric", "jsonb", "bytea"])
  func null(type: String) throws {
    let layout = ItemLayout(columns: [try column("a", type)], infers: false, overflowColumn: nil)

    #expect(try cell(#"{"NULL":true}"#, type) == .null)
    #expect(try row(of: #"{"pk":{"S":"k"}}"#, try mapping(layout))[1] == .null)
  }

  @Test(
    "numbers are times where the column says how they count",
    arguments: [
      ("0", .seconds, "1970-01-01 00:00:00"), ("1700000000", .seconds, "2023-11-14 22:13:20"),
      ("1709171999.5", .seconds, "2024-02-29 01:59:59.5"), ("-0.25", .seconds, "1969-12-31 23:59:59.75"),
      ("-1", .seconds, "1969-12-31 23:59:59"), ("1700000000123", .milliseconds, "2023-11-14 22:13:20.123"),
      ("5", .milliseconds, "1970-01-01 00:00:00.005"), ("-1", .milliseconds, "1969-12-31 23:59:59.999"),
      ("1.7E12", .milliseconds, "2023-11-14 22:13:20"), ("0.5", .milliseconds, "1970-01-01 00:00:00.0005"),
      ("1700000000.1234567", .seconds, "2023-11-14 22:13:20.1234567"),
      ("-62135596800", .seconds, "0001-01-01 00:00:00"), ("9224318015999", .seconds, "294276-12-31 23:59:59"),
      ("951782400", .seconds, "2000-02-29 00:00:00"), ("4107542400", .seconds, "2100-03-01 00:00:00"),
    ] as [(String, ItemLayout.Epoch, String)])
  func times(number: String, epoch: ItemLayout.Epoch, expected: String) throws {
    #expect(try cell(#"{"N":"\#(number)"}"#, "timestamptz", epoch) == Cell(expected + "+00"))
    #expect(try cell(#"{"N":"\#(number)"}"#, "timestamp", epoch) == Cell(expected + "+00"))
  }

  @Test(
    "a value that does not fit is refused with its reason, and is not shown",
    arguments: [
      (#"{"N":"1.5"}"#, "bigint", "is no whole number"), (#"{"N":"32768"}"#, "smallint", "is beyond -32768 to 32767"),
      (#"{"N":"9223372036854775808"}"#, "bigint", "is beyond -9223372036854775808 to 9223372036854775807"),
      (#"{"N":"1E+99"}"#, "integer", "is beyond -2147483648 to 2147483647"),
      (#"{"N":"1"}"#, "boolean", "is a number, which a column of type boolean does not take"),
      (
        #"{"N":"1"}"#, "timestamptz",
        "is a number, which a column of type timestamp with time zone does not take without a format"
      ),
      (#"{"BOOL":true}"#, "numeric", "is a boolean, which a column of type numeric does not take"),
      (#"{"M":{}}"#, "text", "is a map, which a column of type text does not take"),
      (#"{"SS":["a"]}"#, "text", "is a set of strings, which a column of type text does not take"),
      (#"{"S":"secret"}"#, "bytea", "is a string, which a column of type bytea does not take"),
      (#"{"B":"AAAA"}"#, "text", "is binary, which a column of type text does not take"),
      (#"{"S":"secret\u0000"}"#, "text", "holds a NUL character, which PostgreSQL can't"),
      (#"{"S":"secret\u0000"}"#, "jsonb", "holds a NUL character, which PostgreSQL can't"),
      (#"{"M":{"a\u0000":{"S":"x"}}}"#, "jsonb", "holds a NUL character, which PostgreSQL can't"),
      (#"{"S":"\ud800x"}"#, "text", "holds half a pair of surrogates, which is no character"),
      (#"{"S":"\ud800\u0041"}"#, "jsonb", "holds half a pair of surrogates, which is no character"),
      (#"{"S":"\udc00"}"#, "text", "holds half a pair of surrogates, which is no character"),
      (#"{"B":"secret"}"#, "bytea", "is no base64"), (#"{"B":"AP9="}"#, "bytea", "is no base64"),
      (#"{"B":"A==="}"#, "bytea", "is no base64"), (#"{"B":"AA==AAAA"}"#, "bytea", "is no base64"),
      (#"{"N":"secret"}"#, "numeric", "is no number"),
      (#"{"X":"secret"}"#, "text", "has a type that DynamoDB does not have"),
      (#"{"SSS":["secret"]}"#, "jsonb", "has a type that DynamoDB does not have"), (#"{}"#, "text", "has no type"),
      (#"{"S":"secret","N":"1"}"#, "text", "has two types"),
      (#"{"NULL":false}"#, "text", "has a NULL that is not true"),
    ])
  func refused(value: String, type: String, reason: String) throws {
    let failure = #expect(throws: ItemFailure.self) { try cell(value, type) }

    #expect(failure?.reason == reason)
    #expect(failure?.attribute == "a")
    #expect(failure?.key == "pk=k")
    #expect(failure?.rowClass == .data)
    #expect(failure.map { "\($0)" }?.contains("secret") == false)
  }

  @Test(
    "a time that PostgreSQL can't hold is refused", arguments: ["-62135596801", "9224318016000", "1E+99", "-1E+99"])
  func timeRange(number: String) throws {
    let failure = #expect(throws: ItemFailure.self) { try cell(#"{"N":"\#(number)"}"#, "timestamptz", .seconds) }

    #expect(failure?.reason == "is a time beyond PostgreSQL's range")
  }
}

@Suite("DynamoDB's numbers") struct DecimalTests {
  private func canonical(_ text: String) throws -> String {
    try withBytes(of: text) { bytes in
      var out = TextBuffer()
      let cursor = JSONCursor(bytes)
      try Decimal(cursor, 0, bytes.count).append(from: cursor, to: &out)
      return String(decoding: out.bytes, as: UTF8.self)
    }
  }

  @Test(
    "each value has one text",
    arguments: [
      ("0", "0"), ("-0", "0"), ("0.000", "0"), ("0E+500", "0"), ("007", "7"), ("+7", "7"), (".5", "0.5"), ("5.", "5"),
      ("10", "10"), ("100.00", "100"), ("1.10", "1.1"), ("-12.034", "-12.034"), ("1e3", "1000"), ("1E-3", "0.001"),
      ("123.456e1", "1234.56"), ("123.456e3", "123456"), ("123.456E+5", "12345600"), ("123.456e-4", "0.0123456"),
      ("0.00120e2", "0.12"), ("1000e-2", "10"),
      ("99999999999999999999999999999999999999", "99999999999999999999999999999999999999"),
      (
        "9.9999999999999999999999999999999999999E+125",
        "99999999999999999999999999999999999999" + String(repeating: "0", count: 88)
      ),
      ("1E-130", "0." + String(repeating: "0", count: 129) + "1"),
      ("0.00000000000000000000000000000000000000000001", "0.00000000000000000000000000000000000000000001"),
    ])
  func text(text: String, expected: String) throws {
    #expect(try canonical(text) == expected)
  }

  @Test(
    "what is none, or beyond its limits, is refused",
    arguments: [
      ("", "is no number"), ("-", "is no number"), (".", "is no number"), ("1e", "is no number"),
      ("1e+", "is no number"),
      ("1.2.3", "is no number"), ("1 ", "is no number"), ("0x10", "is no number"), ("NaN", "is no number"),
      ("Infinity", "is no number"), ("1,5", "is no number"),
      ("123456789012345678901234567890123456789", "is a number of more than 38 digits"),
      ("1E+126", "is a number beyond DynamoDB's range"), ("1E-131", "is a number beyond DynamoDB's range"),
      ("1E+99999999999999999999", "is a number beyond DynamoDB's range"),
      ("-1E-99999999999999999999", "is a number beyond DynamoDB's range"),
    ])
  func refused(text: String, reason: String) {
    let fault = #expect(throws: JSONFault.self) { try canonical(text) }

    #expect(fault?.reason == reason)
  }
}
