import Foundation
import PenstockTestKit
import Testing

/// What a pipeline holds in memory, which is a few copies of the largest row, not of many.
@Suite("Memory is bounded by the largest row", .queued)
struct MemoryTests {
  /// Rows of 20 MB, of which the statistics know when they are stored as they are, and do not when compressed.
  @Test("rows of 20 MB are loaded, streamed and moved to other keys in 150 MB", arguments: ["EXTERNAL", "EXTENDED"])
  func largeRows(storage: String) async throws {
    let pipeline = try await PipelineUnderTest(
      .postgres,
      schema: """
        CREATE TABLE t (id int PRIMARY KEY, n int, big text);
        ALTER TABLE t ALTER big SET STORAGE \(storage);
        INSERT INTO t SELECT i, i, repeat(i::text, 20000000) FROM generate_series(1, 3) i;
        """, settings: ExtraSettings(sink: ["parallelism: 4"]))

    let load = try await pipeline.runToEnd()
    try pipeline.expectEqual()
    #expect(load.peakResidentBytes < 150 << 20, "the load took \(load.peakResidentBytes >> 20) MB")

    try pipeline.source.run(
      """
      INSERT INTO t SELECT i, i, repeat((i % 10)::text, 20000000) FROM generate_series(4, 9) i;
      UPDATE t SET n = -id;
      """)
    let stream = try await pipeline.runToEnd()
    try pipeline.expectEqual()
    #expect(stream.peakResidentBytes < 150 << 20, "the stream took \(stream.peakResidentBytes >> 20) MB")

    try pipeline.source.run("UPDATE t SET id = id + 100; INSERT INTO t SELECT 1, 1, repeat('x', 20000000)")
    let moves = try await pipeline.runToEnd()
    try pipeline.expectEqual()
    #expect(moves.peakResidentBytes < 150 << 20, "the moves took \(moves.peakResidentBytes >> 20) MB")
  }
}
