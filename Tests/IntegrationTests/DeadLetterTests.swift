import Foundation
import PenstockTestKit
import Testing

@Suite("Rows that the target refuses do not hold the others up", .queued)
struct DeadLetterTests {
  private static let schema = """
    CREATE TABLE t (id int PRIMARY KEY, v text, n numeric(12,2), at timestamptz);
    INSERT INTO t SELECT i, 'v' || i, i / 4.0, 'epoch'::timestamptz + i * interval '1 day' FROM generate_series(1, 3000) i;
    UPDATE t SET v = 'far too long for the target' WHERE id IN (437, 2999);
    CREATE TABLE u (id int PRIMARY KEY, n int);
    INSERT INTO u SELECT i, i FROM generate_series(1, 50) i;
    """
  /// The target's tables are there already, narrower than the source's.
  private static let narrow = """
    CREATE TABLE t (id int PRIMARY KEY, v varchar(10), n numeric(12,2), at timestamptz);
    CREATE TABLE u (id int PRIMARY KEY, n int CONSTRAINT small CHECK (n < 1000));
    """

  private func pipeline(
    _ sink: SinkUnderTest, _ lines: [String] = ["on-error: dead-letter"], options: [String] = []
  ) async throws -> PipelineUnderTest {
    let pipeline = try await PipelineUnderTest(
      sink, schema: Self.schema, settings: ExtraSettings(pipeline: ["chunk-size: 64KiB"], sink: lines),
      emulatorOptions: options)
    try pipeline.target.run(Self.narrow)
    return pipeline
  }

  private func parked(_ pipeline: PipelineUnderTest) throws -> String {
    try pipeline.target.run(
      "SELECT source_table, key_values, operation, sqlstate FROM penstock.dead_letter WHERE state='parked' ORDER BY 1, 2"
    )
  }

  @Test(
    "they are parked while the tables load and while changes come, then replayed once the target can hold them",
    arguments: SinkUnderTest.allCases)
  func parkAndReplay(sink: SinkUnderTest) async throws {
    let pipeline = try await pipeline(sink)
    try await pipeline.runToEnd()

    #expect(
      try parked(pipeline) == """
        public.t|{"id":"2999"}|upsert|22001
        public.t|{"id":"437"}|upsert|22001
        """)
    #expect(try pipeline.target.number("SELECT count(*) FROM t") == 2998)
    try pipeline.source.run(
      """
      UPDATE t SET n = n + 1 WHERE id < 100; INSERT INTO u VALUES (51, 5000), (52, 52); UPDATE t SET v = 'fine' WHERE id = 2999;
      UPDATE t SET v = 'another one that is too long' WHERE id = 5; DELETE FROM t WHERE id = 6
      """)
    let process = try await pipeline.runToEnd()

    #expect(!process.standardError.contains("too long for the target"))
    #expect(process.standardError.contains("parked as dead letter"))
    #expect(
      try parked(pipeline) == """
        public.t|{"id":"437"}|upsert|22001
        public.t|{"id":"5"}|upsert|22001
        public.u|{"id":"51"}|upsert|23514
        """)
    #expect(try pipeline.target.run("SELECT v FROM t WHERE id = 5") == "v5")
    let status = try await pipeline.command("status FILE")
    #expect(status.standardOutput.contains("3 rows wait as dead letters"))
    let list = try await pipeline.command("dlq list FILE")
    #expect(list.standardOutput.contains("3 letters"))
    #expect(!list.standardOutput.contains("too long for the target"))
    #expect(
      try await pipeline.command("dlq show FILE --all --json").standardOutput.contains("far too long for the target"))

    let early = try await pipeline.command("dlq replay FILE --all")
    #expect(early.status == .exited(1))
    #expect(early.standardOutput == "replayed 0, passed over 0 that do not wait any more, refused again 3\n")
    try pipeline.target.run("ALTER TABLE t ALTER v TYPE text; ALTER TABLE u DROP CONSTRAINT small")
    let replay = try await pipeline.command("dlq replay FILE --all")
    #expect(replay.status == .exited(0), "\(replay.standardError)")
    try pipeline.expectEqual(["t", "u"])
    #expect(try await pipeline.command("dlq drop FILE --all").standardOutput == "dropped 4\n")
  }

  @Test("by default the first one stops the pipeline, with its key; nothing is lost", arguments: SinkUnderTest.allCases)
  func stop(sink: SinkUnderTest) async throws {
    let pipeline = try await pipeline(sink, [])
    let process = try pipeline.start()

    #expect(try await process.wait(timeout: .seconds(240)) == .exited(4), "\(process.standardError)")
    #expect(process.standardError.contains("value too long"))
    #expect(process.standardError.contains("key {\"id\":"))
    #expect(!process.standardError.contains("too long for the target"))
    try pipeline.target.run("ALTER TABLE t ALTER v TYPE text")
    try await pipeline.runToEnd()
    try pipeline.expectEqual(["t", "u"])
  }

  @Test(
    "a class that is not named stops it, and so do too many in a minute",
    arguments: ["dead-letter-classes: [size]", "dead-letter-limit: 1"])
  func limits(line: String) async throws {
    let pipeline = try await pipeline(.postgres, ["on-error: dead-letter", line])
    let process = try pipeline.start()

    #expect(try await process.wait(timeout: .seconds(240)) == .exited(4), "\(process.standardError)")
    #expect(process.standardError.contains(line.contains("limit") ? "more than 1 rows in a minute" : "value too long"))
  }

  @Test("cut connections and conflicts change nothing about it")
  func faults() async throws {
    let pipeline = try await pipeline(
      .dsql,
      options: [
        "--conflict-rate", "0.1", "--cut-after-commit-rate", "0.1", "--cut-before-commit-rate", "0.1", "--seed", "7",
      ])
    try await pipeline.runToEnd()
    try pipeline.source.run("INSERT INTO u SELECT i, i * 20 FROM generate_series(60, 79) i")
    try await pipeline.runToEnd()

    #expect(try pipeline.target.number("SELECT count(*) FROM t") == 2998)
    #expect(try pipeline.target.number("SELECT count(*) FROM u") == 50)
    #expect(try pipeline.target.number("SELECT count(*) FROM penstock.dead_letter WHERE state='parked'") == 22)
  }
}
