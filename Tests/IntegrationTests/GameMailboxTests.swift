import Foundation
import PenstockTestKit
import Testing

/// `config/merge-game-mailbox.yaml`: three tables of DynamoDB become one.
@Suite("Three mailboxes are merged into one, by configuration alone", .queued)
struct GameMailboxTests {
  private static let tables = ["GameMailbox1", "GameMailbox2", "GameMailbox3"]

  /// The sections `transform` and `route` of the example.
  private static let example = Result {
    let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent()
    let text = try String(contentsOf: root.appendingPathComponent("config/merge-game-mailbox.yaml"), encoding: .utf8)
    let lines = text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
    let start = try #require(lines.firstIndex(of: "transform:"))
    let end = try #require(lines.firstIndex(of: "sink:"))
    return Array(lines[start..<end])
  }

  private func pipeline(
    _ sink: SinkUnderTest, key: [(name: String, type: String)], collision: String = "fail"
  ) async throws -> ItemPipeline {
    let root = try Self.example.get().map {
      $0.replacingOccurrences(of: "on-collision: fail", with: "on-collision: \(collision)")
    }
    let run = try await ItemPipeline(sink, tables: Self.tables, root: root)
    for table in Self.tables { run.source.makeTable(table, keys: key) }
    return run
  }

  private static let keys: [[(name: String, type: String)]] = [
    [("gameId", "S"), ("mailId", "S")], [("mailId", "S")],
  ]

  private func mail(_ game: String, _ mail: String, user: String?, number: Int = 0) -> JSONValue {
    var item: [String: JSONValue] = [
      "gameId": ["S": .text(game)], "mailId": ["S": .text(mail)], "n": ["N": .text("\(number)")],
      "rewards": ["L": [["M": ["gold": ["N": "5"]]]]],
    ]
    item["userId"] = user.map { ["S": .text($0)] } ?? ["NULL": true]
    return .object(item)
  }

  private func rows(_ run: ItemPipeline) throws -> [String] {
    try run.pipeline.target.run(
      "SELECT \"PK\", \"PK1\", \"PK2\", n, rewards->0->>'gold' FROM public.\"GameMailboxMerged\" ORDER BY \"PK\""
    ).split(separator: "\n").map(String.init)
  }

  @Test(
    "load, changes and removals meet in one table, whatever the key of the sources", arguments: SinkUnderTest.allCases,
    [0, 1])
  func merge(sink: SinkUnderTest, key: Int) async throws {
    let run = try await pipeline(sink, key: Self.keys[key])
    run.source.put(mail("g1", "m1UserId_7", user: "7"), in: "GameMailbox1")
    run.source.put(mail("g1", "m2UserId_8", user: "8"), in: "GameMailbox2")
    run.source.put(mail("g2", "plain", user: nil), in: "GameMailbox3")
    run.source.put(mail("g2", "gone", user: "1"), in: "GameMailbox3")
    let process = try run.pipeline.start()
    try await run.pipeline.wait(for: "streaming", from: process)
    run.source.put(mail("g1", "m1UserId_7", user: "9", number: 5), in: "GameMailbox1")
    run.source.put(mail("g3", "UserId_", user: ""), in: "GameMailbox2")
    let gone: JSONValue = key == 0 ? ["gameId": ["S": "g2"], "mailId": ["S": "gone"]] : ["mailId": ["S": "gone"]]
    run.source.delete(gone, in: "GameMailbox3")
    let expected = [
      "g1#m1UserId_7|g1#m1|g1#9|5|5", "g1#m2UserId_8|g1#m2|g1#8|0|5", "g2#plain|g2#plain|g2#|0|5",
      "g3#UserId_|g3#|g3#|0|5",
    ]
    try await eventually(every: .milliseconds(300), "the changes to arrive") { try rows(run) == expected }
    process.signal(SIGTERM)

    #expect(try await process.wait(timeout: .seconds(60)) == .exited(0), "\(process.standardError)")
    let indexed = try run.pipeline.target.run(
      "SELECT string_agg(indexdef, ' ') FROM pg_indexes WHERE tablename = 'GameMailboxMerged'")
    for name in ["(\"PK\")", "(\"PK1\")", "(\"PK2\")"] { #expect(indexed.contains(name), "\(indexed)") }
    let equal = try await run.pipeline.command("verify FILE")
    #expect(equal.status == .exited(0), "\(equal.standardOutput) \(equal.standardError)")
    try run.pipeline.target.run("UPDATE public.\"GameMailboxMerged\" SET n = 99 WHERE \"PK\" = 'g2#plain'")
    try run.pipeline.target.run("DELETE FROM public.\"GameMailboxMerged\" WHERE \"PK\" = 'g3#UserId_'")
    try run.pipeline.target.run(
      "INSERT INTO public.\"GameMailboxMerged\" (\"PK\", \"gameId\", \"mailId\", origin) "
        + "VALUES ('x#y', 'x', 'y', '[]')")
    let different = try await run.pipeline.command("verify FILE")
    #expect(different.status == .exited(1), "\(different.standardOutput) \(different.standardError)")
    for text in ["x#y", "plain", "UserId_"] {
      #expect(different.standardOutput.contains(text), "\(different.standardOutput)")
    }
  }

  @Test("an item whose key is made of more than its own key moves when that changes") func moved() async throws {
    let run = try await pipeline(.postgres, key: [("mailId", "S")])
    run.source.put(mail("g1", "m1", user: nil), in: "GameMailbox1")
    let process = try run.pipeline.start()
    try await run.pipeline.wait(for: "streaming", from: process)
    run.source.put(mail("g2", "m1", user: nil, number: 2), in: "GameMailbox1")
    try await eventually(every: .milliseconds(300), "the row to move") { try rows(run) == ["g2#m1|g2#m1|g2#|2|5"] }
    process.signal(SIGTERM)

    #expect(try await process.wait(timeout: .seconds(60)) == .exited(0), "\(process.standardError)")
  }

  @Test("two items of one merged key stop the pipeline, which names both") func collision() async throws {
    let run = try await pipeline(.postgres, key: Self.keys[0])
    run.source.put(mail("g1", "m1", user: "7"), in: "GameMailbox1")
    run.source.put(mail("g1", "m1", user: "8"), in: "GameMailbox3")
    let process = try run.pipeline.start(["--exit-when-caught-up"])

    #expect(try await process.wait(timeout: .seconds(60)) == .exited(4), "\(process.standardError)")
    for text in ["g1#m1", "GameMailbox1", "GameMailbox3"] {
      #expect(process.standardError.contains(text), "\(process.standardError)")
    }
  }

  @Test("a collision may also be won by the last, or by the first", arguments: ["last-writer", "keep-first"])
  func policies(policy: String) async throws {
    let run = try await pipeline(.postgres, key: Self.keys[0], collision: policy)
    run.source.put(mail("g1", "m1", user: "1"), in: "GameMailbox1")
    let process = try run.pipeline.start()
    try await run.pipeline.wait(for: "streaming", from: process)
    run.source.put(mail("g1", "m1", user: "2"), in: "GameMailbox2")
    run.source.put(mail("g9", "end", user: "2"), in: "GameMailbox2")
    let first = policy == "keep-first" ? "1" : "2"
    let winner = "g1#m1|g1#m1|g1#\(first)|0|5"
    try await eventually(timeout: .seconds(240), every: .milliseconds(300), "the changes to arrive: \(try rows(run))") {
      let rows = try rows(run)
      return rows.count == 2 && rows.first == winner
    }
    // The item that does not have the row takes nothing with it.
    let loser = policy == "keep-first" ? "GameMailbox2" : "GameMailbox1"
    run.source.delete(["gameId": ["S": "g1"], "mailId": ["S": "m1"]], in: loser)
    run.source.put(mail("g9", "end2", user: "2"), in: loser)
    try await eventually(every: .milliseconds(300), "the changes to arrive") { try rows(run).count == 3 }
    #expect(try rows(run).first == winner)
    process.signal(SIGTERM)

    #expect(try await process.wait(timeout: .seconds(60)) == .exited(0), "\(process.standardError)")
    #expect(process.standardError.contains("collision"), "\(process.standardError)")
  }
}
