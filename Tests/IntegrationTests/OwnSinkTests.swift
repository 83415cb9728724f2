import Foundation
import PenstockTestKit
import Testing

/// What the example's archive holds.
private struct ArchiveFile {
  struct Line: Decodable {
    struct Entry: Decodable {
      var table: String
      var operation: String
      var row: [String: String?]
    }

    var position: UInt64
    var changes: [Entry]
  }

  let path: String

  init() throws { path = try temporaryDirectory("archive") + "/archive.jsonl" }

  func lines() throws -> [Line] {
    guard let data = FileManager.default.contents(atPath: path) else { return [] }
    let end = data.lastIndex(of: UInt8(ascii: "\n")).map { $0 + 1 } ?? 0
    return try data[..<end].split(separator: UInt8(ascii: "\n")).map { try JSONDecoder().decode(Line.self, from: $0) }
  }

  /// The rows of `public.t` that the changes leave, as `id|v|large`, by id.
  func rows() throws -> String {
    var rows: [Int: [String: String?]] = [:]
    for change in try lines().flatMap(\.changes) {
      if change.operation == "truncate" {
        rows = [:]
        continue
      }
      let id = try #require(change.row["id"].flatMap { $0 }.flatMap(Int.init))
      if change.operation == "delete" { rows[id] = nil } else { rows[id, default: [:]].merge(change.row) { $1 } }
    }
    return rows.sorted { $0.key < $1.key }.map { id, row in
      "\(id)|" + ["v", "large"].map { row[$0].flatMap { $0 } ?? "" }.joined(separator: "|")
    }.joined(separator: "\n")
  }
}

@Suite("A sink of one's own", .queued) struct OwnSinkTests {
  static let schema = "CREATE TABLE t (id int PRIMARY KEY, v text, large text)"

  private func pipeline(_ archive: ArchiveFile, more: [String] = []) async throws -> PipelineUnderTest {
    try await PipelineUnderTest(
      schema: Self.schema,
      settings: ExtraSettings(
        pipeline: ["mode: cdc"], ownSink: ["type: archive", "options: { file: \(archive.path) }"] + more,
        program: .archive))
  }

  private func expectSame(_ pipeline: PipelineUnderTest, _ archive: ArchiveFile) throws {
    #expect(try archive.rows() == pipeline.source.run("SELECT id, v, large FROM t ORDER BY id"))
  }

  @Test("has every transaction once, in commit order, however often the program is killed") func killed() async throws {
    let archive = try ArchiveFile()
    let pipeline = try await pipeline(archive, more: ["flush-interval: 50ms"])
    try await pipeline.runToEnd()
    var transactions = 0
    for round in 0..<4 {
      let process = try pipeline.start()
      for number in 0..<150 {
        let id = number % 40
        try pipeline.source.run(
          number % 10 == 9
            ? "DELETE FROM t WHERE id = \(id - 1)"
            : "INSERT INTO t VALUES (\(id), '\(round).\(number)', NULL) ON CONFLICT (id) DO UPDATE SET v = EXCLUDED.v")
        transactions += 1
      }
      let target = transactions - 100
      try await eventually("transactions") { try archive.lines().count > target }
      process.kill()
    }

    try await pipeline.runToEnd()

    try expectSame(pipeline, archive)
    let positions = try archive.lines().map(\.position)
    #expect(positions.count == transactions)
    #expect(zip(positions, positions.dropFirst()).allSatisfy { $0 < $1 })
  }

  @Test("gets large transactions whole, changes of keys, unsent values, and what a TRUNCATE takes") func shapes()
    async throws
  {
    let archive = try ArchiveFile()
    let pipeline = try await pipeline(archive, more: ["buffer-size: 1MiB"])
    try await pipeline.runToEnd()
    try pipeline.source.run("INSERT INTO t SELECT i, 'x', repeat(md5(i::text), 40) FROM generate_series(1, 10000) i")
    try pipeline.source.run("UPDATE t SET id = id + 100000 WHERE id <= 5; UPDATE t SET id = 1 WHERE id = 100001")
    try pipeline.source.run(
      """
      ALTER TABLE t ALTER large SET STORAGE EXTERNAL;
      INSERT INTO t VALUES (200000, 'before', repeat('y', 9000)); UPDATE t SET v = 'after' WHERE id = 200000;
      """)
    try await pipeline.runToEnd()
    try expectSame(pipeline, archive)
    let lines = try archive.lines()
    #expect(lines.contains { $0.changes.count == 10000 })
    #expect(lines.contains { $0.changes.contains { $0.operation == "upsert" && !$0.row.keys.contains("large") } })

    try pipeline.source.run(
      "BEGIN; INSERT INTO t VALUES (7000000); TRUNCATE t; INSERT INTO t VALUES (8, 'new'); COMMIT")
    try await pipeline.runToEnd()
    try expectSame(pipeline, archive)
    try pipeline.source.run("BEGIN; INSERT INTO t VALUES (9, 'newer'); TRUNCATE t; COMMIT")
    try await pipeline.runToEnd()

    try expectSame(pipeline, archive)
  }

  @Test("has its changes confirmed to the source once they are durable, and the slot does not hold the log")
  func confirmed() async throws {
    let archive = try ArchiveFile()
    let pipeline = try await pipeline(archive, more: ["flush-interval: 50ms"])
    let process = try pipeline.start()
    try await pipeline.wait(for: "streaming", from: process)
    try pipeline.source.run("INSERT INTO t VALUES (1, 'x')")
    let end = try pipeline.source.run("SELECT pg_current_wal_lsn()")

    try await eventually("the slot to pass the change") {
      try pipeline.source.run(
        "SELECT confirmed_flush_lsn >= '\(end)' FROM pg_replication_slots WHERE slot_name = '\(pipeline.slot)'") == "t"
    }
    #expect(try archive.lines().count == 1)
    process.signal(SIGTERM)
    #expect(try await process.wait() == .exited(0), "\(process.standardError)")
  }

  @Test("is refused what it can't have: a load, a slot that is gone, a target to look at") func refusals() async throws
  {
    let archive = try ArchiveFile()
    let pipeline = try await pipeline(archive)
    try await pipeline.runToEnd()
    try pipeline.source.run("INSERT INTO t VALUES (1, 'x')")
    try await pipeline.runToEnd()
    #expect(try await pipeline.command("status FILE").status == .exited(0))
    let verify = try await pipeline.command("verify FILE")
    #expect(verify.status == .exited(2))
    #expect(verify.standardError.contains("sink.type archive is no server"), "\(verify.standardError)")

    try pipeline.source.run("SELECT pg_drop_replication_slot('\(pipeline.slot)')")
    let gone = try pipeline.start(["--exit-when-caught-up"])
    #expect(try await gone.wait() == .exited(3))
    #expect(gone.standardError.contains("is gone, and with it the changes"), "\(gone.standardError)")

    let load = try pipeline.start(changing: ["mode: cdc": "mode: full-load"])
    #expect(try await load.wait() == .exited(2))
    #expect(load.standardError.contains("type archive takes changes only; expected pipeline.mode: cdc"))
  }
}
