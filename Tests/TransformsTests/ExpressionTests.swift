import ChangeModel
import SQLMapping
import Testing
import Transforms

@Suite struct ExpressionTests {
  @Test(
    "a column is computed as SQLite computes it",
    arguments: [
      ("lower(email)", "ann@example.org"), ("'***'", "***"), ("id || '#' || points", "42#7"), ("id + 1", "43"),
      ("NULL", nil), ("coalesce(deleted_at, 'never')", "never"), ("iif(active, 'yes', 'no')", "yes"),
      ("CASE WHEN active THEN note END", "it's, \"so\""), ("settings ->> '$.theme'", "dark"),
      ("json_extract(settings, '$.sizes[2]')", "3"), ("hex(photo)", "00FF10"), ("length(photo)", "3"),
      ("typeof(balance)", "text"), ("typeof(points)", "integer"), ("balance || ''", "12345678901234567890.123400"),
      ("points / 2", "3"), ("ratio * 3", "1.5"), ("date(created_at)", "2024-02-29"),
      ("strftime('%Y', created_at)", "2024"), ("replace(note, 'so', 'thus')", "it's, \"thus\""),
      ("CAST(id AS TEXT)", "42"), ("substr(email, 1, 3)", "Ann"), ("max(id, 50)", "50"), ("id BETWEEN 1 AND 50", "1"),
      ("email LIKE 'ann@%'", "1"), ("id IN (1, 42)", "1"),
      (
        "hmac_sha256(email, 'key')",
        "d2f6d57ea6023492e61962757c335fe97d3e0d17d4808cc979f8be9a386f1d05"
      ), ("hmac_sha256(deleted_at, 'key')", nil),
    ] as [(String, String?)])
  func computed(expression: String, expected: String?) throws {
    #expect(try transformed("\(expression) AS x") == ["x": expected])
  }

  @Test("a column that only passes is copied byte for byte, by whatever name")
  func copied() throws {
    let row = try transformed("balance, created_at AS made, (settings) AS s, photo")

    #expect(
      row == [
        "balance": "12345678901234567890.123400", "made": "2024-02-29 10:11:12.5+00",
        "s": #"{"theme": "dark", "sizes": [1, 2, 3]}"#, "photo": "\\x00ff10",
      ])
  }

  @Test("a star is every column, in order")
  func star() throws {
    let names = person.map(\.key)
    let checked = try CheckedTransform(
      TransformDescription(inputs: person.map { .init(name: $0.key, typeName: $0.value.type) }, projection: "*, 1 AS n")
    )

    #expect(checked.outputs.map(\.name) == names + ["n"])
    #expect(checked.outputs.map(\.input) == Array(0..<names.count).map(Optional.some) + [nil])
  }

  @Test(
    "commas inside of strings, comments, calls and quoted names part nothing",
    arguments: [
      "'a, b' AS x, id", "replace(note, ',', ';') AS x, id", "id /* a, b */ AS x, id", "id -- a, b\n AS x, id",
      "1 AS \"x, y\", id", "1 AS [x, y], id", "id IN (1, 2) AS x, id", "'it''s, so' AS x, id",
      "CASE WHEN id IN (1,2) THEN ',' ELSE '(' END AS x, id",
    ])
  func commas(projection: String) throws {
    let checked = try CheckedTransform(
      TransformDescription(inputs: person.map { .init(name: $0.key, typeName: $0.value.type) }, projection: projection))

    #expect(checked.outputs.count == 2)
    #expect(checked.outputs[1].input == 0)
  }

  @Test("of each column it is known which columns it depends on")
  func dependencies() throws {
    let checked = try CheckedTransform(
      TransformDescription(
        inputs: person.map { .init(name: $0.key, typeName: $0.value.type) },
        projection: "id, email || id AS label, 'x' AS constant", filter: "active AND deleted_at IS NULL"))

    #expect(checked.outputs.map(\.reads) == [[0], [0, 1], []])
    #expect(checked.filterReads == [5, 9])
  }

  @Test(
    "a filter keeps the rows of which it is true",
    arguments: [
      ("deleted_at IS NULL", true), ("active", true), ("NOT active", false), ("NULL", false), ("balance > 10", true),
      ("balance < 10", false), ("points > 6.5", true), ("ratio = 0.5", true), ("id = '42'", true),
      ("email = 'x'", false),
      ("deleted_at < '2024'", false), ("created_at > '2024-01-01'", true), ("settings ->> 'theme' = 'dark'", true),
    ])
  func filters(filter: String, isKept: Bool) throws {
    #expect((try transformed("id", filter: filter) != nil) == isKept)
  }

  @Test("a transform goes on after a row that it leaves out, and after one that fails")
  func reuse() throws {
    let inputs = [TransformInput(name: "id", typeName: "int4"), TransformInput(name: "doc", typeName: "text")]
    let transform = try RowTransform(
      CheckedTransform(
        TransformDescription(inputs: inputs, projection: "id, json_extract(doc, '$.a') AS a", filter: "id > 0")))

    #expect(try apply(transform, to: ["0", "{}"]) == nil)
    #expect(throws: RowTransformError(column: "a", reason: "malformed JSON")) {
      try apply(transform, to: ["1", "a secret"])
    }
    #expect(try apply(transform, to: ["2", #"{"a":"b"}"#]) == ["id": "2", "a": "b"])
  }

  @Test("what names a row can be computed without the rest of it")
  func keys() throws {
    let inputs = ["game", "mail", "text"].map { TransformInput(name: $0, typeName: "text") }
    let checked = try CheckedTransform(
      TransformDescription(inputs: inputs, projection: "text, game || '#' || mail AS pk", filter: "text <> ''"))
    let key = try RowTransform(checked.limited(to: [1]))

    #expect(try apply(key, to: ["g", "m", nil]) == ["pk": "g#m"])
  }
}
