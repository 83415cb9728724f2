import Foundation
import PenstockTestKit
import Testing

@Suite("Every type arrives as the page about types says", .queued)
struct TypeTests {
  /// The extensions that the server has, made, and the types that there are with them.
  private static let known = Result {
    let list = try TestCluster.sources.psql("SELECT name FROM pg_available_extensions")
    let available = Set(list.split(separator: "\n").map(String.init)).intersection(TypeCases.extensions)
    let extensions = available.sorted().map { "CREATE EXTENSION \($0);\n" }.joined()
    return (schema: extensions + TypeCases.schema, types: TypeCases.all(with: available))
  }

  /// Values for rows: the n-th of each column, NULL where a column has no more.
  private func rows(_ types: [TypeCase]) -> [String] {
    let count = (types.map(\.values.count).max() ?? 0) + 1
    return (0..<count).map { row in
      types.map { $0.values.indices.contains(row) ? $0.values[row] : "NULL" }.joined(separator: ", ")
    }
  }

  /// A line for each column, with its values in the order of `id`; long ones by their hashes.
  private func lines(_ database: TestDatabase, _ columns: [(label: String, table: String, value: String)]) throws
    -> [Substring]
  {
    let queries = columns.map { label, table, value in
      """
      SELECT $q$\(label)$q$ || ': ' || coalesce(string_agg(coalesce(
        CASE WHEN length(\(value)) > 300 THEN md5(\(value)) ELSE quote_literal(\(value)) END, 'NULL'), ', ' ORDER BY id), '')
      FROM \(table);
      """
    }
    let settings = """
      SET datestyle = 'ISO'; SET timezone = 'UTC'; SET intervalstyle = 'postgres'; SET extra_float_digits = 3;
      SET bytea_output = 'hex'; SET lc_monetary = 'C';

      """
    return try database.run(settings + queries.joined(separator: "\n")).split(separator: "\n")
  }

  private func expectSame(_ found: [Substring], _ expected: [Substring]) {
    for (found, expected) in zip(found, expected) { #expect(found == expected) }
    #expect(found.count == expected.count)
  }

  private static let filled = ["loaded", "touched", "touched_full", "cleared", "removed"]

  @Test(
    "by the load, by an insert, by an update of it or of another column, and goes by a delete",
    arguments: SinkUnderTest.allCases)
  func everyType(sink: SinkUnderTest) async throws {
    let (schema, types) = try Self.known.get()
    let names = types.indices.map { "c\($0)" }
    let columns = zip(names, types).map { "\($0) \($1.type)" }.joined(separator: ", ")
    let rows = rows(types)
    var setup = schema
    for table in Self.filled + ["inserted", "updated"] {
      setup += "CREATE TABLE \(table) (id int PRIMARY KEY, n int, \(columns));\n"
      for (id, row) in rows.enumerated() where table != "inserted" {
        setup += "INSERT INTO \(table) VALUES (\(id), 0\(table == "updated" ? "" : ", " + row));\n"
      }
    }
    setup += "ALTER TABLE touched_full REPLICA IDENTITY FULL;\n"
    let pipeline = try await PipelineUnderTest(sink, schema: setup, settings: ExtraSettings(tables: "[public.*]"))
    let process = try pipeline.start()
    try await pipeline.wait(for: "streaming", from: process)
    let list = names.joined(separator: ", ")
    for (id, row) in rows.enumerated() {
      try pipeline.source.run(
        """
        INSERT INTO inserted VALUES (\(id), 1, \(row));
        UPDATE updated SET (\(list)) = ROW(\(row)) WHERE id = \(id);
        INSERT INTO inserted (id) VALUES (\(id) + 100);
        """)
    }
    try pipeline.source.run(
      """
      UPDATE touched SET n = 1; UPDATE touched_full SET n = 1; DELETE FROM removed WHERE id % 2 = 0;
      UPDATE cleared SET \(names.map { "\($0) = NULL" }.joined(separator: ", "));
      """)
    process.signal(SIGTERM)
    try await process.wait()
    try await pipeline.runToEnd()

    for table in Self.filled + ["inserted", "updated"] {
      let expected = zip(names, types).map { name, type in
        let form = (sink == .dsql ? type.onDSQL : type.onPostgres) ?? "$::text"
        return ("\(table), \(type.type)", table, form.replacingOccurrences(of: "$", with: name))
      }
      let found = zip(names, types).map { ("\(table), \($1.type)", table, "\($0)::text") }
      expectSame(try lines(pipeline.target, found), try lines(pipeline.source, expected))
      #expect(
        try pipeline.target.number("SELECT sum(n) FROM \(table)")
          == pipeline.source.number("SELECT sum(n) FROM \(table)"))
    }
  }

  @Test("in a key, where the source takes it in one", arguments: SinkUnderTest.allCases)
  func everyKey(sink: SinkUnderTest) async throws {
    let (schema, types) = try Self.known.get()
    var setup = schema
    for (index, type) in types.enumerated() {
      // Types without an order are in no key; values that are equal, or too long for one, are left out.
      let inserts = type.values.enumerated().map { id, value in
        """
        INSERT INTO key_\(index) SELECT k, \(id), 'loaded' FROM (SELECT CAST(\(value) AS \(type.type)) AS k) s
          WHERE length(k::text) < 500 ON CONFLICT DO NOTHING;
        """
      }
      setup += """
        DO $do$ BEGIN
          CREATE TABLE key_\(index) (k \(type.type) PRIMARY KEY, id int, v text);
          \(inserts.joined(separator: "\n"))
          PERFORM FROM key_\(index) a JOIN key_\(index) b ON a.k = b.k;
        EXCEPTION WHEN undefined_object OR undefined_function THEN END $do$;

        """
    }
    let pipeline = try await PipelineUnderTest(sink, schema: setup, settings: ExtraSettings(tables: "[public.*]"))
    let tables = Set(try pipeline.tables())
    let keys = types.enumerated().filter { tables.contains("key_\($0.offset)") }
    #expect(keys.count > types.count / 2)
    let process = try pipeline.start()
    try await pipeline.wait(for: "streaming", from: process)
    for (index, _) in keys {
      // The last key goes; its row's value becomes that of the first.
      try pipeline.source.run(
        """
        UPDATE key_\(index) SET v = 'updated';
        BEGIN; CREATE TEMP TABLE last AS SELECT k FROM key_\(index) ORDER BY id DESC LIMIT 1;
        DELETE FROM key_\(index) WHERE k = (SELECT k FROM last) AND id > 0;
        UPDATE key_\(index) SET k = (SELECT k FROM last), v = 'moved' WHERE id = 0; COMMIT;
        """)
    }
    process.signal(SIGTERM)
    try await process.wait()
    try await pipeline.runToEnd()

    let expected = keys.map { index, type in
      // Arrays stay what they look like, since JSON has no place in DSQL's keys.
      let form =
        type.type.hasSuffix("]") || type.type == "few_numbers" ? nil : sink == .dsql ? type.onDSQL : type.onPostgres
      return (
        "key, \(type.type)", "key_\(index)", (form ?? "$::text").replacingOccurrences(of: "$", with: "k") + " || v"
      )
    }
    let found = keys.map { ("key, \($1.type)", "key_\($0)", "k::text || v") }
    expectSame(try lines(pipeline.target, found), try lines(pipeline.source, expected))
  }
}
