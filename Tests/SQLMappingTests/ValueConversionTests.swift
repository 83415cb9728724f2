import ChangeModel
import PenstockTestKit
import Postgres
import SQLMapping
import Testing

@Suite("Values that become something else")
struct ValueConversionTests {
  @Test(
    "array literals become JSON as jsonb prints it",
    arguments: [
      ("{}", .number, "[]"), ("{1,2,NULL}", .number, "[1, 2, null]"), ("{{1,2},{3,4}}", .number, "[[1, 2], [3, 4]]"),
      ("[2:3]={7,8}", .number, "[7, 8]"), ("[0:1][-1:0]={{1,2},{3,4}}", .number, "[[1, 2], [3, 4]]"),
      (
        "{1.50,-0,NaN,Infinity,-Infinity,1e+20,1.25e-05,-2.5e+10,0.00}", .number,
        "[1.50, 0, \"NaN\", \"Infinity\", \"-Infinity\", 100000000000000000000, 0.0000125, -25000000000, 0.00]"
      ),
      ("{t,f,NULL}", .boolean, "[true, false, null]"),
      (
        #"{a,"b c","",null,"NULL","q\"q","b\\s","{x}"}"#, .string,
        #"["a", "b c", "", null, "NULL", "q\"q", "b\\s", "{x}"]"#
      ),
      ("{\"tab\there\",\"nl\nx\",\"\u{1}\u{7F}é\"}", .string, "[\"tab\\there\", \"nl\\nx\", \"\\u0001\u{7F}é\"]"),
      (#"{"{\"a\": 1}",2,null}"#, .json, #"[{"a": 1}, 2, null]"#),
    ] as [(String, JSONElement, String)])
  func arrays(literal: String, element: JSONElement, json: String) throws {
    #expect(try ValueConversion.arrayToJSON(element).text(literal) == json)
  }

  @Test("boxes are divided by semicolons")
  func boxes() throws {
    let conversion = ValueConversion.arrayToJSON(.string, delimiter: UInt8(ascii: ";"))

    #expect(try conversion.text("{(1,1),(0,0);(2,2),(1,1)}") == #"["(1,1),(0,0)", "(2,2),(1,1)"]"#)
  }

  @Test(
    "what is no array is refused, never a trap",
    arguments: [
      ("", .string), ("1", .string), ("{", .string), ("{1", .string), ("{1,}", .string), ("{,1}", .string),
      ("{1}}", .string), ("{1}x", .string), ("{1}{2}", .string), ("{{1}{2}}", .string), ("{\"a}", .string),
      ("{\"a\"b}", .string), ("{a\"b}", .string), ("{a\\", .string), ("[1:2]", .string), ("[1:a]={1}", .string),
      ("{{{{{{{1}}}}}}}", .string), ("{x}", .number), ("{1.}", .number), ("{1e}", .number), ("{1e999}", .number),
      ("{--1}", .number), ("{\"\"}", .number), ("{true}", .boolean), ("{\"\"}", .json),
    ] as [(String, JSONElement)])
  func malformedArrays(literal: String, element: JSONElement) {
    #expect(throws: ConversionError.self) { try ValueConversion.arrayToJSON(element).text(literal) }
  }

  @Test(
    "money becomes a plain number",
    arguments: [
      ("$0.00", "0.00"), ("$1,234.56", "1234.56"), ("-$1,234.56", "-1234.56"), ("($1.00)", "-1.00"),
      ("-$92,233,720,368,547,758.08", "-92233720368547758.08"),
    ])
  func money(text: String, number: String) throws {
    #expect(try ValueConversion.moneyToNumeric.text(text) == number)
  }

  @Test("what is no amount is refused", arguments: ["", "$", "1.", ".5", "--1", "1-", "1.2.3", "€1", "1,23 kr"])
  func malformedMoney(text: String) {
    #expect(throws: ConversionError.self) { try ValueConversion.moneyToNumeric.text(text) }
  }

  @Test("random bytes give an answer or an error, never a trap")
  func fuzz() {
    var random = SeededGenerator()
    let alphabet = Array("{}[]\"\\,;:=-+.0123456789eENULnultf $()ax \u{E9}".utf8)
    let conversions: [ValueConversion] = [
      .arrayToJSON(.number), .arrayToJSON(.boolean), .arrayToJSON(.json), .arrayToJSON(.string),
      .arrayToJSON(.string, delimiter: UInt8(ascii: ";")), .moneyToNumeric,
    ]
    var accepted = 0
    for round in 0..<60_000 {
      var bytes = (0..<Int.random(in: 0..<24, using: &random)).map { _ in alphabet.randomElement(using: &random)! }
      if round % 2 == 0 { bytes = Array("{".utf8) + bytes + Array("}".utf8) }
      var output: [UInt8] = []
      do {
        try conversions[round % conversions.count].apply(bytes.span.bytes, into: &output)
        accepted += 1
      } catch {}
    }
    #expect(accepted > 0, "\(random)")
  }
}

@Suite("Converted values against a real server")
struct ServerConversionTests {
  /// A type, elements of it as SQL literals, and whether `to_jsonb` must agree with us.
  static let samples: [(type: String, elements: [String], agrees: Bool)] = [
    ("int4", ["0", "-1", "2147483647"], true), ("int8", ["-9223372036854775808", "12"], true),
    ("numeric", ["1.50", "-0.000001", "NaN", "123456789012345678901234567890.5", "0.00", "1e-20", "-7e30"], true),
    (
      "float8", ["1e300", "-1e-300", "0.1", "NaN", "Infinity", "-Infinity", "123456.789", "1e15", "1e16", "5e-324"],
      true
    ),
    ("float4", ["1e30", "1e-30", "0.1", "-0"], true), ("bool", ["t", "f"], true),
    ("text", ["", "a b", "NULL", "q\"q\\", "line\nbreak\ttab", "\u{1}\u{1F}\u{7F}", "é😀", "{a,b}", "'", "[1]"], true),
    ("varchar(3)", ["abc", "a"], true), ("bpchar", ["ab  ", "x"], true), ("char(4)", ["ab", ""], true),
    ("uuid", ["a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"], true),
    ("jsonb", ["{\"b\": [1, {\"c\": null}], \"a\": \"x\\\"y\"}", "1.50", "\"s\"", "null", "[]"], true),
    ("json", ["{\"b\" : 1,\n \"b\":2}", "null", "\"\\u00e9\""], false),
    ("date", ["2024-02-29", "infinity", "0044-03-15 BC"], false),
    ("timestamptz", ["2024-02-29 12:00:00.5+02", "-infinity"], false), ("interval", ["1 day 02:03:04.5"], true),
    ("bytea", ["\\x00ff", ""], true), ("inet", ["10.0.0.1", "10.0.0.0/8"], true), ("money", ["-1234.5"], true),
    ("int4range", ["[1,5)", "empty"], true), ("box", ["((1,1),(0,0))", "((3,4),(1,2))"], true),
    ("point", ["(1,2)"], true), ("mood", ["sad", "very happy"], true), ("pair", ["(1,\"a b\")"], false),
    ("bit(3)", ["101"], true), ("xml", ["<a b=\"1\"/>"], true), ("hstore", ["a=>\"b c\""], false),
    ("oid", ["7"], false),
  ]

  /// The SQL name under `search_path = pg_catalog`.
  private func qualified(_ type: String) -> String {
    ["mood", "pair", "hstore"].contains(type) ? "public.\(type)" : type
  }

  private func mapping(of type: String, in session: Connection) throws -> ColumnMapping {
    let row = try session.query(
      """
      SELECT a.typname, a.oid::int8, format_type(a.oid, -1), e.typname, ascii(e.typdelim::text) FROM pg_type a
      JOIN pg_type e ON e.typarray = a.oid WHERE a.oid = ('\(qualified(type))[]'::regtype)::oid
      """)[0]
    let column = SourceColumn(
      name: "c", number: 1, typeOID: UInt32(row[1]!)!, typeName: row[0]!, kind: .array, formattedType: row[2]!,
      elementTypeName: row[3]!, elementDelimiter: UInt8(row[4]!)!)
    return SchemaMapper(dialect: .dsql).mapColumn(column, isKey: false)
  }

  @Test("arrays of every element type become the JSON that the target prints again", arguments: samples.indices)
  func arraysOfEveryType(index: Int) throws {
    let (type, elements, agrees) = Self.samples[index]
    let session = try newSession(
      """
      CREATE TYPE public.mood AS ENUM ('sad', 'very happy'); CREATE TYPE public.pair AS (a int, b text);
      CREATE EXTENSION hstore SCHEMA public
      """)
    let name = qualified(type)
    let mapping = try mapping(of: type, in: session)
    let values = elements.map { quotedLiteral($0) + "::" + name } + ["NULL"]
    let shapes = [
      "ARRAY[\(values.joined(separator: ", "))]::\(name)[]", "'{}'::\(name)[]", "ARRAY[NULL]::\(name)[]",
      "ARRAY[ARRAY[\(values[0]), NULL], ARRAY[\(values.reversed()[1]), \(values[0])]]::\(name)[]",
      "array_fill(\(values[0]), ARRAY[2,1,2], ARRAY[0,-1,5])",
    ]
    for shape in shapes {
      let row = try session.query("SELECT (\(shape))::text, to_jsonb(\(shape))::text")[0]
      let ours = try mapping.conversion.text(row[0]!)

      let printed = try session.query("SELECT $1::\(mapping.targetType)::text", [ours]).single

      #expect(printed == ours, "\(shape)")
      if agrees { #expect(row[1] == ours, "\(shape)") }
    }
  }

  @Test("random text arrays come out as to_jsonb prints them")
  func randomArrays() throws {
    var random = SeededGenerator()
    let session = try newSession()
    let alphabet = Array("ab \"\\{},\n\t\r\u{8}\u{C}\u{1}'NULé😀;[]")
    for _ in 0..<300 {
      let elements = (0..<Int.random(in: 0..<5, using: &random)).map { _ in
        String((0..<Int.random(in: 0..<6, using: &random)).map { _ in alphabet.randomElement(using: &random)! })
      }
      let row = try session.query(
        "SELECT a::text, to_jsonb(a)::text FROM (SELECT array_agg(e) FILTER (WHERE true) FROM "
          + "jsonb_array_elements_text($1::jsonb) AS e) AS x(a) WHERE a IS NOT NULL",
        ["[" + elements.map { "\"" + escaped($0) + "\"" }.joined(separator: ",") + "]"])
      guard row.count == 1 else { continue }

      #expect(try ValueConversion.arrayToJSON(.string).text(row[0][0]!) == row[0][1], "\(random)")
    }
  }

  private func escaped(_ text: String) -> String {
    text.unicodeScalars.map { scalar in
      scalar.value < 0x20
        ? "\\u00" + (scalar.value < 16 ? "0" : "") + String(scalar.value, radix: 16)
        : scalar == "\"" || scalar == "\\" ? "\\\(scalar)" : String(scalar)
    }.joined()
  }

  @Test("random floats come out as to_jsonb prints them")
  func randomFloats() throws {
    var random = SeededGenerator()
    let session = try newSession()
    for _ in 0..<40 {
      let numbers = (0..<50).map { _ in Double(bitPattern: random.next()) }.filter(\.isFinite)
      let literal = "{" + numbers.map { "\($0)" }.joined(separator: ",") + "}"
      let row = try session.query("SELECT a::text, to_jsonb(a)::text FROM (SELECT $1::float8[]) AS x(a)", [literal])[0]

      #expect(try ValueConversion.arrayToJSON(.number).text(row[0]!) == row[1], "\(random)")
    }
  }

  @Test(
    "money comes out as the number the server casts it to",
    arguments: ["0", "-0.01", "1234567.89", "-92233720368547758.08"])
  func money(amount: String) throws {
    let session = try newSession()
    let row = try session.query("SELECT m::text, m::numeric::text FROM (SELECT $1::money) AS x(m)", [amount])[0]

    #expect(try ValueConversion.moneyToNumeric.text(row[0]!) == row[1])
  }

  @Test("the OIDs of the table of built-in types are the server's")
  func oids() throws {
    let session = try newSession()
    for type in BuiltinType.all {
      let row = try session.query(
        "SELECT oid::text, typarray::text, $2::regtype::oid::text FROM pg_type WHERE typname = $1 "
          + "AND typnamespace = 'pg_catalog'::regnamespace", [type.name, type.castName])[0]

      #expect(row == ["\(type.oid)", "\(type.arrayOID)", "\(type.oid)"], "\(type.name)")
    }
  }
}
