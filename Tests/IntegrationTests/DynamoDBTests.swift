import Foundation
import PenstockTestKit
import Testing

@Suite("DynamoDB tables in a target", .queued)
struct DynamoDBTests {
  @Test("items that are there are loaded, and what changes afterwards follows", arguments: SinkUnderTest.allCases)
  func loadAndFollow(sink: SinkUnderTest) async throws {
    let run = try await ItemPipeline(sink, tables: ["Orders", "Users"], source: ItemPipeline.columns)
    for id in 0..<250 { run.source.put(ItemPipeline.item(id, number: id, text: "first"), in: "Orders") }
    run.source.put(ItemPipeline.item(1, number: 1, text: "only"), in: "Users")

    let process = try run.pipeline.start()
    try await run.pipeline.wait(for: "streaming", from: process)
    for id in 0..<100 { run.source.put(ItemPipeline.item(id, number: -id, text: "second", extra: "x"), in: "Orders") }
    for id in 200..<250 { run.source.delete(ItemPipeline.key(id), in: "Orders") }
    run.source.delete(ItemPipeline.key(1), in: "Users")
    try await eventually(every: .milliseconds(300), "the changes to arrive") {
      try run.rows(of: "Orders") == run.items(of: "Orders")
    }
    process.signal(SIGTERM)

    #expect(try await process.wait(timeout: .seconds(60)) == .exited(0), "\(process.standardError)")
    try run.expectEqual("Orders")
    try run.expectEqual("Users")
  }

  @Test("killed at any time, through splits of shards, a pipeline ends equal", arguments: SinkUnderTest.allCases)
  func kills(sink: SinkUnderTest) async throws {
    var random = SeededGenerator()
    let tables = ["Orders", "Users"]
    let run = try await ItemPipeline(
      sink, tables: tables, shards: 2, source: ItemPipeline.columns + ["batch-size: 20", "scan-segments: 3"],
      sink: ["batch-size: 50"])
    for table in tables {
      for id in 0..<400 { run.source.put(ItemPipeline.item(id, number: id, text: "first"), in: table) }
    }
    let writer = Task.detached { [seed = random.next()] in
      var random = SeededGenerator(seed: seed)
      while !Task.isCancelled {
        let table = tables.randomElement(using: &random)!
        let id = Int.random(in: 0..<500, using: &random)
        switch Int.random(in: 0..<100, using: &random) {
        case 0: run.source.split(table, shard: run.source.openShards(of: table).randomElement(using: &random))
        case 1: run.source.expireIterators(of: table)
        case 2: run.source.next("GetRecords", .refusal("ProvisionedThroughputExceededException"))
        case 3: run.source.next("GetRecords", .repetition)
        case 4: run.source.next("Scan", .cut)
        case 5..<30: run.source.delete(ItemPipeline.key(id), in: table)
        default:
          run.source.put(
            ItemPipeline.item(id, number: Int.random(in: 0..<1_000_000, using: &random), text: "t\(id % 7)"), in: table)
        }
        try await Task.sleep(for: .milliseconds(2))
      }
    }
    for _ in 0..<12 {
      let process = try run.pipeline.start()
      try await Task.sleep(for: .milliseconds(Int.random(in: 50..<1500, using: &random)))
      process.signal(Bool.random(using: &random) ? SIGKILL : SIGTERM)
      let status = try await process.wait(timeout: .seconds(60))
      let expected: [PenstockTestKit.ExitStatus] = [.exited(0), .signalled(SIGKILL), .signalled(SIGTERM)]
      #expect(expected.contains(status), "\(random) \(process.standardError)")
    }
    writer.cancel()
    _ = await writer.result
    try await run.pipeline.runToEnd()

    for table in tables { try run.expectEqual(table, "\(random)") }
    let lines = try run.pipeline.target.run("SELECT count(*) FROM penstock.dead_letter")
    #expect(lines == "0")
  }

  @Test("a table that is written to all the time is caught up with") func busy() async throws {
    let run = try await ItemPipeline(tables: ["Orders"], source: ItemPipeline.columns)
    // So little at a time that no answer is ever empty.
    run.source.setPages(records: 3)
    let writer = Task.detached {
      var id = 0
      while !Task.isCancelled {
        run.source.put(ItemPipeline.item(id % 500, number: id, text: "t"), in: "Orders")
        id += 1
        try await Task.sleep(for: .milliseconds(20))
      }
    }
    defer { writer.cancel() }
    let process = try run.pipeline.start()
    try await run.pipeline.wait(for: "streaming", from: process)
    process.signal(SIGTERM)

    #expect(try await process.wait(timeout: .seconds(60)) == .exited(0), "\(process.standardError)")
  }

  @Test(
    "what becomes of items that expire is a setting",
    arguments: [("apply", "k1"), ("skip", "k1,k2"), ("soft-delete", "k1,k2")])
  func expiry(setting: String, ids: String) async throws {
    let run = try await ItemPipeline(
      tables: ["Orders"], source: ItemPipeline.columns + ["ttl-deletes: \(setting)"])
    for id in 1...3 { run.source.put(ItemPipeline.item(id, number: id, text: "t"), in: "Orders") }
    let process = try run.pipeline.start()
    try await run.pipeline.wait(for: "streaming", from: process)
    run.source.delete(ItemPipeline.key(2), in: "Orders", byTTL: true)
    run.source.delete(ItemPipeline.key(3), in: "Orders")
    let idsOf = "SELECT string_agg(id, ',' ORDER BY id) FROM public.\"Orders\""
    try await eventually(every: .milliseconds(300), "the deletes to arrive") {
      try run.pipeline.target.run(idsOf) == ids
    }
    process.signal(SIGTERM)

    #expect(try await process.wait(timeout: .seconds(60)) == .exited(0), "\(process.standardError)")
    guard setting == "soft-delete" else { return }
    let marked = try run.pipeline.target.run("SELECT id, n FROM public.\"Orders\" WHERE expired_at IS NOT NULL")
    #expect(marked == "k2|2")
  }

  /// Values that the target refuses, or Penstock itself.
  private static let unfit: [(value: JSONValue, shown: String, code: Int32)] = [
    (["S": "no number"], "no number", 4), (["M": ["deep": ["S": "secret"]]], "secret", 3),
  ]

  @Test(
    "an item that does not fit its column is parked with its key and attribute, and nothing else is held up",
    arguments: unfit)
  private func parked(value: JSONValue, shown: String, code: Int32) async throws {
    let run = try await ItemPipeline(
      tables: ["Orders"], source: ItemPipeline.columns, sink: ["on-error: dead-letter"])
    for id in 1...5 { run.source.put(ItemPipeline.item(id, number: id, text: "t"), in: "Orders") }
    run.source.put(["id": ["S": "bad"], "n": value, "s": ["S": "t"]], in: "Orders")
    let process = try await run.pipeline.runToEnd()

    #expect(try run.pipeline.target.run("SELECT count(*) FROM public.\"Orders\"") == "5")
    let letter = try run.pipeline.target.run("SELECT key_values, row_values, reason FROM penstock.dead_letter")
    #expect(letter.contains(#"{"id":"bad"}"#) && letter.contains(shown) && letter.contains(#""s":"t""#), "\(letter)")
    #expect(letter.contains("column \"n\"") || letter.contains("attribute \"n\""), "\(letter)")
    #expect(!process.standardError.contains(shown), "\(process.standardError)")
  }

  @Test(
    "an item that does not fit its column stops the pipeline, which names its key and attribute", arguments: unfit)
  private func refused(value: JSONValue, shown: String, code: Int32) async throws {
    let run = try await ItemPipeline(tables: ["Orders"], source: ItemPipeline.columns)
    run.source.put(["id": ["S": "bad"], "n": value], in: "Orders")
    let process = try run.pipeline.start(["--exit-when-caught-up"])

    #expect(try await process.wait(timeout: .seconds(60)) == .exited(code), "\(process.standardError)")
    for text in ["\"n\"", "bad", "Orders"] { #expect(process.standardError.contains(text)) }
    #expect(!process.standardError.contains(shown), "\(process.standardError)")
  }
}

/// Something that is wrong with a source, and what must be said about it.
private struct Fault: Sendable, CustomTestStringConvertible {
  var testDescription: String
  var says: [String]
  var code: Int32 = 3
  var stream: String? = "NEW_AND_OLD_IMAGES"
  var lines: [String] = []
  var prepare: @Sendable (ScriptedDynamoDB) -> Void = { _ in }
}

@Suite("A DynamoDB source that can't be read is named", .queued)
struct DynamoDBFaultTests {
  private static let faults: [Fault] = [
    Fault(testDescription: "no stream", says: ["has no stream", "update-table --table-name Orders"], stream: nil),
    Fault(testDescription: "keys only", says: ["KEYS_ONLY", "NEW_AND_OLD_IMAGES"], stream: "KEYS_ONLY"),
    Fault(
      testDescription: "new images, and expired rows to be marked", says: ["NEW_IMAGE", "NEW_AND_OLD_IMAGES"],
      stream: "NEW_IMAGE", lines: ["ttl-deletes: soft-delete"]),
    Fault(testDescription: "no table", says: ["there is no table Orders"], prepare: { $0.dropTable("Orders") }),
    Fault(
      testDescription: "no right to scan", says: ["dynamodb:Scan"],
      prepare: { $0.next("Scan", times: 50, .refusal("AccessDeniedException")) }),
    Fault(
      testDescription: "credentials that have expired", says: ["expired"],
      prepare: { $0.accept(accessKeys: ["AKIDOTHER"]) }),
    Fault(
      testDescription: "an attribute of a type that nobody knows", says: ["Orders"],
      prepare: { $0.put(["id": ["S": "a"], "n": ["Q": "1"]], in: "Orders") }),
  ]

  @Test("before anything is written or lost", arguments: faults)
  private func fault(_ fault: Fault) async throws {
    let run = try await ItemPipeline(
      tables: ["Orders"], stream: fault.stream, source: ItemPipeline.columns + fault.lines)
    run.source.put(ItemPipeline.item(1, number: 1, text: "t"), in: "Orders")
    fault.prepare(run.source)
    let process = try run.pipeline.start(["--exit-when-caught-up"])

    #expect(try await process.wait(timeout: .seconds(60)) == .exited(fault.code), "\(process.standardError)")
    for text in fault.says { #expect(process.standardError.contains(text), "\(process.standardError)") }
  }

  @Test("changes that were forgotten before they were read stop the pipeline") func trimmed() async throws {
    let run = try await ItemPipeline(tables: ["Orders"], source: ItemPipeline.columns)
    run.source.put(ItemPipeline.item(1, number: 1, text: "t"), in: "Orders")
    let first = try run.pipeline.start()
    try await run.pipeline.wait(for: "streaming", from: first)
    run.source.put(ItemPipeline.item(2, number: 2, text: "t"), in: "Orders")
    try await eventually(every: .milliseconds(300), "the change to arrive") { try run.rows(of: "Orders").count == 2 }
    first.signal(SIGTERM)
    #expect(try await first.wait(timeout: .seconds(60)) == .exited(0), "\(first.standardError)")
    run.source.put(ItemPipeline.item(3, number: 3, text: "t"), in: "Orders")
    run.source.trim("Orders")
    let second = try run.pipeline.start(["--exit-when-caught-up"])

    #expect(try await second.wait(timeout: .seconds(60)) == .exited(3), "\(second.standardError)")
    #expect(second.standardError.contains("position trimmed"), "\(second.standardError)")
  }

  @Test("a stream that was disabled and enabled again is another one") func anotherStream() async throws {
    let run = try await ItemPipeline(tables: ["Orders"], source: ItemPipeline.columns)
    run.source.put(ItemPipeline.item(1, number: 1, text: "t"), in: "Orders")
    try await run.pipeline.runToEnd()
    run.source.disableStream("Orders")
    run.source.enableStream("Orders")
    let process = try run.pipeline.start(["--exit-when-caught-up"])

    #expect(try await process.wait(timeout: .seconds(60)) == .exited(3), "\(process.standardError)")
    #expect(process.standardError.contains("disabled and enabled again"), "\(process.standardError)")
  }

  @Test("throttling for a while is survived", arguments: ["Scan", "GetRecords", "DescribeStream", "GetShardIterator"])
  func throttled(operation: String) async throws {
    let run = try await ItemPipeline(tables: ["Orders"], source: ItemPipeline.columns)
    run.source.put(ItemPipeline.item(1, number: 1, text: "t"), in: "Orders")
    run.source.next(operation, times: 8, .refusal("ProvisionedThroughputExceededException"))
    try await run.pipeline.runToEnd()

    try run.expectEqual("Orders")
  }
}
