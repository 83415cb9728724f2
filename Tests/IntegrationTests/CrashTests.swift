import Foundation
import PenstockTestKit
import Runtime
import Testing

/// Where a run of a test is killed, and what it takes to get there.
private struct Scene: Sendable, CustomTestStringConvertible {
  var sink: SinkUnderTest
  /// Killed at each of these in turn; the last one is what the scene is about.
  var points: [String]
  var settings: [String] = []

  var testDescription: String { "\(sink.rawValue) \(points.joined(separator: ", "))" }
}

@Suite("Killed at any step, a restarted pipeline ends equal", .queued)
struct CrashTests {
  /// Steps of every load.
  private static let loadSteps: [Failpoint] = [
    .stateRowWritten, .claimed, .targetTablesMade, .publicationMade, .chunksWritten, .slotDropped, .slotMade,
    .slotRemembered, .chunkDone, .rowsLoaded, .indexBuilt, .indexesBuilt, .phaseWritten,
  ]
  private static let copySteps: [Failpoint] = [.copySent, .copyMarked, .copyCommitted]
  private static let insertSteps: [Failpoint] = [.insertDeparts, .insertDeparted, .insertCommitted]
  /// Steps of a load that goes on after a crash.
  private static let resumedSteps: [Failpoint] = [.keylessEmptied, .caughtUp]
  private static let streamSteps: [Failpoint] = [
    .lanesWritten, .batchDeparts, .batchSent, .batchCommitted, .positionReported, .bagsRemoved, .rowsRefetched,
    .serialBegun, .serialStep, .serialCommitted, .truncateBegun, .truncated, .draining,
  ]

  private static let loadScenes: [Scene] =
    SinkUnderTest.allCases.flatMap { sink in
      let committed = sink == .postgres ? Failpoint.copyCommitted : .insertCommitted
      return loadSteps.map { Scene(sink: sink, points: [$0.rawValue]) }
        + (sink == .postgres ? copySteps : insertSteps).map { Scene(sink: sink, points: ["\($0.rawValue):4"]) }
        + resumedSteps.map { Scene(sink: sink, points: ["\(committed.rawValue):5", $0.rawValue]) }
    }
    + insertSteps.map {
      Scene(sink: .postgres, points: ["\($0.rawValue):2", "\($0.rawValue):3"], settings: ["load-method: insert"])
    }

  @Test("every failpoint is reached by some test here")
  func allPoints() {
    let known = Self.loadSteps + Self.copySteps + Self.insertSteps + Self.resumedSteps + Self.streamSteps

    #expect(Set(known) == Set(Failpoint.all))
  }

  /// Small chunks and small transactions, so that there are many of both.
  static func settings(_ sink: [String] = []) -> ExtraSettings {
    ExtraSettings(
      pipeline: ["chunk-size: 128KiB"],
      sink: ["parallelism: 3", "batch-size: 60", "flush-interval: 100ms"] + sink)
  }

  @Test("killed in the load", arguments: loadScenes)
  private func load(scene: Scene) async throws {
    var random = SeededGenerator()
    let pipeline = try await PipelineUnderTest(
      scene.sink, schema: Workload.schema, settings: Self.settings(scene.settings))
    let writer = try Workload.start(on: pipeline.source, seed: random.next())
    for point in scene.points { try await crash(pipeline, at: point) }
    try await writer.stop()

    try await pipeline.runToEnd()
    try pipeline.expectEqual()
  }

  /// Runs until the process kills itself.
  private func crash(
    _ pipeline: PipelineUnderTest, at point: String, sourceLocation: SourceLocation = #_sourceLocation
  ) async throws {
    let process = try pipeline.start(environment: ["PENSTOCK_CRASH_AT": point])
    let status = try await process.wait(timeout: .seconds(120))
    #expect(
      status == .signalled(SIGKILL), "\(point) not reached: \(process.standardError)", sourceLocation: sourceLocation)
  }

  @Test("killed at every step of the stream, again and again", arguments: SinkUnderTest.allCases)
  func stream(sink: SinkUnderTest) async throws {
    var random = SeededGenerator()
    let pipeline = try await PipelineUnderTest(sink, schema: Workload.schema, settings: Self.settings())
    try await pipeline.runToEnd()
    let writer = try Workload.start(on: pipeline.source, seed: random.next())
    for point in Self.streamSteps where point != .draining {
      // A run begins to stream once; everything else happens again and again.
      let count = point == .lanesWritten ? 1 : Int.random(in: 1...2, using: &random)
      try await crash(pipeline, at: "\(point.rawValue):\(count)")
    }
    let process = try pipeline.start(environment: ["PENSTOCK_CRASH_AT": Failpoint.draining.rawValue])
    try await pipeline.wait(for: "streaming", from: process)
    process.signal(SIGTERM)
    #expect(try await process.wait() == .signalled(SIGKILL))
    try await writer.stop()

    try await pipeline.runToEnd()
    try pipeline.expectEqual()
  }

  @Test("killed at random times", arguments: SinkUnderTest.allCases, 0..<3)
  func random(sink: SinkUnderTest, round: Int) async throws {
    var random = SeededGenerator(for: "killed at random times, \(sink.rawValue) \(round)")
    let pipeline = try await PipelineUnderTest(sink, schema: Workload.schema, settings: Self.settings())
    let writer = try Workload.start(on: pipeline.source, seed: random.next())
    for _ in 0..<6 {
      let process = try pipeline.start()
      try await Task.sleep(for: .milliseconds(Int.random(in: 50...1500, using: &random)))
      process.kill()
    }
    try await writer.stop()

    try await pipeline.runToEnd()
    try pipeline.expectEqual()
  }
}
