import ChangeModel
import DynamoDBSource
import Foundation
import PenstockTestKit
import SQLMapping
import Testing

@testable import Verification

@Suite("Items held against a target", .serialized)
struct VerifyItemsTests {
  private static let columns = [("name", "text"), ("amount", "numeric(10,2)"), ("at", "timestamptz")]

  /// Items 1 to `count`, and the same rows.
  private func filled(
    _ count: Int, expiry: ItemExpiry = .delete, _ change: (inout DynamoDBVerification.Options) -> Void = { _ in }
  ) throws -> ItemsUnderTest {
    let things = try ItemsUnderTest(
      keys: [("Part", "S"), ("nr", "N")], columns: Self.columns, overflow: "rest", expiry: expiry, change)
    for number in 1...count { things.put(Self.item(number)) }
    try things.target(
      """
      INSERT INTO things SELECT 'o''p', i, 'n' || i, i * 1.5, to_timestamp(1700000000 + i), NULL
      FROM generate_series(1, \(count)) i
      """)
    return things
  }

  private static func item(_ number: Int) -> JSONValue {
    [
      "Part": ["S": "o'p"], "nr": ["N": "\(number)"], "name": ["S": "n\(number)"],
      "amount": ["N": "\(Double(number) * 1.5)"], "at": ["N": "\(1_700_000_000 + number)"],
    ]
  }

  @Test("missing, extra and different rows are named by their keys, with the columns that differ") func named()
    async throws
  {
    let things = try filled(500)
    let equal = try await things.report()
    #expect(equal.isEqual && equal.standstill == nil)
    #expect(equal.tables[0].sourceRows == 500 && equal.tables[0].targetRows == 500)

    try things.target(
      """
      DELETE FROM things WHERE nr = 7;
      UPDATE things SET name = NULL, amount = amount + 0.01 WHERE nr = 9;
      UPDATE things SET at = at + interval '1 us' WHERE nr = 10;
      UPDATE things SET rest = '{"a": 1}' WHERE nr = 11;
      INSERT INTO things VALUES ('other', 3, 'x'), ('o''p', 500.5, 'x');
      """)
    let report = try await things.report()

    #expect(
      report.description.replacing(/, [0-9.]+ s, \d+ rows\/s\n/, with: "\n") == """
        Things -> public.things: 500 rows in the source, 499 in the target, 6 differ
          Things (Part='o'p', nr=7): missing in target
          Things (Part='o'p', nr=9): differs in columns name, amount
          Things (Part='o'p', nr=10): differs in column at
          Things (Part='o'p', nr=11): differs in column rest
          Things (Part='o'p', nr=500.5): extra in target
          Things (Part='other', nr=3): extra in target
        changes on their way may be among these: the pipeline is not running
        6 rows differ in 1 table

        """)
  }

  @Test("values are equal if the target's types say so") func equality() async throws {
    let things = try ItemsUnderTest(
      keys: [("id", "N")],
      columns: [
        ("money", "numeric"), ("doc", "jsonb"), ("at", "timestamptz"), ("code", "char(5)"), ("short", "varchar(3)"),
        ("rounded", "numeric(6,2)"), ("ratio", "float8"), ("raw", "json"), ("span", "interval"),
      ])
    things.put([
      "id": ["N": "10.5"], "money": ["N": "1.5"], "doc": ["M": ["b": ["N": "1"], "a": ["S": "x"]]],
      "at": ["S": "2024-01-01T12:00:00+02:00"], "code": ["S": "ab"], "short": ["S": "ab   "],
      "rounded": ["N": "1.238"], "ratio": ["N": "0.1"], "raw": ["L": [["N": "1"]]], "span": ["S": "1 day"],
    ])
    try things.target(
      """
      INSERT INTO things VALUES (10.500, 1.500, '{"a": "x",   "b": 1.00}', '2024-01-01 10:00Z', 'ab', 'ab ', 1.24, 0.1,
        '[1]', '1 day')
      """)

    #expect(try await things.differences() == [])

    try things.target("UPDATE things SET raw = '[ 1]', span = '24 hours', short = 'ab', rounded = 1.23")
    #expect(try await things.differences() == ["(id=10.5): differs in columns short, rounded, raw, span"])
  }

  /// Types, attributes, how they are stored, and another value, with `$` for the column.
  private static let values: [(type: String, attribute: String, stored: String, other: String)] = [
    ("text", #"{"S":"ä\n\"€\u0001"}"#, #"E'ä\n"€\x01'"#, "$ || ' '"),
    ("text", #"{"S":""}"#, "''", "NULL"),
    ("numeric", #"{"N":"12345678901234567890123456789012345678"}"#, "12345678901234567890123456789012345678", "$ + 1"),
    ("bytea", #"{"B":"AP8="}"#, #"'\x00ff'"#, "$ || $"),
    ("boolean", #"{"BOOL":true}"#, "true", "false"),
    ("jsonb", #"{"NULL":true}"#, "NULL", "'{}'"),
    ("jsonb", #"{"M":{"a":{"L":[{"N":"1"},{"S":"x"}]}}}"#, #"'{"a":[1,"x"]}'"#, "jsonb_set($, '{a,1}', '\"y\"')"),
    ("jsonb", #"{"SS":["a","b"]}"#, #"'["a","b"]'"#, #"'["b","a"]'"#),
    ("jsonb", #"{"NS":["1","2"]}"#, "'[1,2]'", "$ - 0"),
    ("jsonb", #"{"BS":["AP8="]}"#, #"'["AP8="]'"#, "$ || $"),
    ("json", #"{"L":[{"BOOL":false}]}"#, "'[false]'", "'[true]'"),
    ("double precision", #"{"N":"0.1"}"#, "0.1", "0.10000000000000002"),
    ("uuid", #"{"S":"A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11"}"#, "'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'", "NULL"),
    ("date", #"{"S":"2024-02-29"}"#, "'2024-02-29'", "$ + 1"),
    ("timestamp", #"{"N":"1700000000.123456"}"#, "'2023-11-14 22:13:20.123456'", "$ + interval '1 us'"),
    ("varchar(3)", #"{"S":"abc"}"#, "'abc'", "'ab'"),
    ("smallint", #"{"N":"-32768"}"#, "-32768", "0"),
  ]

  @Test("a change of any attribute is found, whatever its type") func types() async throws {
    let numbers = Self.values.indices
    let things = try ItemsUnderTest(columns: zip(numbers, Self.values).map { ("v\($0)", $1.type) })
    var item: [String: JSONValue] = [:]
    for (number, value) in zip(numbers, Self.values) {
      item["v\(number)"] = JSONValue(parsing: value.attribute)
    }
    for number in numbers {
      item["id"] = ["S": "\(number)"]
      things.put(.object(item))
    }
    let stored = Self.values.map(\.stored).joined(separator: ", ")
    try things.target(numbers.map { "INSERT INTO things VALUES ('\($0)', \(stored));" }.joined())
    #expect(try await things.differences() == [])

    let changes = zip(numbers, Self.values).map { number, value in
      "UPDATE things SET v\(number) = \(value.other.replacing("$", with: "v\(number)")) WHERE id = '\(number)';"
    }
    try things.target(changes.joined())

    #expect(
      Set(try await things.differences()) == Set(numbers.map { "(id='\($0)'): differs in column v\($0)" }))
  }

  @Test("keys of every type are found on both sides", arguments: ["S", "N", "B"]) func keys(type: String) async throws {
    let things = try ItemsUnderTest(keys: [("id", type)], columns: [("v", "text")])
    let (text, values) =
      switch type {
      case "N": ("-0.5", ["-0.50", "7"])
      case "B": ("AP8q", [#"'\x00ff2a'"#, #"'\x07'"#])
      default: ("quote \" and \\ and ü", [#"'quote " and \ and ü'"#, "'7'"])
      }
    things.put(["id": .object([type: .text(text)]), "v": ["S": "x"]])
    try things.target("INSERT INTO things VALUES (\(values[0]), 'x'), (\(values[1]), 'x')")
    #expect(try await things.report().tables[0].differences.map(\.kind) == [.extra])

    try things.target("DELETE FROM things WHERE id = \(values[1]); UPDATE things SET v = 'y'")
    #expect(try await things.report().tables[0].differences.map(\.columns) == [["v"]])

    try things.target("DELETE FROM things")
    #expect(try await things.report().tables[0].differences.map(\.kind) == [.missing])
  }

  @Test("an item that can't be a row is a difference, and the others of its page are compared") func refused()
    async throws
  {
    let things = try ItemsUnderTest(columns: [("day", "date"), ("number", "integer")])
    for number in 1...30 { things.put(["id": ["S": "\(number)"], "day": ["S": "2024-01-01"], "number": ["N": "1"]]) }
    // One is refused by the target, one is no row at all, one has a key that no text can be.
    things.put(["id": ["S": "31"], "day": ["S": "2024-13-01"]])
    things.put(["id": ["S": "32"], "number": ["S": "many"]], ["id": ["S": "33\u{0}"], "number": ["N": "1"]])
    try things.target(
      """
      INSERT INTO things SELECT i::text, '2024-01-01', 1 FROM generate_series(1, 30) i;
      UPDATE things SET number = 2 WHERE id = '17';
      INSERT INTO things VALUES ('32', NULL, NULL);
      """)

    let found = try await things.differences().sorted()

    #expect(found.count == 4)
    #expect(found.contains("(id='17'): differs in column number"))
    #expect(found.contains("(id='31'): missing in target"))
    #expect(found.contains("(id='32'): differs"))
    #expect(found.contains { $0.contains("33") && $0.hasSuffix("missing in target") })
  }

  @Test("keys whose text the target changes are told apart too") func unfaithfulKeys() async throws {
    let things = try ItemsUnderTest(keys: [("id", "S"), ("n", "N")], columns: [("id", "uuid"), ("v", "text")])
    things.put(["id": ["S": "A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11"], "n": ["N": "1"], "v": ["S": "x"]])
    try things.target(
      """
      INSERT INTO things VALUES ('a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', 1, 'x');
      INSERT INTO things VALUES ('a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', 2, 'x');
      """)

    #expect(
      try await things.differences() == ["(id='a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', n=2): extra in target"])
  }

  @Test("the origin column of a merged target is no item's") func merged() async throws {
    let things = try filled(3)
    var mapping = things.pair.mapping
    var origin = try #require(mapping.columns.last)
    origin.targetName = "origin"
    mapping.columns.append(origin)
    mapping.merge = MergeRule(policy: .fail, originColumn: mapping.columns.count - 1, group: 0)

    let pair = ItemPair(mapping, things.pair.items, expiry: .delete)

    #expect(pair.mapping == things.pair.mapping)
  }

  @Test("rows of expired items that are kept or marked are no differences") func expiry() async throws {
    let kept = try filled(20, expiry: .keep)
    try kept.target("INSERT INTO things VALUES ('gone', 1)")
    #expect(try await kept.differences() == [])

    let marked = try filled(20, expiry: .mark)
    try marked.target(
      """
      INSERT INTO things (\"Part\", nr, expired_at) VALUES ('gone', 1, now()), ('extra', 1, NULL);
      UPDATE things SET expired_at = now() WHERE nr = 5;
      """)
    #expect(
      try await marked.differences() == [
        "(Part='extra', nr=1): extra in target", "(Part='o'p', nr=5): differs in column expired_at",
      ])
  }

  @Test("rows without items are found on every page of the target's keys") func pages() async throws {
    let things = try filled(30) { $0.keysPerPage = 4 }
    try things.target("INSERT INTO things SELECT 'o''p', i + 0.5 FROM generate_series(2, 29, 3) i")

    let numbers = ["2.5", "5.5", "8.5", "11.5", "14.5", "17.5", "20.5", "23.5", "26.5", "29.5"]
    #expect(try await things.differences() == numbers.map { "(Part='o'p', nr=\($0)): extra in target" })
  }

  @Test("rows without items are found when memory does not hold the keys") func parts() async throws {
    let things = try filled(1100) { options in
      options.memoryBytes = 24 << 10
      options.pageItems = 500
    }
    try things.target("INSERT INTO things VALUES ('extra', 1), ('o''p', 0), ('o''p', 1101)")

    #expect(
      try await things.differences() == [
        "(Part='extra', nr=1): extra in target", "(Part='o'p', nr=0): extra in target",
        "(Part='o'p', nr=1101): extra in target",
      ])
    #expect(things.source.count(of: "Scan") > 9, "the table was scanned more than once")
  }
}
