import Foundation
import PenstockTestKit
import Testing

/// Keys that PostgreSQL holds for equal although they look different, and which therefore name the same row.
@Suite("A key may change to another form of the same value", .queued)
struct KeyTests {
  private static let keys: [(type: String, one: String, other: String)] = [
    ("interval", "make_interval(days => i)", "make_interval(hours => 24 * i)"),
    ("jsonb", "('[1.0, ' || i || ']')::jsonb", "('[1.00, ' || i || '.0]')::jsonb"),
    ("numeric[]", "ARRAY[i * 1.0]", "ARRAY[i * 1.00]"),
    ("numrange", "numrange(i, i + 1)", "numrange(i * 1.0, i + 1.0)"),
    ("double precision", "CASE i WHEN 1 THEN 0 ELSE i END", "CASE i WHEN 1 THEN '-0'::float8 ELSE i END"),
    ("text COLLATE blind", "'a' || i", "'A' || i"),
  ]

  @Test("by many lanes, without losing a row", arguments: keys.indices)
  func forms(index: Int) async throws {
    let (type, one, other) = Self.keys[index]
    let pipeline = try await PipelineUnderTest(
      .postgres,
      schema: """
        CREATE COLLATION blind (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
        CREATE TABLE t (k \(type) PRIMARY KEY, i int, n int);
        INSERT INTO t SELECT \(one), i, 0 FROM generate_series(1, 50) i;
        """, settings: ExtraSettings(sink: ["parallelism: 8", "batch-size: 7"]))
    // The target tells apart no more than the source.
    try pipeline.target.run(
      "CREATE COLLATION blind (provider = icu, locale = 'und-u-ks-level2', deterministic = false);"
        + "CREATE TABLE t (k \(type) PRIMARY KEY, i int, n int)")
    try await pipeline.runToEnd()
    let rounds = (1...20).map { round in
      "UPDATE t SET n = \(round), k = \(round % 2 == 0 ? one : other);"
    }
    try pipeline.source.run(rounds.joined())

    try await pipeline.runToEnd()

    try pipeline.expectEqual(["t"])
  }
}
