import Foundation
import PenstockTestKit
import Testing

/// A journal that grows, and what its table must hold.
private struct Payments {
  let file: String
  private(set) var rows: [Int: String] = [:]
  private(set) var lines = 0

  init() throws {
    file = try temporaryDirectory("journal") + "/payments.jsonl"
    try Data().write(to: URL(fileURLWithPath: file))
  }

  /// Appends so many random lines about few keys.
  mutating func append(_ count: Int, _ random: inout SeededGenerator) throws {
    var text = ""
    for _ in 0..<count {
      let id = Int.random(in: 1...300, using: &random)
      lines += 1
      if Int.random(in: 0..<5, using: &random) == 0 {
        text += "{\"id\":\(id),\"deleted\":true}\n"
        rows[id] = nil
      } else {
        text += "{\"id\":\(id),\"state\":\"s\(lines)\",\"amount\":\"\(lines).50\"}\n"
        rows[id] = "\(id)|s\(lines)|\(lines).50"
      }
    }
    let handle = try FileHandle(forWritingTo: URL(fileURLWithPath: file))
    defer { try? handle.close() }
    try handle.seekToEnd()
    try handle.write(contentsOf: Data(text.utf8))
  }

  var expected: String { rows.sorted { $0.key < $1.key }.map(\.value).joined(separator: "\n") }
}

@Suite("A source of one's own", .queued) struct OwnSourceTests {
  private func pipeline(_ sink: SinkUnderTest, _ payments: Payments, tables: String = "[public.*]") async throws
    -> PipelineUnderTest
  {
    try await PipelineUnderTest(
      sink, schema: "",
      settings: ExtraSettings(
        sink: ["flush-interval: 100ms", "batch-size: 50"],
        ownSource: ["type: journal", "options: { file: \(payments.file) }", "tables: \(tables)"], program: .journal))
  }

  private func rows(_ pipeline: PipelineUnderTest) throws -> String {
    try pipeline.target.run("SELECT id, state, amount FROM payment ORDER BY id")
  }

  @Test("is in the target, every change once, however often the program is killed", arguments: SinkUnderTest.allCases)
  func killed(sink: SinkUnderTest) async throws {
    var random = SeededGenerator()
    var payments = try Payments()
    try payments.append(2000, &random)
    let pipeline = try await pipeline(sink, payments)
    try await pipeline.runToEnd()
    #expect(try rows(pipeline) == payments.expected)

    for _ in 0..<3 {
      let before = try pipeline.target.number("SELECT sum(changes) FROM penstock.lane")
      try payments.append(3000, &random)
      let process = try pipeline.start()
      try await eventually("some changes") {
        try pipeline.target.number("SELECT sum(changes) FROM penstock.lane") > before + 200
      }
      process.kill()
    }
    try await pipeline.runToEnd(changing: ["batch-size: 50": "batch-size: 500"])

    #expect(try rows(pipeline) == payments.expected)
    #expect(try pipeline.target.number("SELECT sum(changes) FROM penstock.lane") == payments.lines)
  }

  @Test("is followed as it grows, drained on SIGTERM, and goes on with another number of lanes")
  func followed() async throws {
    var random = SeededGenerator()
    var payments = try Payments()
    let pipeline = try await pipeline(.postgres, payments)
    let process = try pipeline.start()
    try await pipeline.wait(for: "streaming", from: process)
    for _ in 0..<5 {
      try payments.append(20, &random)
      let expected = payments.expected
      try await eventually("the rows") { try rows(pipeline) == expected }
    }
    process.signal(SIGTERM)
    #expect(try await process.wait() == .exited(0), "\(process.standardError)")

    try payments.append(500, &random)
    try await pipeline.runToEnd(changing: ["batch-size: 50": "parallelism: 7"])

    #expect(try rows(pipeline) == payments.expected)
    #expect(try pipeline.target.number("SELECT count(*) FROM penstock.lane WHERE position <> ''") == 7)
  }

  @Test("is told apart from another one, and its commands say what they can't do") func commands() async throws {
    var random = SeededGenerator()
    var payments = try Payments()
    try payments.append(10, &random)
    let pipeline = try await pipeline(.postgres, payments)

    #expect(try await pipeline.command("plan FILE").standardOutput.contains("amount"))
    #expect(try await pipeline.command("check FILE").status == .exited(0))
    try await pipeline.runToEnd()
    let status = try await pipeline.command("status FILE")
    #expect(status.status == .exited(0))
    #expect(status.standardOutput.contains("public.payment"), "\(status.standardOutput)")
    let verify = try await pipeline.command("verify FILE")
    #expect(verify.status == .exited(2))
    #expect(verify.standardError.contains("source.type journal is no server"), "\(verify.standardError)")

    let other = try Payments()
    let moved = try pipeline.start(["--exit-when-caught-up"], changing: [payments.file: other.file])
    #expect(try await moved.wait() == .exited(3))
    #expect(moved.standardError.contains("was begun with another source"), "\(moved.standardError)")

    let reset = try await pipeline.command("reset FILE --yes")
    #expect(reset.status == .exited(0), "\(reset.standardError)")
    #expect(try pipeline.target.number("SELECT count(*) FROM penstock.pipeline") == 0)
  }

  @Test("stops the pipeline, having lost nothing, when it says what can't be read") func damaged() async throws {
    var random = SeededGenerator()
    var payments = try Payments()
    try payments.append(100, &random)
    let pipeline = try await pipeline(.postgres, payments)
    try await pipeline.runToEnd()
    let handle = try FileHandle(forWritingTo: URL(fileURLWithPath: payments.file))
    try handle.seekToEnd()
    try handle.write(contentsOf: Data("s3cret\n".utf8))

    let process = try pipeline.start(changing: ["max-elapsed: 5m": "max-elapsed: 500ms"])

    #expect(try await process.wait() == .exited(3), "\(process.standardError)")
    #expect(process.standardError.contains("source \"journal\" failed: what ends at byte"), "\(process.standardError)")
    #expect(!process.standardError.contains("s3cret"))
    #expect(try rows(pipeline) == payments.expected)
  }
}
