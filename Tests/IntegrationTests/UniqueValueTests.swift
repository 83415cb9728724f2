import Foundation
import PenstockTestKit
import Runtime
import Testing

@Suite("Unique values that move through a whole table", .queued)
struct UniqueValueTests {
  enum Way: String, CaseIterable, Sendable {
    /// Each row takes the value that the next one still has.
    case deferred
    /// All values are set aside first.
    case inTwoSteps

    var update: String {
      switch self {
      case .deferred: "UPDATE t SET u = u + 1"
      case .inTwoSteps: "BEGIN; UPDATE t SET u = -u; UPDATE t SET u = 1 - u; COMMIT"
      }
    }
  }

  @Test(
    "by one transaction larger than the buffer, end equal, also when the process is killed on the way",
    arguments: SinkUnderTest.allCases, Way.allCases)
  func largeMove(sink: SinkUnderTest, way: Way) async throws {
    let pipeline = try await PipelineUnderTest(
      sink,
      schema: """
        CREATE TABLE t (id int PRIMARY KEY, u int, pad text, big text, CONSTRAINT t_u UNIQUE (u) DEFERRABLE);
        ALTER TABLE t ALTER big SET STORAGE EXTERNAL;
        INSERT INTO t SELECT i, i, repeat('x', 100), CASE WHEN i % 500 = 0 THEN repeat('y', 5000) END
          FROM generate_series(1, 20000) i;
        """,
      settings: ExtraSettings(sink: [
        "buffer-size: 1MiB", "retry: { initial-delay: 20ms, max-delay: 300ms, max-elapsed: 5m }",
      ]))
    // The source looks at its constraint once the statement has ended, the target at each row.
    try pipeline.target.run("CREATE TABLE t (id int PRIMARY KEY, u int UNIQUE, pad text, big text)")
    try await pipeline.runToEnd()
    try pipeline.source.run(way.update)

    let point = way == .deferred ? Failpoint.serialStep : .batchCommitted
    let process = try pipeline.start(environment: ["PENSTOCK_CRASH_AT": "\(point.rawValue):3"])
    #expect(try await process.wait() == .signalled(SIGKILL), "\(process.standardError)")
    try await pipeline.runToEnd()

    try pipeline.expectEqual()
  }

  @Test("one that only the target holds is not waited for", arguments: SinkUnderTest.allCases, [false, true])
  func onlyInTarget(sink: SinkUnderTest, parks: Bool) async throws {
    let pipeline = try await PipelineUnderTest(
      sink, schema: "CREATE TABLE t (id int PRIMARY KEY, u int UNIQUE)",
      settings: ExtraSettings(
        sink: ["retry: { max-elapsed: 10min }"] + (parks ? ["on-error: dead-letter"] : [])))
    try await pipeline.runToEnd()
    try pipeline.target.run("INSERT INTO t VALUES (-1, 500)")
    try pipeline.source.run("INSERT INTO t SELECT i, i FROM generate_series(1, 400) i")
    try pipeline.source.run(
      "INSERT INTO t SELECT i, i FROM generate_series(401, 500) i; INSERT INTO t VALUES (501, 501)")

    let process = try pipeline.start(["--exit-when-caught-up"])

    #expect(try await process.wait(timeout: .seconds(240)) == .exited(parks ? 0 : 4), "\(process.standardError)")
    if parks {
      #expect(try pipeline.target.run("SELECT key_values FROM penstock.dead_letter") == #"{"id":"500"}"#)
      #expect(try pipeline.target.number("SELECT count(*) FROM t") == 501)
    } else {
      #expect(process.standardError.contains("that the source does not have"))
      #expect(try pipeline.target.number("SELECT count(*) FROM t WHERE id <= 400") >= 401)
    }
  }
}
