import ChangeModel
import SQLMapping
import Testing
import Transforms

@Suite struct RefusalTests {
  @Test(
    "an expression that can't be meant is refused with its place",
    arguments: [
      ("id, lowr(email) AS e", "no such function: lowr", "character 5"),
      ("id, emial AS e", "no such column: emial", "character 5"),
      ("id, , email", "near \",\": syntax error", "character 5"),
      ("é.id", "no such column: é.id", "character 1"),
      ("id, 'abc", "unrecognized token: \"'abc", ""),
      ("", "near \",\": syntax error", ""),
      ("id, lower(email)", "an expression has no name", "character 4"),
      ("id, id", "column \"id\" is made twice", ""),
      ("id AS x, 1 AS x", "column \"x\" is made twice", ""),
      ("id, \"nobody\" AS x", "no such column: nobody", ""),
      ("?1 AS x", "it has a parameter", ""), (":a AS x", "it has a parameter", ""),
    ])
  func problems(projection: String, message: String, place: String) throws {
    let failure = try #require(refusal(projection))

    #expect(failure.message.hasPrefix("transform: \(message)"), "\(failure)")
    #expect(failure.location.hasPrefix("pipeline.yaml:9, projection"))
    #expect(failure.location.contains(place), "\(failure)")
    #expect(failure.kind == .configuration)
  }

  @Test("the nearest column is named")
  func nearest() throws {
    #expect(try #require(refusal("emial AS e")).hint.hasPrefix("Did you mean email?"))
    #expect(try #require(refusal(filter: "deleted IS NULL")).location == "pipeline.yaml:9, filter, character 1")
  }

  @Test(
    "nothing but expressions over the row gets through",
    arguments: [
      "(SELECT 1) AS x", "id IN (SELECT 1) AS x", "EXISTS (SELECT 1) AS x", "(VALUES (1)) AS x",
      "name AS x FROM sqlite_master", "name AS x FROM sqlite_master --", "name AS x FROM sqlite_master /*",
      "1 AS x /*", "1 AS x; SELECT 2", "1 AS x; DROP TABLE source --", "id FROM source /*",
      "id FROM source --", "id FROM source WHERE 1 /*", "id UNION SELECT 1", "id FROM source UNION SELECT 1 /*",
      "id FROM source, source AS b", "rowid", "source.rowid AS x", "load_extension('x') AS x",
      "readfile('/etc/passwd') AS x", "1 AS x FROM pragma_database_list", "RAISE(ABORT, 'x') AS x",
      "sqlite_version() AS x", "changes() AS x", "last_insert_rowid() AS x", "total_changes() AS x",
      "json_each.value FROM json_each('[1]') /*", "sum(id) AS x", "count(*) AS x", "max(id) AS x", "min(id) AS x",
      "group_concat(id) AS x", "row_number() OVER () AS x", "zeroblob(1000000000) AS x", "x'00' MATCH 'y' AS x",
      "'a' REGEXP 'b' AS x", "1 AS penstock_end /*",
    ])
  func injection(projection: String) throws {
    #expect(throws: Failure.self) { try transformed(projection) }
  }

  @Test(
    "nothing gets through a filter either",
    arguments: [
      "1) --", "1) /*", "1) FROM sqlite_master /*", "1), (2", "1) OR (1", "id IN (SELECT 1)", "max(id) > 1",
      "1; SELECT 1", "random() > 0", "", "id =", "1) UNION SELECT (1", "1) LIMIT (0",
    ])
  func filterInjection(filter: String) throws {
    #expect(throws: Failure.self) { try transformed("id", filter: filter) }
  }

  @Test(
    "what another moment or machine would answer otherwise is refused",
    arguments: [
      "random()", "randomblob(4)", "CURRENT_TIMESTAMP", "CURRENT_DATE", "CURRENT_TIME", "date()", "time()",
      "datetime()",
      "julianday()", "unixepoch()", "strftime('%s')", "date('now')", "datetime('NOW', '+1 day')",
      "strftime('%s', 'now')",
      "datetime(created_at, 'localtime')", "time('12:00', 'utc')", "unixepoch('now')", "julianday('now')",
    ])
  func clocks(expression: String) throws {
    let failure = try #require(refusal("id, \(expression) AS x"), "\(expression) got through")

    #expect(failure.message.contains("not allowed") || failure.message.contains("asks the clock"), "\(failure)")
    #expect(refusal(filter: "\(expression) IS NOT NULL") != nil)
  }

  @Test("a value that asks the clock fails its row")
  func clockInData() throws {
    let row: KeyValuePairs<String, (type: String, value: Value)> = ["day": ("text", "now")]

    #expect(
      throws: RowTransformError(column: "x", reason: "date() asks the clock or the time zone of the machine")
    ) { try transformed("date(day) AS x", of: row) }
  }

  @Test("two columns that SQL can't tell apart are refused")
  func caseOfNames() throws {
    let inputs = ["Id", "id"].map { TransformInput(name: $0, typeName: "int4") }

    #expect(throws: Failure.self) { try CheckedTransform(TransformDescription(inputs: inputs)) }
  }

  @Test("a message about a row holds none of its values")
  func secrecy() throws {
    let row: KeyValuePairs<String, (type: String, value: Value)> = ["path": ("text", "secret[")]

    #expect {
      try transformed("json_extract('{}', path) AS x", of: row)
    } throws: { error in
      let error = error as? RowTransformError
      return error?.column == "x" && error?.description.contains("secret") == false
    }
  }
}
