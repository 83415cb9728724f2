import Apply
import ChangeModel
import ChangeTestKit
import DSQLSink
import PenstockTestKit
import SQLMapping

/// Tables of the simulation: with a column that may stay unchanged, with a unique column, and without a key.
let simulatedPlans = [
  tablePlan(["int4", "text", "text"], key: [0], index: 0, name: "toasted"),
  tablePlan(["text", "int4"], key: [1], index: 1, name: "unique", unique: [0]),
  tablePlan(["int4", "text"], key: [], index: 2, name: "bag"),
]

/// Where the process of an instance dies. Nothing catches it.
let crash = Failure(.sink, "the process died")

/// The target: a database with the rules and the faults of a real one, and the state that commits with its rows.
final class World {
  struct Lane: Equatable {
    var epoch: Int64
    var position: StreamPosition
  }

  /// What a transaction leaves behind.
  struct Contents: Equatable {
    var database = ModelDatabase()
    var lanes: [Lane] = []
  }

  /// Chances of each fault, in a thousand transactions.
  struct Faults {
    var conflict = 60
    var lostBefore = 30
    var lostAfter = 30
    /// The answer is lost and the transaction commits only after the next look at the lane.
    var lostLate = 20
    var crashBefore = 8
    var crashAfter = 8
  }

  var contents = Contents()
  var epoch: Int64 = 0
  /// No slot goes back behind it.
  var confirmed = LSN.zero
  var random: SeededGenerator
  var faults = Faults()
  /// More rows in one transaction are refused at commit.
  let rowsMax: Int
  /// A transaction whose session is gone but whose commit is still under way.
  private var late: Contents?
  private(set) var writesByOldInstances = 0
  private(set) var commits = 0

  init(seed: UInt64) {
    random = SeededGenerator(seed: seed)
    rowsMax = Int.random(in: 6...40, using: &random)
  }

  private func strikes(_ chance: Int) -> Bool { Int.random(in: 0..<1000, using: &random) < chance }

  /// The commit under way is done: whoever needs its locks has waited for it.
  func settle() {
    if let late { contents = late }
    late = nil
  }

  func commit(
    _ batch: borrowing FoldedBatch, _ entries: [Int], _ receipts: [LaneReceipt], _ mode: WriteMode,
    _ identity: WriterIdentity
  ) throws(Failure) -> WriteOutcome? {
    settle()
    if strikes(faults.crashBefore) { throw crash }
    if strikes(faults.conflict) { return .conflict(Failure(.sink, "change conflicts", state: "40001")) }
    var next = contents
    if let refused = apply(batch, entries, mode, to: &next.database) { return refused }
    for receipt in receipts {
      guard receipt.lane < next.lanes.count, next.lanes[receipt.lane].epoch == identity.epoch else {
        throw identity.fenced
      }
    }
    switch try LaneReceipt.fate(of: receipts, { lane throws(Failure) in contents.lanes[lane].position }) {
    case .committed: return .committed
    case .overtaken: return nil
    case .open:
      for receipt in receipts {
        if let position = receipt.position { next.lanes[receipt.lane].position = position }
      }
    }
    if strikes(faults.lostBefore) { throw lost }
    if identity.epoch != epoch && next != contents { writesByOldInstances += 1 }
    commits += 1
    if strikes(faults.lostLate) {
      late = next
      throw lost
    }
    contents = next
    if strikes(faults.crashAfter) { throw crash }
    if strikes(faults.lostAfter) { throw lost }
    return .committed
  }

  private var lost: Failure { Failure(.sink, "connection lost", connectionLost: true, isTransient: true) }

  /// Statement by statement as the target does it; says why it refuses, if it does.
  private func apply(
    _ batch: borrowing FoldedBatch, _ entries: [Int], _ mode: WriteMode, to database: inout ModelDatabase
  ) -> WriteOutcome? {
    var touched = 0
    let rewrites = mode == .replacing || mode == .deletesOnly
    for kind in [ChangeKind.delete, .upsert, .add, .remove, .patch] {
      let isCopies = kind == .add || kind == .remove
      if mode == .deletesOnly && kind != .delete || mode == .copiesOnly && !isCopies { continue }
      if mode == .rowsOnly || mode == .displacing, kind != .upsert && kind != .delete { continue }
      if kind == .upsert && rewrites {
        for index in entries where batch.entries[index].kind == .upsert { remove(batch, index, &database) }
      }
      for index in entries where batch.entries[index].kind == kind {
        touched += 1
        if kind == .upsert, mode == .displacing { removeOthers(batch, index, &database) }
        if kind == .patch, mode == .guarded, database.rows[place(batch, index)] == nil { return .rowMissing }
        database.apply(batch, simulatedPlans, entries: [index])
        if collides(place(batch, index), database) { return .duplicate(Failure(.sink, "duplicate", state: "23505")) }
      }
    }
    if mode == .deletesOnly {
      for index in entries where [.upsert, .patch].contains(batch.entries[index].kind) {
        remove(batch, index, &database)
      }
    }
    if touched > rowsMax, entries.count > 1, mode == .guarded || mode == .plain {
      return .tooLarge(Failure(.sink, "transaction row limit exceeded", state: "54000"))
    }
    return nil
  }

  private func place(_ batch: borrowing FoldedBatch, _ index: Int) -> ModelDatabase.Place {
    let entry = batch.entries[index]
    let plan = simulatedPlans[Int(entry.table)]
    let row = cells(
      batch.row(of: entry), columns: entry.kind == .delete ? plan.keyColumns.count : plan.mapping.columns.count)!
    return entry.kind == .delete ? .init(table: entry.table, key: row) : ModelDatabase().place(row, plan)
  }

  private func remove(_ batch: borrowing FoldedBatch, _ index: Int, _ database: inout ModelDatabase) {
    let place = place(batch, index)
    database.rows[place] = nil
  }

  /// Removes every row of the table with the unique column that holds this entry's value.
  private func removeOthers(_ batch: borrowing FoldedBatch, _ index: Int, _ database: inout ModelDatabase) {
    let entry = batch.entries[index]
    guard entry.table == 1, let row = cells(batch.row(of: entry), columns: 2), row[0] != .null else { return }
    database.rows = database.rows.filter { $0.key.table != 1 || $0.value[0] != row[0] }
  }

  /// Whether another row of the table with the unique column holds this row's value.
  private func collides(_ place: ModelDatabase.Place, _ database: ModelDatabase) -> Bool {
    guard place.table == 1, let value = database.rows[place]?[0], value != .null else { return false }
    return database.rows.contains { $0.key != place && $0.key.table == 1 && $0.value[0] == value }
  }

  // MARK: Takeover

  /// What an instance does when it starts: takes the next epoch and opens the lanes.
  func claim(lanes wanted: Int) -> (WriterIdentity, [StreamPosition]) {
    settle()
    epoch += 1
    for lane in contents.lanes.indices { contents.lanes[lane].epoch = epoch }
    let positions = contents.lanes.map(\.position)
    // Keys go to other lanes then, so nothing may come again that a lane has committed.
    if wanted != positions.count, positions.allSatisfy({ $0.commitLSN < confirmed || $0 == .zero }) {
      contents.lanes = Array(repeating: Lane(epoch: epoch, position: positions.min() ?? .zero), count: wanted)
    }
    return (WriterIdentity(pipeline: "simulation", epoch: epoch), contents.lanes.map(\.position))
  }

  func truncate(_ table: UInt32, _ identity: WriterIdentity) throws(Failure) {
    settle()
    if strikes(faults.crashBefore) { throw crash }
    if contents.lanes.isEmpty || contents.lanes[0].epoch != identity.epoch { throw identity.fenced }
    contents.database.truncate(table)
    if strikes(faults.lostAfter) { throw lost }
  }
}

/// One lane's hand in the world.
final class WorldTarget: LaneTarget {
  private let world: World
  private let identity: WriterIdentity
  /// Called when a try collides: while a lane waits, the stream goes on.
  private let onDuplicate: () -> Void

  init(_ world: World, _ identity: WriterIdentity, onDuplicate: @escaping () -> Void) {
    self.world = world
    self.identity = identity
    self.onDuplicate = onDuplicate
  }

  func retrying<Result>(_ what: String, _ work: () throws(Failure) -> Result) throws(Failure) -> Result {
    while true {
      do throws(Failure) { return try work() } catch { if !error.isTransient { throw error } }
    }
  }

  func write(
    _ batch: borrowing FoldedBatch, entries: [Int]?, receipts: [LaneReceipt], mode: WriteMode
  ) throws(Failure) -> WriteOutcome? {
    let outcome = try world.commit(batch, entries ?? Array(batch.entries.indices), receipts, mode, identity)
    if case .duplicate = outcome { onDuplicate() }
    return outcome
  }

  func position(of lane: Int) throws(Failure) -> StreamPosition {
    guard lane < world.contents.lanes.count, world.contents.lanes[lane].epoch == identity.epoch else {
      throw identity.fenced
    }
    return world.contents.lanes[lane].position
  }

  func empty(_ table: UInt32) throws(Failure) { try world.truncate(table, identity) }

  func rest() {}
  func parkedLetters() -> [(table: String, id: String)] { [] }
  func refusedColumn(_ batch: borrowing FoldedBatch) -> String? { nil }
  func writeParts(of letter: DeadLetter) {}
  func releaseMemory() {}
}
