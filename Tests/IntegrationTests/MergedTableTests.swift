import PenstockTestKit
import Testing

@Suite("Several tables of PostgreSQL become one", .queued)
struct MergedTableTests {
  private static let schema = """
    CREATE TABLE orders_1 (id int PRIMARY KEY, v int, a int); CREATE TABLE orders_2 (id int PRIMARY KEY, v int, b date);
    INSERT INTO orders_1 SELECT i, i, 1 FROM generate_series(1, 500) i;
    INSERT INTO orders_2 SELECT i, i, '2024-02-29' FROM generate_series(501, 900) i;
    """

  private func pipeline(_ sink: SinkUnderTest, collision: String = "fail") async throws -> PipelineUnderTest {
    try await PipelineUnderTest(
      sink, schema: Self.schema,
      settings: ExtraSettings(
        sink: ["parallelism: 3"],
        root: [
          "route:", "  - source-table: public.orders_*", "    sink-table: public.orders",
          "    on-collision: \(collision)", "    indexes: [[v]]",
        ]))
  }

  /// What the source has, as the target must have it.
  private static let source = """
    SELECT id, v, a, NULL::date AS b, '["public.orders_1","' || id || '"]' AS origin FROM orders_1 UNION ALL
    SELECT id, v, NULL, b, '["public.orders_2","' || id || '"]' FROM orders_2 ORDER BY id
    """
  private static let target = "SELECT id, v, a, b, origin FROM orders ORDER BY id"

  @Test("the load and the changes of all of them meet there", arguments: SinkUnderTest.allCases)
  func merge(sink: SinkUnderTest) async throws {
    let pipeline = try await pipeline(sink)
    try await pipeline.runToEnd()
    #expect(try pipeline.target.run(Self.target) == pipeline.source.run(Self.source))

    try pipeline.source.run(
      """
      UPDATE orders_1 SET v = v + 1 WHERE id % 3 = 0; DELETE FROM orders_2 WHERE id % 5 = 0;
      UPDATE orders_1 SET id = id + 5000 WHERE id < 10; INSERT INTO orders_2 VALUES (1, 1, NULL);
      TRUNCATE orders_2; INSERT INTO orders_2 VALUES (7, 70, '2024-01-01');
      """)
    try await pipeline.runToEnd()
    #expect(try pipeline.target.run(Self.target) == pipeline.source.run(Self.source))
    let equal = try await pipeline.command("verify FILE")
    #expect(equal.status == .exited(0), "\(equal.standardOutput) \(equal.standardError)")
  }

  @Test("rows of two tables with one key stop the load, which names both") func collision() async throws {
    let pipeline = try await pipeline(.postgres)
    try pipeline.source.run("INSERT INTO orders_2 VALUES (20, 0, NULL)")
    let process = try pipeline.start(["--exit-when-caught-up"])

    #expect(try await process.wait(timeout: .seconds(60)) == .exited(4), "\(process.standardError)")
    for text in ["orders_1", "orders_2", "20"] { #expect(process.standardError.contains(text)) }
  }
}
