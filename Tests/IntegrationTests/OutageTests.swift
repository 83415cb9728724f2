import Foundation
import PenstockTestKit
import Runtime
import Testing

/// One of the two servers.
enum Side: String, CaseIterable, CustomTestStringConvertible, Sendable {
  case source, target

  var testDescription: String { rawValue }
  /// What a run exits with that gave this side up.
  var exitCode: Int32 { self == .source ? 3 : 4 }

  func cluster(of pipeline: PipelineUnderTest) -> TestCluster {
    self == .source ? pipeline.source.cluster : pipeline.target.cluster
  }
}

@Suite("A run waits for a server that goes away, and ends in order", .queued)
struct OutageTests {
  /// A pipeline whose servers may be stopped.
  private func pipeline(
    retry: String = "max-elapsed: 5m", sourceSettings: [String: String] = [:]
  ) async throws -> PipelineUnderTest {
    var settings = CrashTests.settings()
    settings.sink.append("retry: { initial-delay: 20ms, max-delay: 200ms, \(retry) }")
    return try await PipelineUnderTest(
      source: try TestCluster.start(settings: sourceSettings), target: try TestCluster.start(),
      schema: Workload.schema, settings: settings)
  }

  private func end(_ process: ChildProcess) async throws {
    process.signal(SIGTERM)
    // Long before anything that it could wait for would end.
    #expect(try await process.wait(timeout: .seconds(60)) == .exited(0), "\(process.standardError)")
  }

  @Test("a server that crashes in the load is waited for", arguments: Side.allCases)
  func restartInLoad(side: Side) async throws {
    let pipeline = try await pipeline()
    let process = try pipeline.start(environment: ["PENSTOCK_PAUSE_AT": "\(Failpoint.chunkDone.rawValue):4"])
    try await eventually("the load to stand") { process.isStopped }

    try side.cluster(of: pipeline).stop(immediate: true)
    process.signal(SIGCONT)
    try await pipeline.wait(for: "warning", from: process)
    try side.cluster(of: pipeline).restart()

    try await pipeline.wait(for: "streaming", from: process)
    try await pipeline.becomesEqual(by: process)
    try await end(process)
    try pipeline.expectEqual()
  }

  @Test("a server that crashes while changes are followed is waited for", arguments: Side.allCases)
  func restartInStream(side: Side) async throws {
    var random = SeededGenerator()
    let pipeline = try await pipeline()
    let process = try pipeline.start()
    try await pipeline.wait(for: "streaming", from: process)
    var writer = try Workload.start(on: pipeline.source, seed: random.next())
    try await eventually("changes") { try pipeline.target.number("SELECT count(*) FROM emptied WHERE v <> 'e'") > 0 }

    try side.cluster(of: pipeline).stop(immediate: true)
    try await pipeline.wait(for: "warning", from: process)
    try side.cluster(of: pipeline).restart()
    if side == .source {
      writer.process.kill()
      writer = try Workload.start(on: pipeline.source, seed: random.next())
    }
    try await eventually("many changes") { try pipeline.source.number("SELECT last_value FROM ids") > 1_000_050 }
    try await writer.stop()

    try await pipeline.becomesEqual(by: process)
    try await end(process)
    try await pipeline.runToEnd()
    try pipeline.expectEqual()
  }

  @Test("once the retry budget is spent, the exit code names the side", arguments: Side.allCases, [true, false])
  func budget(side: Side, isStreaming: Bool) async throws {
    let pipeline = try await pipeline(retry: "max-elapsed: 600ms")
    if !isStreaming { try side.cluster(of: pipeline).stop() }
    let process = try pipeline.start()
    if isStreaming {
      try await pipeline.wait(for: "streaming", from: process)
      try side.cluster(of: pipeline).stop()
      if side == .target { try pipeline.source.run("INSERT INTO emptied VALUES (-1, 'x')") }
    }

    #expect(try await process.wait(timeout: .seconds(120)) == .exited(side.exitCode), "\(process.standardError)")
    try side.cluster(of: pipeline).restart()
  }

  @Test(
    "a target whose disk is full ends the run, which says so; with room again the next one goes on",
    arguments: SinkUnderTest.allCases, [true, false])
  func fullDisk(sink: SinkUnderTest, isStreaming: Bool) async throws {
    let pipeline = try await PipelineUnderTest(
      sink, schema: "CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t SELECT generate_series(1, 500)")
    if isStreaming {
      try await pipeline.runToEnd()
      try pipeline.source.run("INSERT INTO t SELECT generate_series(501, 900)")
    } else {
      try pipeline.target.run("CREATE TABLE t (id int PRIMARY KEY)")
    }
    try pipeline.target.run(
      """
      CREATE FUNCTION fill() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        IF NEW.id % 300 = 0 THEN
          RAISE 'could not extend file "base/5/16384": No space left on device'
            USING ERRCODE = '53100', HINT = 'Check free disk space.';
        END IF;
        RETURN NEW;
      END $$;
      CREATE TRIGGER fill BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION fill();
      """)
    let process = try pipeline.start(["--exit-when-caught-up"])

    #expect(try await process.wait() == .exited(4), "\(process.standardError)")
    #expect(process.standardError.contains("No space left on device"))
    #expect(process.standardError.contains("(SQLSTATE 53100)"))
    #expect(process.standardError.contains("to do: Check free disk space."))

    try pipeline.target.run("DROP TRIGGER fill ON t")
    try await pipeline.runToEnd()
    try pipeline.expectEqual()
  }

  @Test("SIGTERM ends a run that waits for a server", arguments: Side.allCases)
  func stopWhileAway(side: Side) async throws {
    let pipeline = try await pipeline()
    let process = try pipeline.start()
    try await pipeline.wait(for: "streaming", from: process)
    if side == .target { try pipeline.source.run("INSERT INTO emptied VALUES (-1, 'x')") }
    try side.cluster(of: pipeline).stop()
    if side == .target {
      try pipeline.source.run("INSERT INTO emptied VALUES (-2, 'x')")
    }
    try await pipeline.wait(for: "warning", from: process)

    try await end(process)

    try side.cluster(of: pipeline).restart()
    try await pipeline.runToEnd()
    try pipeline.expectEqual()
  }

  @Test("SIGTERM in the load keeps the finished chunks", arguments: SinkUnderTest.allCases)
  func stopInLoad(sink: SinkUnderTest) async throws {
    let pipeline = try await PipelineUnderTest(sink, schema: Workload.schema, settings: CrashTests.settings())
    let process = try pipeline.start(environment: ["PENSTOCK_PAUSE_AT": "\(Failpoint.chunkDone.rawValue):4"])
    try await eventually("the load to stand") { process.isStopped }

    process.signal(SIGTERM)
    process.signal(SIGCONT)
    #expect(try await process.wait(timeout: .seconds(60)) == .exited(0), "\(process.standardError)")
    #expect(try pipeline.target.number("SELECT count(*) FROM penstock.chunk WHERE done") >= 4)

    try await pipeline.runToEnd()
    try pipeline.expectEqual()
  }

  @Test("a drain that is held up ends by itself, and at once at a second SIGTERM", arguments: [1, 2])
  func heldUpDrain(signals: Int) async throws {
    let pipeline = try await pipeline()
    let process = try pipeline.start()
    try await pipeline.wait(for: "streaming", from: process)
    let lock = try await TableLock("emptied", of: pipeline.target)
    try pipeline.source.run("INSERT INTO emptied VALUES (-1, 'x')")
    try await eventually("a lane to wait") {
      try pipeline.target.number(
        "SELECT count(*) FROM pg_locks WHERE NOT granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
      ) > 0
    }

    process.signal(SIGTERM)
    if signals == 2 {
      try await pipeline.wait(for: "draining", from: process)
      process.signal(SIGTERM)
      #expect(try await process.wait(timeout: .seconds(60)) == .exited(143), "\(process.standardError)")
    } else {
      #expect(try await process.wait(timeout: .seconds(60)) == .exited(0), "\(process.standardError)")
    }

    try lock.release()
    try await pipeline.runToEnd()
    try pipeline.expectEqual()
  }

  /// A session that holds a table until it is told to let go.
  private struct TableLock {
    let database: TestDatabase
    let process: ChildProcess

    init(_ table: String, of database: TestDatabase) async throws {
      self.database = database
      process = try ChildProcess(
        database.cluster.program("psql"),
        [
          "-XAtq", "-d", database.cluster.url(database: database.name), "-c",
          "BEGIN; LOCK \(table); SELECT pg_sleep(300)",
        ])
      let held =
        "SELECT count(*) FROM pg_locks WHERE granted AND relation = '\(table)'::regclass AND mode LIKE 'AccessEx%'"
      try await eventually("the table to be locked") { try database.number(held) == 1 }
    }

    func release() throws {
      try database.run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'BEGIN; LOCK%'")
    }
  }

  @Test("a target that is blocked longer than the source's patience does not end the replication session")
  func blockedTarget() async throws {
    let pipeline = try await pipeline(sourceSettings: ["wal_sender_timeout": "6s"])
    let process = try pipeline.start()
    try await pipeline.wait(for: "streaming", from: process)
    let session = "SELECT active_pid FROM pg_replication_slots WHERE slot_name = '\(pipeline.slot)'"
    try await eventually("a session") { try pipeline.source.number(session) > 0 }
    let before = try pipeline.source.number(session)
    let lock = try await TableLock("plain", of: pipeline.target)

    // More than the lanes may queue, so that the stream itself must wait.
    try pipeline.source.run("UPDATE plain SET n = n + 1, data = data || data, big = long(3000)")
    try await Task.sleep(for: .seconds(15))
    try lock.release()
    try await pipeline.becomesEqual(by: process)

    #expect(try pipeline.source.number(session) == before)
    #expect(!process.standardError.contains("going on in"))
    try await end(process)
  }

  @Test("a slot that somebody else has moved is not gone on with", arguments: [true, false])
  func movedSlot(isMoved: Bool) async throws {
    let pipeline = try await PipelineUnderTest(schema: "CREATE TABLE t (id int PRIMARY KEY)")
    try await pipeline.runToEnd()
    try pipeline.source.run("INSERT INTO t SELECT generate_series(1, 10)")
    if isMoved {
      try pipeline.source.run("SELECT pg_replication_slot_advance('\(pipeline.slot)', pg_current_wal_lsn())")
    }

    let process = try pipeline.start(["--exit-when-caught-up"])
    let status = try await process.wait()

    #expect(status == .exited(isMoved ? 3 : 0), "\(process.standardError)")
    #expect(process.standardError.contains("by somebody else") == isMoved)
    #expect(try pipeline.isEqual != isMoved)
  }

  @Test("an idle pipeline lets go of the log that others write")
  func idleSlot() async throws {
    let pipeline = try await PipelineUnderTest(
      schema: "CREATE SCHEMA a; CREATE TABLE a.t (id int PRIMARY KEY); CREATE TABLE noise (n int)",
      settings: ExtraSettings(sink: ["flush-interval: 100ms"], tables: "[a.*]"))
    let process = try pipeline.start()
    try await pipeline.wait(for: "streaming", from: process)
    let confirmed = "SELECT confirmed_flush_lsn FROM pg_replication_slots WHERE slot_name = '\(pipeline.slot)'"

    for _ in 0..<2 {
      try pipeline.source.run("INSERT INTO noise SELECT generate_series(1, 1000)")
      let end = try pipeline.source.run("SELECT pg_current_wal_lsn()")
      try await eventually("the slot to pass \(end)") {
        try pipeline.source.run("SELECT (\(confirmed)) >= '\(end)'::pg_lsn") == "t"
      }
    }
    try await self.end(process)
  }
}

extension ChildProcess {
  /// Whether SIGSTOP holds it.
  var isStopped: Bool {
    let text = (try? String(contentsOfFile: "/proc/\(pid)/stat", encoding: .utf8)) ?? ""
    return text.split(separator: ")").last?.split(separator: " ").first == "T"
  }
}
