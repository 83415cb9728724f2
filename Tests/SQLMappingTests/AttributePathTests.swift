import SQLMapping
import Testing

@Suite("Ways into items") struct AttributePathTests {
  @Test(
    "a path leads through maps and lists, and names a column",
    arguments: [
      ("status", "status", [], "status"), ("address.city", "address", [.member("city")], "city"),
      ("tags[0]", "tags", [.element(0)], "tags_0"),
      ("a.b[12].c[3][4]", "a", [.member("b"), .element(12), .member("c"), .element(3), .element(4)], "c_3_4"),
      (#""a.b"."c""d""#, "a.b", [.member("c\"d")], "c\"d"), (#""[x]"[1]"#, "[x]", [.element(1)], "[x]_1"),
      ("größe.ä ö-ü", "größe", [.member("ä ö-ü")], "ä ö-ü"),
    ] as [(String, String, [AttributePath.Step], String)])
  func paths(text: String, attribute: String, steps: [AttributePath.Step], column: String) throws {
    let path = try AttributePath(text)

    #expect(path.attribute == attribute)
    #expect(path.steps == steps)
    #expect(path.columnName == column)
    #expect(try AttributePath(path.description) == path)
  }

  @Test(
    "what is no path says why",
    arguments: [
      ("", "has an empty name"), (".a", "has an empty name"), ("a.", "has an empty name"),
      ("a..b", "has an empty name"),
      ("[0]", "has an empty name"), (#""""#, "has an empty name"), ("a[0", "has no closing bracket"),
      ("a[]", "has an index that is no number below a million"),
      ("a[-1]", "has an index that is no number below a million"),
      ("a[1234567]", "has an index that is no number below a million"),
      ("a]", "has a character that needs double quotes"),
      (#"a"b"#, "has a character that needs double quotes"), (#""a"#, "has no closing double quote"),
      (#""a"b"#, "has text after a closing quote or bracket"), ("a[0]b", "has text after a closing quote or bracket"),
      ("a" + String(repeating: ".a", count: 33), "is deeper than the 32 levels that DynamoDB nests"),
    ])
  func malformed(text: String, reason: String) {
    let error = #expect(throws: AttributePath.Malformed.self) { try AttributePath(text) }

    #expect(error?.reason == reason)
  }
}
