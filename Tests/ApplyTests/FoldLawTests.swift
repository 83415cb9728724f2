import Apply
import ChangeModel
import ChangeTestKit
import PenstockTestKit
import SQLMapping
import Testing

/// Tables with a key in front, a key of two columns apart, and none; then pairs of tables with one target, of which the
/// last column is the origin.
private let plans = [
  tablePlan(["int4", "text", "text"], key: [0], index: 0, name: "front"),
  tablePlan(["text", "int4", "text", "int4"], key: [3, 1], index: 1, name: "apart"),
  tablePlan(["int4", "text"], key: [], index: 2, name: "bag"),
  merged(["int4", "text", "text"], key: [0], index: 3, .lastWriter, group: 3),
  merged(["text", "text", "int4", "text"], key: [2], index: 4, .lastWriter, group: 3),
  merged(["int4", "text", "int4", "text"], key: [0, 2], index: 5, .keepFirst, group: 5),
  merged(["text", "int4", "int4", "text"], key: [1, 2], index: 6, .keepFirst, group: 5),
]

private func merged(
  _ types: [String], key: [Int], index: UInt32, _ policy: CollisionPolicy, group: Int
) -> TablePlan {
  tablePlan(
    types, key: key, index: index, name: "m\(index)",
    merging: MergeRule(policy: policy, originColumn: types.count - 1, group: group))
}

@Suite("A folded batch has the effect of its changes one by one")
struct FoldLawTests {
  /// A random value; sometimes a long one, so that rows outgrow what they replace.
  private func value(_ random: inout SeededGenerator) -> Cell {
    switch Int.random(in: 0..<8, using: &random) {
    case 0: nil
    case 1: Cell(String(repeating: "x", count: Int.random(in: 0...300, using: &random)))
    default: Cell(String(Int.random(in: 0..<5, using: &random)))
    }
  }

  private func row(_ plan: TablePlan, _ random: inout SeededGenerator, isPartial: Bool = false) -> [Cell] {
    plan.mapping.columns.indices.map { column in
      if column == plan.mapping.merge?.originColumn {
        return Cell("\(plan.index)/\(Int.random(in: 0..<2, using: &random))")
      }
      if plan.keyColumns.contains(column) { return Cell(String(Int.random(in: 0..<4, using: &random))) }
      if isPartial, Bool.random(using: &random) { return .unchanged }
      return value(&random)
    }
  }

  private func change(
    _ database: ModelDatabase, _ random: inout SeededGenerator
  ) -> (table: UInt32, change: RowChange) {
    let plan = plans.randomElement(using: &random)!
    let kind = Int.random(in: 0..<10, using: &random)
    if plan.mapping.isKeyless {
      let held = database.bags.keys.sorted { "\($0)" < "\($1)" }
      if kind < 5, let place = held.randomElement(using: &random) { return (plan.index, .remove(place.key)) }
      return (plan.index, .add(row(plan, &random)))
    }
    let cells = row(plan, &random, isPartial: kind >= 7)
    return switch kind {
    case 0..<4: (plan.index, .upsert(cells))
    case 4..<7:
      (plan.index, .delete((plan.keyColumns + (plan.mapping.merge.map { [$0.originColumn] } ?? [])).map { cells[$0] }))
    default: (plan.index, .patch(cells))
    }
  }

  @Test("for any sequence of changes on any tables and envelope", arguments: 0..<150)
  func law(seed: UInt64) {
    var random = SeededGenerator(seed: seed)
    let envelope = Envelope(
      rowsMax: .random(in: 1...20, using: &random), bytesAim: .random(in: 50...2000, using: &random),
      bytesMax: 4000)
    var oneByOne = ModelDatabase()
    for _ in 0..<10 {
      let first = change(oneByOne, &random)
      oneByOne.apply(first.change, plans[Int(first.table)])
    }
    var folded = oneByOne
    var changes: [(table: UInt32, change: RowChange)] = []
    for _ in 0..<200 {
      changes.append(change(oneByOne, &random))
      oneByOne.apply(changes.last!.change, plans[Int(changes.last!.table)])
    }

    var batch = FoldedBatch(envelope: envelope, merging: MergedTables(plans))
    for (change, segment) in routed(changes, plans) {
      if !batch.add(change, of: segment) {
        folded.apply(batch, plans)
        batch.removeAll()
        let isTaken = batch.add(change, of: segment)
        #expect(isTaken, "an empty batch takes any change, seed \(seed)")
      }
      expectWithin(envelope, batch, seed)
      #expect(batch.position == change.position)
    }
    folded.apply(batch, plans)

    #expect(folded == oneByOne, "seed \(seed)")
  }

  private static let ofOneKey:
    [(policy: CollisionPolicy, changes: [(table: UInt32, change: RowChange)], taken: [Bool])] =
      [
        (.fail, [(0, .upsert(["1", "a", "x"])), (0, .upsert(["1", "b", "x"]))], [true, true]),
        (.fail, [(0, .upsert(["1", "a", "x"])), (0, .upsert(["1", "a", "y"]))], [true, false]),
        (
          .fail, [(0, .upsert(["1", "a", "x"])), (1, .upsert(["2", "y"])), (1, .upsert(["1", "y"]))],
          [true, true, false]
        ),
        (.lastWriter, [(0, .delete(["1", "x"])), (1, .upsert(["1", "y"]))], [true, false]),
        (.lastWriter, [(0, .delete(["1", "x"])), (0, .upsert(["1", "a", "x"]))], [true, true]),
        (.lastWriter, [(0, .upsert(["1", "a", "x"])), (0, .delete(["1", "x"]))], [true, false]),
        (.keepFirst, [(0, .upsert(["1", "a", "x"])), (0, .delete(["1", "x"]))], [true, true]),
        (.keepFirst, [(0, .upsert(["1", "a", "x"])), (1, .delete(["1", "y"]))], [true, false]),
      ]

  @Test(
    "changes of one key fold with those of their own origin, a row that comes and goes only where it takes no place",
    arguments: ofOneKey.indices)
  func origins(index: Int) {
    let (policy, changes, taken) = Self.ofOneKey[index]
    let both = [
      merged(["int4", "text", "text"], key: [0], index: 0, policy, group: 0),
      merged(["int4", "text"], key: [0], index: 1, policy, group: 0),
    ]

    var batch = FoldedBatch(envelope: .dsql(batchSize: 3000), merging: MergedTables(both))
    let found = routed(changes, both).map { batch.add($0.change, of: $0.segment) }

    #expect(found == taken)
  }

  private func expectWithin(_ envelope: Envelope, _ batch: borrowing FoldedBatch, _ seed: UInt64) {
    let sizes = batch.entries.map { batch.size(of: $0) }
    let rows = sizes.reduce(0) { $0 + $1.rows }
    let bytes = sizes.reduce(0) { $0 + $1.bytes }
    #expect(batch.rowCount == rows, "seed \(seed)")
    #expect(batch.byteCount == bytes, "seed \(seed)")
    #expect(rows <= envelope.rowsMax, "seed \(seed)")
    #expect(rows == 1 || bytes <= envelope.bytesAim, "seed \(seed)")
  }

  @Test("a row that grows by updates does not carry the batch beyond its bytes")
  func growingRows() {
    let envelope = Envelope(rowsMax: 1000, bytesAim: 10_000, bytesMax: 20_000)
    let long = Cell(String(repeating: "x", count: 900))
    let small = (0..<100).map { (table: UInt32(0), change: RowChange.upsert([Cell("\($0)"), "a", nil])) }
    let large = (0..<100).map { (table: UInt32(0), change: RowChange.upsert([Cell("\($0)"), long, nil])) }

    var batch = FoldedBatch(envelope: envelope)
    let taken = routed(small + large, plans).prefix { batch.add($0.change, of: $0.segment) }

    #expect(taken.count > 100)
    #expect(batch.byteCount <= 10_000)
  }

  @Test("patches of one row merge again and again, whatever the size of the merged rows")
  func mergedPatches() {
    let envelope = Envelope(rowsMax: 1000, bytesAim: 1 << 30, bytesMax: 1 << 30)
    let long = Cell(String(repeating: "y", count: 5000))
    let changes: [(table: UInt32, change: RowChange)] =
      [(0, .upsert(["1", long, "0"]))] + (1...200).map { (0, .patch(["1", .unchanged, Cell("\($0)")])) }

    var batch = FoldedBatch(envelope: envelope)
    let taken = routed(changes, plans).map { batch.add($0.change, of: $0.segment) }

    #expect(!taken.contains(false))
    #expect(batch.entries.map(\.kind) == [.upsert])
    #expect(batch.changeCount == 201)
    #expect(cells(batch.row(of: batch.entries[0]), columns: 3) == ["1", long, "200"])
  }

  @Test("a part of a row after its delete begins another batch, or completes it when parts are completed anyway")
  func patchAfterDelete() {
    let changes: [(table: UInt32, change: RowChange)] = [(0, .delete(["1"])), (0, .patch(["1", .unchanged, "2"]))]
    let envelope = Envelope.dsql(batchSize: 3000)
    let both = routed(changes, plans)

    var batch = FoldedBatch(envelope: envelope)
    let taken = both.map { batch.add($0.change, of: $0.segment) }
    var completed = FoldedBatch(envelope: envelope)
    let takenCompleted = both.map { completed.add($0.change, of: $0.segment, foldsAll: true) }

    #expect(taken == [true, false])
    #expect(takenCompleted == [true, true])
    #expect(batch.entries.map(\.kind) == [.delete])
    #expect(completed.entries.map(\.kind) == [.patch])
  }

  @Test("fifty thousand keys stay apart and find themselves again")
  func manyKeys() {
    let envelope = Envelope(rowsMax: .max, bytesAim: .max, bytesMax: .max)
    var changes: [(table: UInt32, change: RowChange)] = []
    for round in ["a", "b"] {
      for key in 0..<50_000 { changes.append((0, .upsert([Cell("\(key)"), Cell(round), nil]))) }
    }

    var batch = FoldedBatch(envelope: envelope)
    for (change, segment) in routed(changes, plans) { _ = batch.add(change, of: segment) }

    #expect(batch.entries.count == 50_000)
    #expect(batch.changeCount == 100_000)
    #expect(cells(batch.row(of: batch.entries[49_999]), columns: 3) == ["49999", "b", nil])

    batch.removeAll()
    #expect(batch.isEmpty && batch.entries.isEmpty && batch.rowCount == 0 && batch.byteCount == 0)
    _ = routed([(0, .delete(["7"]))], plans).map { batch.add($0.change, of: $0.segment) }
    #expect(batch.entries.map(\.kind) == [.delete])
  }

  @Test("equal keys of different tables are different rows")
  func tablesApart() {
    let twice = [
      tablePlan(["int4", "text"], key: [0], index: 0, name: "a"),
      tablePlan(["int4", "text"], key: [0], index: 1, name: "b"),
    ]
    var batch = FoldedBatch(envelope: .dsql(batchSize: 3000))
    for (change, segment) in routed([(0, .upsert(["1", "a"])), (1, .upsert(["1", "b"]))], twice) {
      _ = batch.add(change, of: segment)
    }

    #expect(batch.entries.map(\.table) == [0, 1])
  }

  @Test("copies of one row count as rows")
  func copies() {
    let envelope = Envelope(rowsMax: 3, bytesAim: 1000, bytesMax: 1000)
    var batch = FoldedBatch(envelope: envelope)
    let same = (0..<5).map { _ in (table: UInt32(2), change: RowChange.add(["1", "a"])) }

    let taken = routed(same, plans).map { batch.add($0.change, of: $0.segment) }

    #expect(taken == [true, true, true, false, false])
    #expect(batch.rowCount == 3)
  }
}
