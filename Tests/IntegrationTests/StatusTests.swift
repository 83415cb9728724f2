import Foundation
import PenstockTestKit
import Testing

@Suite("What status tells of an instance", .queued) struct StatusTests {
  static let schema =
    "CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t SELECT i, 'x' FROM generate_series(1, 20000) i"

  /// The part of `penstock status --json` that the instance has written.
  struct Health: Decodable {
    struct Concurrency: Decodable { var inFlight, waiting, allowed, most: Int }
    struct Pool: Decodable { var total, active, idle, waiting, opened, refused: Int }
    struct Tokens: Decodable { var refreshes, failures, expiresInSeconds: Int }
    var ageSeconds: Int
    var epoch: Int
    var concurrency: Concurrency
    var pool: Pool
    var tokens: Tokens?
  }

  private struct Report: Decodable { var health: Health? }

  /// - Returns: what the instance has written, if it has; and all that was printed.
  private func status(_ pipeline: PipelineUnderTest) async throws -> (health: Health?, text: String) {
    let process = try await pipeline.command("status FILE --json")
    let report = try JSONDecoder().decode(Report.self, from: Data(process.standardOutput.utf8))
    return (report.health, process.standardOutput + process.standardError)
  }

  /// Asks until the instance has written what is looked for.
  private func health(
    _ pipeline: PipelineUnderTest, _ what: String, where matches: (Health) -> Bool
  ) async throws -> Health {
    var found: Health?
    try await eventually(timeout: .seconds(60), every: .milliseconds(200), what) {
      found = try await status(pipeline).health
      return found.map(matches) == true
    }
    return try #require(found)
  }

  @Test("writers, connections and tokens while it loads, while it follows, and when it is gone") func phases()
    async throws
  {
    let pipeline = try await PipelineUnderTest(
      .dsql, schema: Self.schema,
      settings: ExtraSettings(
        pipeline: ["chunk-size: 64KiB"], sink: ["parallelism: 3", "batch-size: 100", "flush-interval: 100ms"]),
      emulatorOptions: ["--commit-latency", "150ms"])
    let process = try pipeline.start()
    let loading = try await health(pipeline, "load writers at work") { $0.concurrency.inFlight > 0 }
    #expect((1...3).contains(loading.concurrency.allowed) && loading.concurrency.most == 3)
    #expect(loading.concurrency.inFlight <= loading.concurrency.allowed)
    #expect(loading.pool.opened >= loading.pool.total && loading.pool.refused == 0)
    #expect(loading.pool.active + loading.pool.idle == loading.pool.total && loading.pool.active > 0)
    #expect(loading.tokens.map { $0.refreshes == 1 && $0.failures == 0 } == true)
    #expect((600...900).contains(loading.tokens?.expiresInSeconds ?? 0))
    let text = try await pipeline.command("status FILE").standardOutput
    #expect(text.contains(/\nwriting: +\d load writers at work, \d waiting, \d of 3 allowed\n/), "\(text)")
    #expect(text.contains(/\npool: +\d connections, \d active, \d idle, \d waiting; \d+ opened, 0 refused\n/))
    #expect(text.contains(/\ntokens: +1 signed, 0 failed; the current one ends in 14 min( \d+ s)?\n/), "\(text)")

    try await pipeline.wait(for: "streaming", from: process)
    process.signal(SIGTERM)
    #expect(try await process.wait() == .exited(0), "\(process.standardError)")
    let (last, printed) = try await status(pipeline)
    #expect(last?.epoch == loading.epoch)
    #expect(!printed.contains("X-Amz") && !printed.contains("AKID"))
    try pipeline.expectEqual()

    let reset = try await pipeline.command("reset FILE --yes")
    #expect(reset.status == .exited(0), "\(reset.standardError)")
    #expect(try pipeline.target.number("SELECT count(*) FROM penstock.health") == 0)
  }

  @Test("refused connects and conflicts show, and fewer writers with them; the rows come all the same") func trouble()
    async throws
  {
    let pipeline = try await PipelineUnderTest(
      .dsql, schema: Self.schema, settings: ExtraSettings(sink: ["parallelism: 8", "flush-interval: 100ms"]),
      emulatorOptions: ["--conflict-rate", "0.5", "--refuse-connect-rate", "0.4"])
    let process = try pipeline.start()
    try await pipeline.wait(for: "streaming", from: process)
    let script = try temporaryDirectory("updates") + "/update.sql"
    try Data("UPDATE t SET v = v || 'y' WHERE random() < 0.01;\n".utf8).write(to: URL(fileURLWithPath: script))
    let writer = Writer(
      process: try ChildProcess(
        pipeline.source.cluster.program("pgbench"),
        [
          "-n", "-f", script, "-R", "50", "-T", "3600", "-h", "127.0.0.1", "-p", "\(pipeline.source.cluster.port)",
          "-U",
          "postgres", pipeline.source.name,
        ]), database: pipeline.source)
    let health = try await health(pipeline, "fewer lanes") { $0.concurrency.allowed <= 5 && $0.pool.refused > 0 }
    try await writer.stop()

    #expect(health.concurrency.most == 8 && health.pool.opened > 0)
    try await pipeline.becomesEqual(by: process)
    process.signal(SIGTERM)
    #expect(try await process.wait() == .exited(0), "\(process.standardError)")
  }

  @Test("nothing of tokens where the login is by password, and nothing at all before the first run or from older state")
  func withoutFigures() async throws {
    let pipeline = try await PipelineUnderTest(schema: Self.schema, settings: ExtraSettings(sink: ["parallelism: 2"]))
    #expect(try await status(pipeline).health == nil)
    try await pipeline.runToEnd()
    let health = try #require(try await status(pipeline).health)
    #expect(health.tokens == nil && health.concurrency.most == 2 && health.concurrency.allowed == 2)

    try pipeline.target.run("DROP TABLE penstock.health")
    let status = try await pipeline.command("status FILE")
    #expect(status.status == .exited(0) && !status.standardOutput.contains("pool:"), "\(status.standardError)")
  }
}
