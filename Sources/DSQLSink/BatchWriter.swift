package import Apply
package import ChangeModel
package import Lanes
package import Postgres
internal import Runtime
internal import SQLMapping

/// What became of one try to write a batch.
package enum WriteOutcome: Sendable {
  case committed
  /// The target says that another transaction got in the way: the same batch may be tried again.
  case conflict(Failure)
  /// A unique value is still held by a row that other lanes are about to change, or that comes later.
  case duplicate(Failure)
  /// A row to be updated in part is not there.
  case rowMissing
  /// The batch is too large for one transaction.
  case tooLarge(Failure)
  /// The target will not take one of the rows.
  case refused(Failure, RowErrorClass)
}

/// How a batch is turned into statements.
package enum WriteMode: Sendable {
  /// Rows to be updated in part must be there, else nothing is written.
  case guarded
  /// Rows to be updated in part may be missing.
  case plain
  /// Every row is deleted before it is written, so that unique values can change hands.
  case replacing
  /// Only the deletes of `replacing`, and of the rows of which only parts are known.
  case deletesOnly
  /// Only what may be written twice: whole rows with a key.
  case rowsOnly
  /// The same, after deleting every other row that holds one of their unique values.
  case displacing
  /// Only what may not: rows of tables without a key.
  case copiesOnly
}

/// A lane's state row as a transaction leaves it.
package struct LaneReceipt: Sendable {
  package var lane: Int
  /// The last change that the lane now holds; `nil` leaves it and only proves that this instance may write.
  package var position: StreamPosition?
  /// The last change that it held before: else nothing is written.
  package var previous: StreamPosition
  /// Changes written, before folding.
  package var changes: Int
  package var letters: LetterChanges

  package init(
    lane: Int, position: StreamPosition?, after previous: StreamPosition, changes: Int,
    letters: LetterChanges = LetterChanges()
  ) {
    self.lane = lane
    self.position = position
    self.previous = previous
    self.changes = changes
    self.letters = letters
  }

  /// A receipt that leaves the lane as it is.
  package static func proof(lane: Int, letters: LetterChanges) -> LaneReceipt {
    LaneReceipt(lane: lane, position: nil, after: .zero, changes: 0, letters: letters)
  }

  /// What became of a transaction whose answer was lost.
  package enum Fate: Sendable {
    case committed
    /// Not committed, but that may come: the server may still be at it.
    case open
    /// Another one of ours, with more or fewer changes, was given up and has committed since.
    case overtaken
  }

  /// Finds out what became of the transaction with these receipts.
  /// - Parameter reached: what a lane holds.
  package static func fate(
    of receipts: [LaneReceipt], _ reached: (Int) throws(Failure) -> StreamPosition
  ) throws(Failure) -> Fate {
    var (there, before, count) = (0, 0, 0)
    for receipt in receipts {
      guard let position = receipt.position else { continue }
      let reached = try reached(receipt.lane)
      count += 1
      if reached == position { there += 1 }
      if reached == receipt.previous { before += 1 }
    }
    if before == count { return .open }
    return there == count ? .committed : .overtaken
  }
}

/// Writes a folded batch and the lanes' positions in one transaction.
package struct BatchWriter: ~Copyable {
  private let plans: [TablePlan]
  private let catalog: StatementCatalog
  private let identity: WriterIdentity
  private let isPipelined: Bool
  private let shardLog: ShardLog?
  private let fresh: FreshTables?
  private let collisions: (UInt32, Int) -> Void
  private var parameters = ArrayParameters()

  /// - Parameters:
  ///   - shardLog: of a source with shards.
  ///   - fresh: tables in their first load, if any.
  ///   - collisions: told of each committed write how many rows of a merged table found their keys held by others.
  package init(
    plans: [TablePlan], catalog: StatementCatalog, identity: WriterIdentity, isPipelined: Bool,
    shardLog: ShardLog? = nil, fresh: FreshTables? = nil,
    collisions: @escaping (_ table: UInt32, _ rows: Int) -> Void = { _, _ in }
  ) {
    self.collisions = collisions
    self.plans = plans
    self.catalog = catalog
    self.identity = identity
    self.isPipelined = isPipelined
    self.shardLog = shardLog
    self.fresh = fresh
  }

  /// Gives back what a large row has taken.
  package mutating func releaseMemory() { parameters.release(beyond: 1 << 20) }

  /// Writes the batch on an idle session.
  ///
  /// - Parameter entries: write only these of the batch's entries.
  /// - Returns: `nil` when a lane does not hold what the receipts say it held: nothing is written.
  /// - Throws: when the session broke (the outcome is then unknown), when this instance is fenced, or when the
  ///   target refuses for a reason that no other try changes.
  package mutating func write(
    _ batch: borrowing FoldedBatch, entries: [Int]? = nil, receipts: [LaneReceipt], mode: WriteMode,
    on connection: Connection
  ) throws(Failure) -> WriteOutcome? {
    let fresh = mode == .guarded || mode == .plain ? fresh : nil
    let first = try write(batch, entries, receipts, mode, on: connection, fresh: fresh)
    guard first.metRow else { return first.outcome }
    // Nothing is written: the target has said so.
    return try write(batch, entries, receipts, mode, on: connection, fresh: nil).outcome
  }

  private struct Attempt {
    var outcome: WriteOutcome?
    /// Whether a row that was taken for new was there.
    var metRow = false
  }

  private mutating func write(
    _ batch: borrowing FoldedBatch, _ entries: [Int]?, _ receipts: [LaneReceipt], _ mode: WriteMode,
    on connection: Connection, fresh: FreshTables?
  ) throws(Failure) -> Attempt {
    let plan = TransactionPlan(batch, entries ?? Array(batch.entries.indices), plans, catalog, mode, fresh: fresh)
    var flight = try Flight(connection, isPipelined: isPipelined)
    try flight.send(.begin, "BEGIN")
    for receipt in receipts { try flight.send(receipt.letters, pipeline: identity.pipeline) }
    var removed: [Int: Int] = [:]
    if !plan.bagRemovals.isEmpty {
      if let failed = try removeBags(plan.bagRemovals, batch, &flight, &removed) {
        return Attempt(outcome: try judge(failed.0, failed.1, plan, receipts, on: connection))
      }
      Failpoint.reach(.bagsRemoved)
      flight = try Flight(connection, isPipelined: isPipelined)
      try restoreBags(removed, batch, &flight)
    }
    for (index, planned) in plan.statements.enumerated() {
      parameters.fill(planned, batch, plans[Int(planned.table)])
      let count = planned.statement.parameters.count
      let arrays = unsafe parameters.finish(columns: count)
      try unsafe send(.statement(index), planned.statement, arrays, rows: planned.entries.count, &flight)
    }
    for receipt in receipts { try sendReceipt(receipt, &flight) }
    Failpoint.reach(.batchDeparts)
    try flight.send(.commit, "COMMIT")
    try flight.depart()
    Failpoint.reach(.batchSent)
    let steps = flight.steps
    switch try flight.finish() {
    case .failed(.statement(let index), let failure)
    where failure.isGuardRefusal && plan.role(index) == .collisionCheck:
      return Attempt(outcome: try judgeCollision(plan.statements[index], failure, batch, on: connection))
    case .failed(.statement(let index), let failure)
    where failure.state == "23505" && plan.role(index) == .freshInsert:
      if connection.isInTransaction { try connection.query("ROLLBACK") }
      fresh?.miss(plan.statements[index].table)
      return Attempt(outcome: .duplicate(failure), metRow: true)
    case .failed(let step, let failure):
      return Attempt(outcome: try judge(step, failure, plan, receipts, on: connection))
    case .done(let affected):
      for (step, rows) in zip(steps, affected) where step == .state && rows != 1 { throw identity.fenced }
      for (step, rows) in zip(steps, affected) {
        if case .statement(let index) = step, plan.role(index) == .collisionCheck { note(rows, plan.statements[index]) }
      }
      Failpoint.reach(.batchCommitted)
      return Attempt(outcome: .committed)
    }
  }

  /// Where collisions stop the pipeline, the check of a transaction that committed has found none, in one row.
  private func note(_ rows: Int, _ planned: PlannedStatement) {
    guard plans[Int(planned.table)].mapping.merge?.policy != .fail else { return }
    collisions(planned.table, rows)
  }

  /// Some of the statement's rows have keys of other origins' rows: says which, or that it has passed.
  private mutating func judgeCollision(
    _ planned: PlannedStatement, _ refusal: Failure, _ batch: borrowing FoldedBatch, on connection: Connection
  ) throws(Failure) -> WriteOutcome {
    if connection.isInTransaction { try connection.query("ROLLBACK") }
    let plan = plans[Int(planned.table)]
    parameters.fill(planned, batch, plan)
    let arrays = unsafe parameters.finish(columns: planned.statement.parameters.count)
    if let failure = try unsafe catalog.collisions(planned.table)?.failure(arrays, in: plan.mapping, connection) {
      throw failure
    }
    return .conflict(refusal)
  }

  private func send(
    _ step: Flight.Step, _ statement: Statement, _ arrays: [ParameterBytes], rows: Int, _ flight: inout Flight
  ) throws(Failure) {
    guard statement.takesRowCount else { return try unsafe flight.send(step, statement, arrays) }
    var count = Int64(rows).bigEndian
    let result: Result<Void, Failure> = unsafe withUnsafeBytes(of: &count) { count in
      Result { () throws(Failure) in try unsafe flight.send(step, statement, arrays + [count]) }
    }
    try result.get()
  }

  private func sendReceipt(_ receipt: LaneReceipt, _ flight: inout Flight) throws(Failure) {
    try flight.sendText(
      .state,
      sql: """
        UPDATE penstock.lane SET position=coalesce($1::text, position), changes=changes+$2::bigint, \
        shards=coalesce($7::text, shards), fence=1/((epoch=$3::bigint AND ($1::text IS NULL OR position=$6))::int) \
        WHERE pipeline=$4 AND stream='main' AND lane=$5::int
        """,
      [
        receipt.position?.description, String(receipt.changes), String(identity.epoch), identity.pipeline,
        String(receipt.lane), receipt.previous.description, shards(receipt),
      ])
  }

  /// How far the lane has come in each shard with this receipt; `nil` where there are none.
  private func shards(_ receipt: LaneReceipt) -> String? {
    guard let shardLog, let position = receipt.position else { return nil }
    return ShardLog.text(
      shardLog.marks(
        ofLane: receipt.lane, committed: receipt.previous.commitLSN.rawValue, through: position.commitLSN.rawValue))
  }

  /// Deletes every copy of the rows that lose some, in a flight of their own, since the number of copies decides
  /// how many are written back.
  private mutating func removeBags(
    _ entries: [Int], _ batch: borrowing FoldedBatch, _ flight: inout Flight, _ removed: inout [Int: Int]
  ) throws(Failure) -> (Flight.Step, Failure)? {
    for index in entries {
      let entry = batch.entries[index]
      let statement = catalog.delete(entry.table)
      let columns = plans[Int(entry.table)].mapping.columns.count
      let fields = unsafe imageFields(batch.row(of: entry), columns: columns)
      try unsafe flight.send(.statement(index), statement, fields)
    }
    let steps = flight.steps
    switch try flight.finish() {
    case .failed(let step, let failure): return (step, failure)
    case .done(let affected):
      for (step, rows) in zip(steps, affected) {
        if case .statement(let index) = step { removed[index] = rows }
      }
      return nil
    }
  }

  /// Writes back the copies that stay.
  private mutating func restoreBags(
    _ removed: [Int: Int], _ batch: borrowing FoldedBatch, _ flight: inout Flight
  ) throws(Failure) {
    for (index, copies) in removed.sorted(by: { $0.key < $1.key }) {
      let entry = batch.entries[index]
      let kept = copies + entry.copies
      guard kept > 0 else { continue }
      let statement = catalog.upsert(entry.table)
      let columns = plans[Int(entry.table)].mapping.columns.count
      parameters.begin(elementTypes: statement.parameters.map(\.elementOID))
      for _ in 0..<kept { unsafe parameters.append(row: batch.row(of: entry), columns: columns) }
      let arrays = unsafe parameters.finish(columns: columns)
      try unsafe flight.send(.statement(index), statement, arrays)
    }
  }

  /// What a failed step means. The session is taken out of its aborted transaction.
  private func judge(
    _ step: Flight.Step, _ failure: Failure, _ plan: TransactionPlan, _ receipts: [LaneReceipt],
    on connection: Connection
  ) throws(Failure) -> WriteOutcome? {
    if connection.isInTransaction { try connection.query("ROLLBACK") }
    switch step {
    case .state where failure.isGuardRefusal: return try judgeFence(receipts, on: connection)
    case .statement(let index) where failure.isGuardRefusal && plan.role(index) == .presenceGuard: return .rowMissing
    default: break
    }
    switch ErrorTable.rule(for: failure, in: step == .commit ? .commit : .statement).action {
    case .repeatTransaction, .refreshCatalog: return .conflict(failure)
    case .replaySerially: return .duplicate(failure)
    case .split: return .tooLarge(failure)
    case .isolate(let rowClass): return .refused(located(failure, step, plan), rowClass)
    case .reconnect, .refreshToken, .lookAndRepeat, .stop: throw located(failure, step, plan)
    }
  }

  private func located(_ failure: Failure, _ step: Flight.Step, _ plan: TransactionPlan) -> Failure {
    var failure = failure
    if case .statement(let index) = step, plan.statements.indices.contains(index) {
      let mapping = plans[Int(plan.statements[index].table)].mapping
      failure.location = "\(mapping.target), \(plan.statements[index].entries.count) rows; \(failure.location)"
    }
    return failure
  }

  /// The state row refused: either another instance has it, or an earlier try, whose answer was lost, committed
  /// only after we had looked.
  private func judgeFence(_ receipts: [LaneReceipt], on connection: Connection) throws(Failure) -> WriteOutcome? {
    let state = StateStore(pipeline: identity.pipeline)
    let fate = try LaneReceipt.fate(of: receipts) { lane throws(Failure) in
      try state.lanePosition(lane, identity, connection)
    }
    switch fate {
    case .committed: return .committed
    case .overtaken: return nil
    case .open: throw identity.fenced
    }
  }
}

/// The values of a whole row as single parameters: a NULL has no base.
private func imageFields(_ row: UnsafeRawBufferPointer, columns: Int) -> [ParameterBytes] {
  guard let offsets = unsafe WireRow.fieldOffsets(row, columns: columns) else { return unsafe [] }
  return unsafe offsets.map { offset in
    let field = unsafe WireRow.field(row, at: offset)
    if unsafe row.bigEndian(at: offset, as: Int32.self) < 0 { return unsafe ParameterBytes(start: nil, count: 0) }
    return unsafe ParameterBytes(rebasing: field[4...])
  }
}
