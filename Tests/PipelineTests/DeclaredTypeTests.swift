import PenstockExtensions
import SQLMapping
import Testing

@testable import ChangeModel
@testable import Pipeline

@Suite("What a registered source says of its tables") struct DeclaredTypeTests {
  @Test(
    "a type is known by PostgreSQL's names",
    arguments: [
      ("integer", "int4", -1, "integer"), ("INT", "int4", -1, "integer"), ("bigint", "int8", -1, "bigint"),
      ("text", "text", -1, "text"), ("varchar(20)", "varchar", 24, "character varying(20)"),
      ("character varying( 20 )", "varchar", 24, "character varying(20)"), ("char", "bpchar", 5, "character(1)"),
      ("numeric(12,2)", "numeric", 786438, "numeric(12,2)"), ("decimal(5)", "numeric", 327684, "numeric(5,0)"),
      ("timestamp with time zone", "timestamptz", -1, "timestamp with time zone"),
      ("timestamptz", "timestamptz", -1, "timestamp with time zone"), ("jsonb", "jsonb", -1, "jsonb"),
    ] as [(String, String, Int32, String)])
  func types(text: String, name: String, modifier: Int32, formatted: String) {
    let type = DeclaredType(text)

    #expect(type?.builtin.name == name)
    #expect(type?.modifier == modifier)
    #expect(type?.formatted == formatted)
  }

  @Test(
    "any other is refused",
    arguments: [
      "", "mood", "int4(3)", "varchar()", "varchar(0)", "varchar(2", "varchar(2))", "numeric(1,2,3)", "numeric(x)",
      "text[]", "integer; DROP TABLE t",
    ])
  func unknown(text: String) {
    #expect(DeclaredType(text) == nil)
  }

  @Test(
    "a table needs a key of its columns, each once",
    arguments: [[], ["id", "id"], ["nothing"]])
  func keys(key: [String]) {
    let table = Table(name: "t", columns: [Column("id", "int")], key: key)

    #expect(throws: Failure.self) { try SourceTable(table) }
  }

  @Test("the columns of a key are not null") func notNull() throws {
    let columns = [Column("a", "int"), Column("b", "text"), Column("c", "text", isNotNull: true)]
    let table = try SourceTable(Table(schema: "s", name: "t", columns: columns, key: ["b"]))

    #expect(table.columns.map(\.isNotNull) == [false, true, true])
    #expect(table.identityColumns == ["b"])
  }
}
