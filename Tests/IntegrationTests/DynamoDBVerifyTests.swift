import Foundation
import PenstockTestKit
import Testing

@Suite("penstock verify with a DynamoDB source", .queued)
struct DynamoDBVerifyTests {
  private func run(_ sink: SinkUnderTest) async throws -> ItemPipeline {
    let run = try await ItemPipeline(sink, tables: ["Orders", "Users"], shards: 2, source: ["batch-size: 100"])
    for id in 0..<400 { run.source.put(ItemPipeline.item(id, number: id, text: "first"), in: "Orders") }
    run.source.put(ItemPipeline.item(1, number: 1, text: "only"), in: "Users")
    return run
  }

  @Test("both sides are equal while items are written and the pipeline runs", arguments: SinkUnderTest.allCases)
  func live(sink: SinkUnderTest) async throws {
    let run = try await run(sink)
    let process = try run.pipeline.start()
    try await run.pipeline.wait(for: "streaming", from: process)
    let writer = Task.detached {
      var number = 0
      while !Task.isCancelled {
        number += 1
        let id = number % 7 == 0 ? 3 : number % 500
        if number % 11 == 0 {
          run.source.delete(ItemPipeline.key(id), in: "Orders")
        } else {
          run.source.put(ItemPipeline.item(id, number: number, text: "t"), in: "Orders")
        }
        try await Task.sleep(for: .milliseconds(3))
      }
    }

    for _ in 0..<3 {
      let end = try await run.pipeline.command("verify FILE")
      #expect(end.status == .exited(0), "\(end.standardOutput)\(end.standardError)")
      #expect(end.standardOutput.hasSuffix("source and target are equal\n"))
    }

    writer.cancel()
    _ = await writer.result
    process.signal(SIGTERM)
    #expect(try await process.wait(timeout: .seconds(60)) == .exited(0), "\(process.standardError)")
  }

  @Test("what was broken in the target is found, and nothing else", arguments: SinkUnderTest.allCases)
  func broken(sink: SinkUnderTest) async throws {
    let run = try await run(sink)
    try await run.pipeline.runToEnd()
    try run.pipeline.target.run(
      """
      DELETE FROM public."Orders" WHERE id = 'k7'; UPDATE public."Orders" SET s = 'other' WHERE id = 'k9';
      INSERT INTO public."Orders" (id) VALUES ('extra');
      """)

    let end = try await run.pipeline.command("verify FILE")

    #expect(end.status == .exited(1), "\(end.standardError)")
    let lines = end.standardOutput.split(separator: "\n").filter { $0.hasPrefix("  ") }
    #expect(
      lines == [
        "  Orders (id='extra'): extra in target", "  Orders (id='k7'): missing in target",
        "  Orders (id='k9'): differs in column s",
      ])
  }
}
