import Apply
import ChangeModel
import ChangeTestKit
import DSQLSink
import Lanes
import PenstockTestKit
import Postgres
import SQLMapping
import Testing

private let plan = tablePlan(["int4", "text"], key: [0])
private let ddl = "CREATE TABLE t (c0 int PRIMARY KEY, c1 text UNIQUE); INSERT INTO t VALUES (1, 'a'), (2, 'b')"

@Suite("An instance that was taken over writes nothing more")
struct FencingTests {
  /// What the old instance tries, and by which lane count it was replaced.
  private static let attempts: [(name: String, work: @Sendable (Rig) -> Void)] = [
    ("rows", { $0.send([.upsert(["7", "x"]), .delete(["1"])]) }),
    ("a part of a row", { $0.send([.patch(["1", "x"])]) }),
    ("values that swap, serially", { $0.send([.upsert(["1", nil]), .upsert(["2", "a"]), .upsert(["1", "b"])]) }),
    (
      "a serial replay in steps",
      { rig in
        rig.send([.upsert(["1", nil]), .upsert(["2", "a"]), .upsert(["1", "b"])])
        rig.send((10..<60).map { .upsert([Cell("\($0)"), Cell("n\($0)")]) })
      }
    ),
    ("a truncation", { $0.group.begin(.truncate(tables: [0], at: at(50))) }),
  ]

  @Test("whatever it tries, and however many lanes its successor has", arguments: attempts.indices, [1, 4])
  func takenOver(index: Int, lanes: Int) throws {
    for emulated in [false, true] {
      var setup = Rig.Setup()
      setup.lanes = 4
      setup.envelope = Envelope(rowsMax: 10, bytesAim: 2000, bytesMax: 2000)
      if emulated { setup.emulator = { _ in } }
      let rig = try Rig(ddl, [plan], setup)
      let successor = try rig.state.claim(rig.session, endingSessionsOf: nil)
      try rig.state.resetLanes(lanes, at: at(3), successor, rig.session)
      let before = try rig.laneRows()

      Self.attempts[index].work(rig)
      let failure = #expect(throws: Failure.self) { try rig.work() }

      #expect(failure?.kind == .fenced, "\(Self.attempts[index].name): \(failure!)")
      #expect(failure?.exitCode == 5)
      #expect(try rig.table() == [["1", "a"], ["2", "b"]], "\(Self.attempts[index].name)")
      #expect(try rig.laneRows() == before)
    }
  }

  @Test("it can neither open lanes again, nor read positions, nor change the pipeline's row")
  func state() throws {
    let rig = try Rig(ddl, [plan])
    let successor = try rig.state.claim(rig.session, endingSessionsOf: nil)
    try rig.state.resetLanes(2, at: at(9), successor, rig.session)
    let attempts: [() throws -> Void] = [
      { try rig.state.resetLanes(3, at: .zero, rig.identity, rig.session) },
      { _ = try rig.state.lanePosition(0, rig.identity, rig.session) },
      { _ = try rig.state.lanePosition(1, rig.identity, rig.session) },
      { try rig.state.check(rig.identity, rig.session) },
      { try rig.state.update(rig.identity, [("phase", "loading")], rig.session) },
    ]
    for attempt in attempts {
      let failure = #expect(throws: Failure.self) { try attempt() }
      #expect(failure?.kind == .fenced)
      #expect(!rig.session.isInTransaction)
    }

    #expect(try rig.state.lanes(rig.session) == [at(9), at(9)])
    #expect(try rig.state.read(rig.session)?.phase == .streaming)
    #expect(try rig.state.read(rig.session)?.epoch == successor.epoch)
  }

  @Test("an instance that hung while its pipeline was reset and begun anew is fenced")
  func reset() throws {
    let rig = try Rig(ddl, [plan])
    let known = try #require(try rig.state.read(rig.session))
    try rig.state.remove(rig.session)
    try rig.state.create(known, rig.session)
    let successor = try rig.state.claim(rig.session, endingSessionsOf: nil)

    #expect(successor.epoch > rig.identity.epoch)
    let failure = #expect(throws: Failure.self) { try rig.state.check(rig.identity, rig.session) }
    #expect(failure?.kind == .fenced)
  }

  @Test("lanes can be fewer and more again")
  func laneCounts() throws {
    let rig = try Rig(ddl, [plan])
    for count in [4, 1, 6, 2] {
      try rig.state.resetLanes(count, at: at(UInt64(count)), rig.identity, rig.session)
      #expect(try rig.state.lanes(rig.session) == Array(repeating: at(UInt64(count)), count: count))
    }
    let next = try rig.state.claim(rig.session, endingSessionsOf: nil)
    #expect(next.epoch == rig.identity.epoch + 1)
    #expect(try rig.session.query("SELECT DISTINCT epoch FROM penstock.lane").values == [["\(next.epoch)"]])
  }
}
