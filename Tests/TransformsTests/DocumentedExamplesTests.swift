import Foundation
import SQLMapping
import Testing
import Transforms

@Suite struct DocumentedExamplesTests {
  struct Example: CustomTestStringConvertible {
    var testDescription: String
    var projection: String
    var result: String
  }

  /// The rows of the table of examples in docs/transforms.md.
  static let examples: [Example] = {
    let page = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent().appendingPathComponent("docs/transforms.md")
    let text = (try? String(contentsOf: page, encoding: .utf8)) ?? ""
    return text.matches(of: /\n\| ([^|]+) \| `(.+)` \| `([^|]+)` \|(?=\n)/).map { match in
      Example(
        testDescription: String(match.1), projection: match.2.replacingOccurrences(of: "\\|", with: "|"),
        result: String(match.3))
    }
  }()

  static let row: KeyValuePairs<String, (type: String, value: Value)> = [
    "id": ("int4", "42"), "email": ("text", "Ann@Example.org"), "phone": ("text", "555-0100"),
    "ssn": ("text", "078-05-1120"), "balance": ("numeric", "12.50"), "settings": ("jsonb", #"{"theme": "dark"}"#),
    "game": ("text", "go"), "mail": ("int4", "7"), "created_at": ("timestamptz", "2024-02-29 10:11:12.5+00"),
    "deleted_at": ("timestamptz", nil),
  ]

  @Test("each example of the documentation makes what it says", arguments: examples)
  func example(_ example: Example) throws {
    let row = try #require(try transformed(example.projection, of: Self.row))
    let expected = example.result.components(separatedBy: " · ").map { part in
      let pair = part.components(separatedBy: ": ")
      return (pair[0], pair[1] == "NULL" ? nil : pair.dropFirst().joined(separator: ": "))
    }

    #expect(row == Dictionary(uniqueKeysWithValues: expected))
  }

  @Test("there are examples") func count() { #expect(Self.examples.count >= 12) }
}
