import Foundation
import PenstockTestKit
import Testing

@Suite("Each way to run a pipeline ends equal", .queued)
struct SettingTests {
  /// Settings that change how rows travel.
  struct Variant: Sendable, CustomTestStringConvertible {
    var sink: SinkUnderTest
    var pipeline: [String] = []
    var settings: [String] = []

    var testDescription: String { ([sink.rawValue] + pipeline + settings).joined(separator: " ") }
  }

  private static let variants: [Variant] = SinkUnderTest.allCases.flatMap { sink in
    [
      Variant(sink: sink, pipeline: ["fidelity: transaction"]),
      Variant(sink: sink, pipeline: ["chunk-by: key", "chunk-size: 64KiB"]),
      Variant(sink: sink, settings: ["pipelining: false", "batch-size: 100"]),
      Variant(sink: sink, settings: ["parallelism: 8", "batch-size: 7"]),
    ]
  }

  @Test("with a writer at work in load and stream", arguments: variants)
  func variant(variant: Variant) async throws {
    var random = SeededGenerator()
    var settings = ExtraSettings(pipeline: variant.pipeline, sink: variant.settings)
    settings.sink.append("flush-interval: 100ms")
    let pipeline = try await PipelineUnderTest(variant.sink, schema: Workload.schema, settings: settings)
    let writer = try Workload.start(on: pipeline.source, seed: random.next())
    let process = try pipeline.start()
    try await pipeline.wait(for: "streaming", from: process)
    try await eventually("some changes") { try pipeline.source.number("SELECT last_value FROM ids") > 1_000_060 }
    try await writer.stop()
    process.signal(SIGTERM)
    #expect(try await process.wait() == .exited(0), "\(process.standardError)")

    try await pipeline.runToEnd()
    try pipeline.expectEqual()
  }

  @Test("with another number of lanes at each start", arguments: SinkUnderTest.allCases)
  func lanes(sink: SinkUnderTest) async throws {
    var random = SeededGenerator()
    let pipeline = try await PipelineUnderTest(
      sink, schema: Workload.schema, settings: ExtraSettings(sink: ["parallelism: 5", "flush-interval: 100ms"]))
    let writer = try Workload.start(on: pipeline.source, seed: random.next())
    var last = 5
    for next in [2, 8, 1, 4] {
      let process = try pipeline.start(changing: ["parallelism: \(last)": "parallelism: \(next)"])
      try await pipeline.wait(for: "streaming", from: process)
      try await eventually("some changes") {
        try pipeline.target.number("SELECT coalesce(sum(changes), 0) FROM penstock.lane") > 20
      }
      process.kill()
      last = next
    }
    try await writer.stop()

    try await pipeline.runToEnd()
    try pipeline.expectEqual()
  }

  @Test("fidelity: transaction shows no state that the source was not in")
  func wholeTransactions() async throws {
    let pipeline = try await PipelineUnderTest(
      schema: """
        CREATE TABLE account (id int PRIMARY KEY, balance int NOT NULL);
        INSERT INTO account SELECT i, 100 FROM generate_series(1, 50) i;
        """, settings: ExtraSettings(pipeline: ["fidelity: transaction"]))
    let process = try pipeline.start()
    try await pipeline.wait(for: "streaming", from: process)
    let script = try temporaryDirectory("transfers") + "/transfer.sql"
    let transfer = """
      \\set a random(1, 50)
      \\set b random(1, 50)
      BEGIN; UPDATE account SET balance = balance - 1 WHERE id = :a; UPDATE account SET balance = balance + 1 WHERE id = :b; END;

      """
    try Data(transfer.utf8).write(to: URL(fileURLWithPath: script))
    let writer = try ChildProcess(
      pipeline.source.cluster.program("pgbench"),
      [
        "-n", "-f", script, "-c", "2", "-t", "1500", "--max-tries=100", "-h", "127.0.0.1", "-p",
        "\(pipeline.source.cluster.port)", "-U", "postgres", pipeline.source.name,
      ])

    while writer.isRunning {
      #expect(try pipeline.target.number("SELECT sum(balance) FROM account") == 5000)
    }
    try await pipeline.becomesEqual(by: process)
    process.signal(SIGTERM)
    #expect(try await process.wait() == .exited(0), "\(process.standardError)")
  }

  @Test("mode: full-load copies and leaves nothing at the source", arguments: SinkUnderTest.allCases)
  func fullLoad(sink: SinkUnderTest) async throws {
    var settings = CrashTests.settings()
    settings.pipeline.append("mode: full-load")
    let pipeline = try await PipelineUnderTest(sink, schema: Workload.schema, settings: settings)

    try await pipeline.runToEnd()

    try pipeline.expectEqual()
    #expect(try pipeline.source.number("SELECT count(*) FROM pg_publication") == 0)
    #expect(
      try pipeline.source.number("SELECT count(*) FROM pg_replication_slots WHERE slot_name = '\(pipeline.slot)'") == 0)
  }

  @Test("mode: cdc follows what happens from its first start on", arguments: SinkUnderTest.allCases)
  func changesOnly(sink: SinkUnderTest) async throws {
    let pipeline = try await PipelineUnderTest(
      sink, schema: "CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t VALUES (1, 'before')",
      settings: ExtraSettings(pipeline: ["mode: cdc"]))
    try await pipeline.runToEnd()
    try pipeline.source.run("INSERT INTO t VALUES (2, 'after'); UPDATE t SET v = 'changed' WHERE id = 1")

    try await pipeline.runToEnd()

    try pipeline.expectEqual()
  }

  @Test("tables go to other schemas and names", arguments: SinkUnderTest.allCases)
  func routes(sink: SinkUnderTest) async throws {
    let pipeline = try await PipelineUnderTest(
      sink,
      schema: """
        CREATE SCHEMA shop; CREATE TABLE shop.a (id int PRIMARY KEY); CREATE TABLE shop.b (id int PRIMARY KEY, v text);
        INSERT INTO shop.a VALUES (1); INSERT INTO shop.b VALUES (1, 'x');
        """,
      settings: ExtraSettings(root: [
        "route:", "  - { source-table: shop.a, sink-table: '\"App\".\"The A\"' }",
        "  - { source-table: shop.*, sink-table: app.* }",
      ]))
    try await pipeline.runToEnd()
    try pipeline.source.run("INSERT INTO shop.a VALUES (2); UPDATE shop.b SET v = 'y'; INSERT INTO shop.b VALUES (3)")

    try await pipeline.runToEnd()

    #expect(try pipeline.target.run("SELECT id FROM \"App\".\"The A\" ORDER BY 1") == "1\n2")
    #expect(try pipeline.target.run("SELECT id, v FROM app.b ORDER BY 1") == "1|y\n3|")
  }
}
