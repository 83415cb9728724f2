import Foundation
import PenstockTestKit
import Testing

@Suite("A zoo of tables arrives equal, whatever befalls it", .queued)
struct ZooTests {
  /// How long it is written to; longer by environment.
  private static let duration = Duration.seconds(
    Int(ProcessInfo.processInfo.environment["PENSTOCK_ZOO_SECONDS"] ?? "15")!)

  @Test("loaded and followed while it is written to, and killed again and again", arguments: SinkUnderTest.allCases)
  func killed(sink: SinkUnderTest) async throws {
    var random = SeededGenerator(for: "the zoo, \(sink.rawValue)")
    let pipeline = try await PipelineUnderTest(sink, schema: try Zoo.schema(), settings: Self.settings(&random))
    let tables = try pipeline.tables()
    #expect(tables.count >= 60)
    let seeds = (random.next(), random.next())
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { try await Zoo.write(to: pipeline.source, seed: seeds.0) }
      group.addTask { try await Zoo.write(to: pipeline.source, seed: seeds.1) }
      group.addTask { [random] in try await Self.run(pipeline, random) }
      // A writer ends before only by an error.
      try await group.next()
      group.cancelAll()
      try await group.waitForAll()
    }

    try await pipeline.runToEnd()
    try expectWritten(tables, pipeline.source)
    let verify = try await pipeline.command("verify FILE", timeout: .seconds(300))
    #expect(verify.status == .exited(0), "\(verify.standardOutput) \(verify.standardError)")
    #expect(verify.standardOutput.contains("source and target are equal"))
    try expectSameColumns(tables, pipeline)
  }

  /// Any of the ways to cut, order and send what is written.
  private static func settings(_ random: inout SeededGenerator) -> ExtraSettings {
    func one(_ choices: [String]) -> String { choices.randomElement(using: &random)! }
    let settings = ExtraSettings(
      pipeline: [
        "chunk-size: " + one(["16KiB", "128KiB", "4MiB"]), "fidelity: " + one(["key", "key", "key", "transaction"]),
      ],
      sink: [
        "parallelism: " + one(["1", "3", "8"]), "batch-size: " + one(["20", "200", "3000"]), "flush-interval: 100ms",
        "pipelining: " + one(["true", "true", "false"]),
      ])
    print("the zoo: \(settings.pipeline + settings.sink)")
    return settings
  }

  @Test("what is written to it is what a server takes, changes to the schema among it")
  func writer() async throws {
    let random = SeededGenerator(for: "the zoo's writer")
    let source = try TestDatabase(TestCluster.sources)
    try source.run(try Zoo.schema())
    let before = try ZooTable.all(in: source)
    try await withThrowingTaskGroup(of: Void.self) { group in
      for seed in [random.seed, random.seed &+ 1] {
        group.addTask { try await Zoo.write(to: source, seed: seed, changes: ZooChange.allCases) }
      }
      group.addTask {
        try await eventually(every: .milliseconds(500), "a new table, and other columns") {
          let after = try ZooTable.all(in: source)
          return after.count > before.count && Set(after.map(\.columns.count)) != Set(before.map(\.columns.count))
        }
      }
      try await group.next()
      group.cancelAll()
      try await group.waitForAll()
    }
  }

  /// Runs the pipeline for some time, killing it now in the load, now in the stream.
  private static func run(_ pipeline: PipelineUnderTest, _ seeded: SeededGenerator) async throws {
    var random = seeded
    let end = ContinuousClock.now + duration
    while ContinuousClock.now < end {
      let process = try pipeline.start()
      let pause = Duration.milliseconds(Int.random(in: 100...4000, using: &random))
      try await Task.sleep(for: min(pause, max(.milliseconds(100), end - .now)))
      #expect(process.isRunning, "\(process.standardError)")
      process.kill()
    }
  }

  /// Whether the writers have changed most tables.
  private func expectWritten(_ tables: [String], _ source: TestDatabase) throws {
    let changed = try source.number(
      """
      SELECT count(DISTINCT coalesce(pg_partition_root(relid), relid)) FROM pg_stat_user_tables
      WHERE n_tup_upd > 0 AND n_tup_del > 0 AND n_live_tup > 0
      """)
    #expect(changed > tables.count * 2 / 3)
  }

  /// Columns that have one type on both sides hold the same values, by another way of looking than Penstock's own.
  private func expectSameColumns(_ tables: [String], _ pipeline: PipelineUnderTest) throws {
    let list = """
      SELECT c.oid::regclass || '.' || quote_ident(a.attname) || ' ' || format_type(a.atttypid, a.atttypmod)
      FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition
      AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '';
      """
    let types = try [pipeline.source, pipeline.target].map { Set(try $0.run(list).split(separator: "\n")) }
    let digest = try tables.map { table in
      let common = types[0].intersection(types[1]).filter { $0.hasPrefix(table + ".") }
      let names = try common.map {
        try #require($0.dropFirst(table.count + 1).firstMatch(of: /^("(?:[^"]|"")+"|\S+)/)).0
      }
      let sums = names.sorted().map { "sum(hashtextextended(\($0)::text COLLATE \"C\", 0))" }
      return
        "SELECT '\(table.replacing("'", with: "''"))', \((["count(*)"] + sums).joined(separator: ", ")) FROM \(table);"
    }
    let settings = "SET datestyle = 'ISO'; SET timezone = 'UTC'; SET intervalstyle = 'postgres';\n"
    let found = try [pipeline.source, pipeline.target].map {
      try $0.run(settings + digest.joined(separator: "\n")).split(separator: "\n")
    }
    for (expected, found) in zip(found[0], found[1]) { #expect(found == expected) }
    #expect(found[0].count == tables.count && found[1].count == tables.count)
  }
}
