import ChangeModel
import Testing

@Suite("Table patterns") struct TablePatternTests {
  @Test(
    "a pattern matches whole names, part by part",
    arguments: [
      ("public.orders", "public", "orders", true), ("public.orders", "public", "order", false),
      ("public.*", "public", "anything", true), ("public.*", "publik", "anything", false),
      ("*.orders", "a.b", "orders", true), ("*.*", "a", "b", true), ("p?blic.t_??", "public", "t_01", true),
      ("p?blic.t_??", "public", "t_1", false), ("a.*b*c", "a", "xbxc", true), ("a.*b*c", "a", "xbx", false),
      ("a.**", "a", "", true), ("a.b*b", "a", "b", false), ("Public.ORDERS", "public", "orders", true),
      ("\"Public\".\"ORDERS\"", "Public", "ORDERS", true), ("\"Public\".orders", "public", "orders", false),
      ("\"a*\".b", "a*", "b", true), ("\"a*\".b", "ax", "b", false), ("\"a.b\".\"c\"\"d\"", "a.b", "c\"d", true),
      ("größe.ä", "größe", "ä", true), ("a.$1", "a", "$1", true),
    ])
  func matching(pattern: String, schema: String, name: String, matches: Bool) throws {
    #expect(try TablePattern(pattern).matches(TableName(schema, name)) == matches)
  }

  @Test("many wildcards do not take for ever") func cost() throws {
    let pattern = try TablePattern("a." + String(repeating: "*x", count: 500))

    #expect(!pattern.matches(TableName("a", String(repeating: "x", count: 499))))
    #expect(pattern.matches(TableName("a", String(repeating: "x", count: 500))))
  }

  @Test("an exact pattern names its table", arguments: ["a.b", "\"A\".\"b.c\"", "\"x\"\"y\".\"*\""])
  func exact(text: String) throws {
    let pattern = try TablePattern(text)
    let table = try #require(pattern.exactName)

    #expect(pattern.matches(table))
    #expect(TablePattern(table) == pattern)
    #expect(try TablePattern(TablePattern(table).description) == pattern)
  }

  @Test("a pattern with wildcards names none", arguments: ["a.*", "?.b", "a*.b"])
  func wildcards(text: String) throws {
    #expect(try TablePattern(text).exactName == nil)
  }

  @Test("patterns that match the same way are equal, however they are written") func equality() throws {
    #expect(try TablePattern("A.b") == TablePattern("\"a\".\"b\""))
    #expect(try TablePattern("a.***") == TablePattern("a.*"))
    #expect(try TablePattern("a.*") != TablePattern("a.\"*\""))
    #expect(try Set([TablePattern("A.b"), TablePattern("a.B")]).count == 1)
  }

  @Test(
    "a text that is no pattern is refused with a reason",
    arguments: [
      ("", "has an empty name"), ("a", "has no schema"), ("a.", "has an empty name"), (".a", "has an empty name"),
      ("a.b.c", "has more than two parts"), ("a b.c", "has a character that needs double quotes around the name"),
      ("a.\"b", "has no closing double quote"), ("\"\".b", "has an empty name"), ("a.\"b\"c", "is not a table name"),
      ("\"a\"b.c", "is not a table name"), ("a.\"b\0\"", "holds a NUL character"),
      ("\"", "has no closing double quote"),
      ("a." + String(repeating: "x", count: 64), "has a name of more than 63 bytes"),
    ])
  func malformed(text: String, reason: String) {
    #expect { _ = try TablePattern(text) } throws: { ($0 as? TablePattern.Malformed)?.reason == reason }
  }
}

@Suite("The nearest name") struct NearestNameTests {
  static let names = ["parallelism", "batch-size", "port", "host", "hostname"]

  @Test(
    "a misspelt name is recognised, another one is not",
    arguments: [
      ("paralelism", "parallelism"), ("batchsize", "batch-size"), ("BATCH-SIZE", "batch-size"), ("prot", "port"),
      ("hots", "host"), ("hostnam", "hostname"), ("colour", nil), ("", nil), ("x", nil),
      (String(repeating: "parallelism", count: 1000), nil),
    ] as [(String, String?)])
  func nearest(given: String, expected: String?) {
    #expect(nearestName(to: given, among: Self.names) == expected)
  }

  @Test("among equals the first wins") func ties() {
    #expect(nearestName(to: "cat", among: ["bat", "hat"]) == "bat")
  }
}
