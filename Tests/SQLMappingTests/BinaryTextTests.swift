import ChangeModel
import PenstockTestKit
import Postgres
import SQLMapping
import Testing

@Suite("The text of a binary value")
struct BinaryTextTests {
  /// Values at the edges of each type, as SQL literals.
  private static let values: [(type: String, values: [String])] = [
    ("bool", ["true", "false"]), ("int2", ["-32768", "32767"]), ("int4", ["-2147483648", "0"]),
    ("int8", ["'-9223372036854775808'", "9223372036854775807"]), ("text", ["''", "E'a\\nb'", "'ü😀'"]),
    ("varchar", ["'x'"]), ("bpchar", ["'ab  '"]), ("bytea", ["'\\x'", "'\\x00ff5c27'"]),
    ("uuid", ["'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'"]), ("json", ["'{\"b\" : [1]}'"]),
    ("jsonb", ["'{\"b\": [1.50]}'"]),
    (
      "numeric",
      [
        "0", "0.00", "-1.5", "1e30", "1.500", "0.0001", "0.00001", "12345678901234567890.0000100", "'NaN'",
        "'Infinity'",
        "'-Infinity'", "99990000", "-0.00099",
      ]
    ),
    ("date", ["'infinity'", "'-infinity'", "'0044-03-15 BC'", "'0001-01-01'", "'2024-02-29'", "'5874897-12-31'"]),
    ("time", ["'24:00'", "'00:00:00.000001'", "'01:02:03.4'"]),
    ("timetz", ["'23:59:59.999999+15:59'", "'00:00-12'", "'12:00+05:30:15'"]),
    (
      "timestamp",
      [
        "'infinity'", "'-infinity'", "'4713-01-01 00:00:00 BC'", "'294276-12-31 23:59:59.999999'",
        "'1999-12-31 23:59:59.5'",
      ]
    ),
    ("timestamptz", ["'infinity'", "'2024-02-29 12:00:00.5+05:30'", "'0044-03-15 12:00 BC'"]),
    (
      "interval",
      [
        "'-1 year 2 mons -3 days 04:05:06.7'", "'0'", "'1 day'", "'-00:00:01'", "'1 mon -1 day'", "'14 mons 100:00:00'",
        "'-1 day 01:00'",
      ]
    ),
    ("float4", ["'NaN'", "1.5", "'-Infinity'", "0"]), ("float8", ["'Infinity'", "-0.25", "100"]),
  ]

  private func session() throws -> Connection {
    let cluster = try TestCluster.shared
    let session = try Connection(
      ConnectionSettings(
        role: .source,
        parameters: [
          ("host", "127.0.0.1"), ("port", "\(cluster.port)"), ("user", "postgres"), ("dbname", "postgres"),
        ]))
    for (name, value) in sourceSessionSettings { try session.query("SET \(name) = '\(value)'") }
    return session
  }

  @Test("is what the server prints")
  func likeTheServer() throws {
    let session = try session()
    for (type, literals) in Self.values {
      let known = BuiltinType.named(type)!
      for literal in literals {
        let value = "CAST(\(literal) AS \(known.castName))"
        // `character` loses its blanks in a cast to text.
        let wanted = type == "bpchar" ? "ab  " : try session.query("SELECT format('%s', \(value))").single
        let bytes = try session.binaryRows("SELECT \(value)", types: [], [])[0][0]!
        var text: [UInt8] = []

        #expect(known.appendText(of: bytes, to: &text), "\(type) \(literal)")
        #expect(String(decoding: text, as: UTF8.self) == wanted, "\(type) \(literal)")
      }
    }
    #expect(Set(Self.values.map(\.type)) == Set(BuiltinType.all.map(\.name)))
  }

  @Test("floating-point numbers can be read back as they were", arguments: ["float4", "float8"])
  func floats(type: String) throws {
    let session = try session()
    let known = BuiltinType.named(type)!
    for literal in ["0.1", "1e-37", "-0", "1e20", "3.4028235e38", "16777217", "1.17549435e-38"] {
      let bytes = try session.binaryRows("SELECT CAST('\(literal)' AS \(known.castName))", types: [], [])[0][0]!
      var text: [UInt8] = []
      #expect(known.appendText(of: bytes, to: &text))
      let again = try session.binaryRows(
        "SELECT CAST('\(String(decoding: text, as: UTF8.self))' AS \(known.castName))", types: [], [])[0][0]
      #expect(again == bytes, "\(literal)")
    }
  }

  @Test("bytes that are no value are no text", arguments: BuiltinType.all.map(\.name))
  func malformed(type: String) {
    let known = BuiltinType.named(type)!
    if ["text", "varchar", "bpchar", "json", "bytea"].contains(type) { return }
    for bytes: [UInt8] in [[], [9, 9, 9], [UInt8](repeating: 0x7F, count: 17)] {
      var text: [UInt8] = [1]
      #expect(!known.appendText(of: bytes, to: &text))
      #expect(text == [1])
    }
  }
}
