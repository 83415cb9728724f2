import Glibc
import PenstockTestKit
import Synchronization
import Testing

@testable import Verification

@Suite("Items held against a target while both change", .serialized)
struct VerifyItemsLiveTests {
  private func things(_ stillness: Duration) throws -> ItemsUnderTest {
    let things = try ItemsUnderTest(columns: [("v", "integer")]) { $0.stillness = stillness }
    for id in 0..<20 { things.put(Self.item(id, 0)) }
    try things.target("INSERT INTO things SELECT i, 0 FROM generate_series(0, 19) i")
    try things.showLife()
    return things
  }

  private static func item(_ id: Int, _ value: Int) -> JSONValue { ["id": ["S": "\(id)"], "v": ["N": "\(value)"]] }

  @Test("what a running pipeline brings a little later is no difference, what it never brings is one") func late()
    async throws
  {
    let things = try things(.seconds(10))
    things.put(Self.item(1, 5), Self.item(20, 0))
    things.source.delete(["id": ["S": "2"]], in: ItemsUnderTest.table)
    try things.target("UPDATE things SET v = 1 WHERE id = '3'; DELETE FROM things WHERE id = '4'")
    let late = things.beside {
      while things.source.count(of: "BatchGetItem") == 0 { usleep(1000) }
      try things.target(
        """
        UPDATE things SET v = 5 WHERE id = '1'; INSERT INTO things VALUES ('20', 0); DELETE FROM things WHERE id = '2'
        """)
    }

    let report = try await things.report()

    try await late.value
    #expect(
      report.tables[0].differences.map(\.description) == [
        "(id='3'): differs in column v", "(id='4'): missing in target",
      ])
    #expect(report.standstill == nil)
  }

  @Test("a row that changes all the time, and comes late each time, is no difference") func changing() async throws {
    let things = try things(.seconds(30))
    let isOver = Atomic(false)
    let writer = things.beside {
      var shown = 0
      for value in 1... {
        if isOver.load(ordering: .relaxed) { return }
        things.put(Self.item(5, value))
        // The target is always some versions behind.
        if value % 3 == 0 {
          try things.target("UPDATE things SET v = \(shown) WHERE id = '5'")
          shown = value
        }
        usleep(30_000)
      }
    }
    try await eventually("changes") { try things.target("SELECT v FROM things WHERE id = '5'") != "0" }

    let report = try await things.report()

    isOver.store(true, ordering: .relaxed)
    try await writer.value
    #expect(report.isEqual, "\(report)")
  }

  @Test("without a pipeline at work, every difference of the moment is one, and the report says why") func stopped()
    async throws
  {
    let things = try things(.seconds(60))
    try things.target("UPDATE penstock.health SET written_at = now() - interval '1 hour'")
    things.put(Self.item(1, 5))

    let report = try await things.report()

    #expect(report.differing == 1)
    #expect(report.standstill?.hasPrefix("the pipeline is not running: its last sign of life is 36") == true)
  }
}
