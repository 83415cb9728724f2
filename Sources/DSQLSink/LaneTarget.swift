package import Apply
package import ChangeModel
internal import Postgres
internal import Lanes
package import Runtime
internal import SQLMapping

/// What a lane writes to: the target's database, or a model of it in a simulation.
package protocol LaneTarget: AnyObject {
  /// Runs `work`, again after failures that may pass, within the retry budget.
  ///
  /// - Parameter work: must be safe to repeat: it finds out itself what an earlier try has done.
  func retrying<Result>(_ what: String, _ work: () throws(Failure) -> Result) throws(Failure) -> Result

  /// Tries once to write these of the batch's entries (`nil` for all) and the receipts in one transaction.
  ///
  /// - Returns: `nil` when a lane does not hold what the receipts say it held: nothing is written.
  /// - Throws: `fenced` when another instance owns the pipeline; a failure that lost the connection leaves the outcome
  ///   unknown.
  func write(
    _ batch: borrowing FoldedBatch, entries: [Int]?, receipts: [LaneReceipt], mode: WriteMode
  ) throws(Failure) -> WriteOutcome?

  /// What a lane has committed.
  /// - Throws: `fenced` when another instance owns the pipeline.
  func position(of lane: Int) throws(Failure) -> StreamPosition

  /// Removes all rows of a table; may be called again after it broke off.
  /// - Throws: `fenced` when another instance owns the pipeline.
  func empty(_ table: UInt32) throws(Failure)

  /// Table and id of every letter that waits in the target.
  func parkedLetters() throws(Failure) -> [(table: String, id: String)]

  /// The column of the batch's first row whose value the target does not take; `nil` when that can't be told.
  func refusedColumn(_ batch: borrowing FoldedBatch) throws(Failure) -> String?

  /// Writes what of a letter's row goes ahead of the letter.
  /// - Throws: `fenced` when another instance owns the pipeline.
  func writeParts(of letter: DeadLetter) throws(Failure)

  /// Lets go of what is held for the next write; for idle times.
  func rest()

  /// Gives back what a large batch has taken.
  func releaseMemory()
}

/// A lane's session with the target's database.
package final class SessionTarget: LaneTarget {
  private let context: LaneContext
  private let session: SinkSession
  private let state: StateStore
  private var writer: BatchWriter

  package init(context: LaneContext, log: Log) {
    self.context = context
    session = SinkSession(
      context.options, interrupt: context.group.cutSignal, end: context.group.endSignal,
      limiter: context.options.limiter, log: log)
    state = StateStore(pipeline: context.identity.pipeline)
    writer = BatchWriter(
      plans: context.plans, catalog: StatementCatalog(context.plans, format: context.format),
      identity: context.identity, isPipelined: context.options.isPipelined, shardLog: context.shardLog,
      fresh: context.fresh
    ) { table, rows in
      context.progress.collisions.note(rows, in: context.plans[Int(table)].mapping, log)
    }
  }

  package func retrying<Result>(
    _ what: String, _ work: () throws(Failure) -> Result
  ) throws(Failure) -> Result {
    try session.retrying(what) { _ throws(Failure) in try work() }
  }

  package func write(
    _ batch: borrowing FoldedBatch, entries: [Int]?, receipts: [LaneReceipt], mode: WriteMode
  ) throws(Failure) -> WriteOutcome? {
    let connection = try session.connection()
    let began = monotonicNow()
    let outcome = try writer.write(batch, entries: entries, receipts: receipts, mode: mode, on: connection)
    switch outcome {
    case .committed? where mode == .guarded || mode == .plain:
      session.note(.committed(in: monotonicNow() - began, size: batch.work))
    // In a new session every statement is prepared against the catalog as it is now.
    case .conflict(let failure)? where failure.rule.action == .refreshCatalog: session.discard()
    // When all lanes stand still for one, fewer at a time would change nothing.
    case .conflict? where mode == .guarded || mode == .plain: session.note(.overloaded)
    default: break
    }
    return outcome
  }

  package func position(of lane: Int) throws(Failure) -> StreamPosition {
    try state.lanePosition(lane, context.identity, session.connection())
  }

  package func parkedLetters() throws(Failure) -> [(table: String, id: String)] {
    try LetterStore(pipeline: context.identity.pipeline).parked(session.connection())
  }

  package func refusedColumn(_ batch: borrowing FoldedBatch) throws(Failure) -> String? {
    let entry = batch.entries[0]
    guard entry.kind == .upsert || entry.kind == .patch else { return nil }
    let plan = context.plans[Int(entry.table)]
    let row = unsafe batch.row(of: entry)
    guard let offsets = unsafe WireRow.fieldOffsets(row, columns: plan.mapping.columns.count) else { return nil }
    let connection = try session.connection()
    for (index, column) in plan.mapping.columns.enumerated() {
      guard let text = unsafe plan.text(of: WireRow.field(row, at: offsets[index]), index) else { continue }
      // The protocol ends a text there, and the target takes none.
      if text.contains(0) { return column.targetName }
      do throws(Failure) {
        try connection.query("SELECT $1::\(column.targetType)", [String(decoding: text, as: UTF8.self)])
      } catch {
        guard let state = error.state, "22" ~= state else { throw error }
        return column.targetName
      }
    }
    return nil
  }

  package func writeParts(of letter: DeadLetter) throws(Failure) {
    try LetterStore(pipeline: context.identity.pipeline).writeParts(of: letter, context.identity, session.connection())
  }

  package func rest() { session.rest() }

  package func releaseMemory() { writer.releaseMemory() }

  /// By TRUNCATE where there is one and all rows are the table's, else in slices that fit a transaction. Each proves first
  /// that this instance still owns the pipeline.
  package func empty(_ table: UInt32) throws(Failure) {
    let mapping = context.plans[Int(table)].mapping
    let connection = try session.connection()
    try LetterStore(pipeline: context.identity.pipeline).supersede(
      "\(mapping.source.name)", context.identity, connection)
    var gone = 1
    while gone > 0 {
      try state.owning(context.identity, connection) { () throws(Failure) in
        if context.options.dialect == .postgres, mapping.merge == nil {
          try connection.query("TRUNCATE \(mapping.target.quoted)")
          gone = 0
        } else {
          gone = try TargetTables.removeRows(of: mapping, atMost: context.options.envelope.rowsMax, connection)
        }
      }
    }
  }
}

extension FoldedBatch {
  /// What it is to the target, in bytes: a row has a price of its own.
  fileprivate var work: Int { byteCount + rowCount * 100 }
}
