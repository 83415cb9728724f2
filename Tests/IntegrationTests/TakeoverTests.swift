import PenstockTestKit
import Runtime
import Testing

@Suite("Of two instances of one pipeline the newer goes on and the older stops", .queued)
struct TakeoverTests {
  /// Where an older instance stands still while a newer one takes over: the older is no slower than a frozen machine.
  private static let points: [(sink: SinkUnderTest, point: Failpoint)] =
    [
      .claimed, .targetTablesMade, .publicationMade, .chunksWritten, .slotDropped, .slotMade, .slotRemembered,
      .copySent,
      .copyMarked, .copyCommitted, .chunkDone, .rowsLoaded, .indexBuilt, .phaseWritten, .lanesWritten, .batchDeparts,
      .batchSent, .batchCommitted, .bagsRemoved, .rowsRefetched, .serialBegun, .truncateBegun, .truncated,
    ].map { (.postgres, $0) }
    // An open transaction's locks in the server behind the emulator are none that DSQL would have.
    + [.claimed, .chunksWritten, .slotMade, .insertCommitted, .chunkDone, .batchCommitted, .serialBegun, .truncated].map
  {
    (.dsql, $0)
  }

  @Test("an instance that was frozen finds itself fenced and writes nothing more", arguments: points)
  func frozen(sink: SinkUnderTest, point: Failpoint) async throws {
    var random = SeededGenerator()
    let pipeline = try await PipelineUnderTest(sink, schema: Workload.schema, settings: CrashTests.settings())
    let writer = try Workload.start(on: pipeline.source, seed: random.next(), transactionsPerSecond: 60)
    let older = try pipeline.start(environment: ["PENSTOCK_PAUSE_AT": point.rawValue])
    try await eventually("the older instance to stand at \(point.rawValue): \(older.standardError.suffix(1000))") {
      guard older.isRunning else { throw CommandEnded(older) }
      return older.isStopped
    }

    let newer = try pipeline.start()
    try await pipeline.wait(for: "streaming", from: newer)
    older.signal(18)
    #expect(try await older.wait() == .exited(5), "\(older.standardError)")
    #expect(older.standardError.contains("another instance has taken over pipeline"))

    try await writer.stop()
    try await pipeline.becomesEqual(by: newer)
    newer.signal(15)
    #expect(try await newer.wait() == .exited(0), "\(newer.standardError)")
    try await pipeline.runToEnd()
    try pipeline.expectEqual()
  }

  @Test("an older instance with nothing to do stops too", arguments: SinkUnderTest.allCases)
  func idle(sink: SinkUnderTest) async throws {
    let pipeline = try await PipelineUnderTest(sink, schema: Workload.schema, settings: CrashTests.settings())
    let older = try pipeline.start()
    try await pipeline.wait(for: "streaming", from: older)

    let newer = try pipeline.start()
    try await pipeline.wait(for: "streaming", from: newer)

    #expect(try await older.wait() == .exited(5), "\(older.standardError)")
    try pipeline.source.run("INSERT INTO emptied VALUES (-1, 'late')")
    try await pipeline.becomesEqual(by: newer)
    #expect(newer.isRunning)
  }
}
