package import Apply
package import ChangeModel
package import Lanes
package import Runtime
package import SQLMapping

/// What all lanes of a run share.
package struct LaneContext: Sendable {
  package var options: SinkOptions
  package var identity: WriterIdentity
  package var plans: [TablePlan]
  package var format: WireFormat
  package var group: LaneGroup
  package var sourceRows: any SourceRows
  package var progress: ApplyProgress
  package var log: Log
  /// Keep source transactions whole: end batches where they end.
  package var keepsTransactions: Bool
  /// Of a source with shards.
  package var shardLog: ShardLog?
  /// Of a first load that goes through the lanes.
  package var fresh: FreshTables?

  package init(
    options: SinkOptions, identity: WriterIdentity, plans: [TablePlan], format: WireFormat, group: LaneGroup,
    sourceRows: any SourceRows, progress: ApplyProgress, log: Log, keepsTransactions: Bool
  ) {
    self.options = options
    self.identity = identity
    self.plans = plans
    self.format = format
    self.group = group
    self.sourceRows = sourceRows
    self.progress = progress
    self.log = log
    self.keepsTransactions = keepsTransactions
  }
}

/// One lane: takes what waits in its queue, folds it, and commits it with its position; then again.
///
/// Runs on a thread of its own. While a transaction is in flight the next batch gathers in the queue, so a quiet
/// stream is written at once and a busy one in large batches.
package final class LaneWorker {
  let lane: Int
  let context: LaneContext
  let target: any LaneTarget
  var batch: FoldedBatch
  let merged: MergedTables
  /// Rows to which a batch is cut so that the whole rows fetched for it fit.
  var completableRows = Int.max
  var holdsWideRow = false
  /// Whether a session broke before it told what became of a batch, and nothing has shown it since.
  private var isUnknown = false
  /// Looks for the change that the target refuses.
  private var bisection = Bisection()
  let log: Log

  /// - Parameter target: by default a session of its own with the target's database.
  package init(lane: Int, context: LaneContext, target: (any LaneTarget)? = nil) {
    self.lane = lane
    self.context = context
    log = context.log.named("lane \(lane)")
    self.target = target ?? SessionTarget(context: context, log: log)
    merged = MergedTables(context.plans)
    batch = FoldedBatch(envelope: context.options.envelope, merging: merged)
  }

  /// Works until the group stops. A failure stops the group.
  package func run() {
    defer { context.group.laneEnded() }
    do throws(Failure) {
      try work()
    } catch {
      context.group.fail(error)
    }
  }

  private func work() throws(Failure) {
    let wakeup = context.group.laneWakeups[lane]
    while true {
      wakeup.clear()
      switch try turn() {
      case .stopped: return
      case .worked: break
      case .idle:
        target.rest()
        wakeup.wait(for: .seconds(20))
        context.sourceRows.closeIfIdle()
      }
    }
  }

  /// What one turn came to.
  package enum Turn: Sendable { case worked, idle, stopped }

  /// Does the next piece of work there is, without waiting for any.
  package func turn() throws(Failure) -> Turn {
    switch context.group.next(for: lane) {
    case .stop: return .stopped
    case .idle: return .idle
    case .barrier(let barrier):
      try perform(barrier)
      context.group.finish(barrier)
    case .apply(let segments, let first):
      defer { leaveWideRow() }
      try apply(segments, first)
      releaseLargeBatch()
    }
    return .worked
  }

  /// Writes one batch from the head of the queue.
  private func apply(_ segments: [ChangeSegment], _ first: Int) throws(Failure) {
    try openLetters()
    var rowsMax = completableRows
    var backoff = Backoff(conflictsWithin: context.options.retry.maxElapsed)
    while true {
      fill(segments, first, rowsMax)
      if batch.byteCount >= largeRowBytes { enterWideRow() }
      let receipt = LaneReceipt(
        lane: lane, position: batch.position, after: context.group.committed(lane), changes: batch.changeCount,
        letters: letters(replacedBy: batch))
      if let refusal = batch.refusal {
        try park(batch, refusal, .data, [receipt])
        return context.group.finish(lane, changes: batch.changeCount)
      }
      var outcome = try firstTry(receipt)
      if case .rowMissing = outcome {
        if try completePatches() {
          outcome = try attempt(batch, [receipt], .plain)
        } else {
          rowsMax = completableRows
        }
      } else {
        completableRows = .max
      }
      switch outcome {
      case .committed:
        bisection.accepted(batch.changeCount)
        context.progress.count(changes: batch.changeCount, rows: batch.rowCount)
        return context.group.finish(lane, changes: batch.changeCount)
      case .duplicate(let failure):
        releaseLargeBatch()
        leaveWideRow()
        context.group.finish(lane, changes: 0)
        return try replaySerially(failure)
      case .tooLarge(var failure) where batch.rowCount == 1:
        if batch.entries[0].kind == .remove { failure.hint = Self.tooManyCopies }
        return try passOver(failure, .size, receipt)
      case .tooLarge: rowsMax = max(1, batch.rowCount / 2)
      case .refused(let failure, let rowClass) where batch.rowCount == 1:
        return try passOver(failure, rowClass, receipt)
      case .refused: bisection.refused(batch.changeCount)
      case .conflict(let failure):
        context.progress.countConflict()
        guard let delay = backoff.next(now: monotonicNow(), random: .random(in: 0..<1)) else { throw failure }
        if backoff.attempts > 3 { rowsMax = max(1, batch.rowCount / 2) }
        pause(delay)
      case .rowMissing: break
      }
      if context.group.isStopping { return context.group.finish(lane, changes: 0) }
    }
  }

  /// All copies but one have to be written again in one transaction.
  private static let tooManyCopies =
    "The target holds more copies of this row than a transaction can rewrite to remove one. Give the table a primary key "
    + "at the source, then run penstock reset and load it again."

  private func releaseLargeBatch() {
    guard batch.byteCount >= largeRowBytes else { return }
    target.releaseMemory()
    batch.removeAll()
  }

  /// Writes the batch for the first time.
  private func firstTry(_ receipt: LaneReceipt) throws(Failure) -> WriteOutcome {
    if hasPatchOfLetter(batch) { return .rowMissing }
    return try attempt(batch, [receipt], .guarded)
  }

  /// Goes on behind the batch's only row, which the target refuses: a part of a row is tried as a whole first, then the
  /// row is parked, if that is the policy.
  private func passOver(
    _ failure: Failure, _ rowClass: RowErrorClass, _ receipt: LaneReceipt
  ) throws(Failure) {
    var (failure, rowClass) = (failure, rowClass)
    if batch.entries[0].kind == .patch {
      // A row alone is fetched whatever its size.
      _ = try completePatches()
      switch try attempt(batch, [receipt], .plain) {
      case .refused(let again, let other): (failure, rowClass) = (again, other)
      case .tooLarge(let again): (failure, rowClass) = (again, .size)
      case .committed:
        bisection.found()
        return context.group.finish(lane, changes: batch.changeCount)
      case .conflict, .duplicate, .rowMissing: return context.group.finish(lane, changes: 0)
      }
    }
    try park(batch, failure, rowClass, [receipt])
    bisection.found()
    context.group.finish(lane, changes: batch.changeCount)
  }

  func pause(_ delay: Duration) { context.group.endSignal.wait(for: delay) }

  private func fill(_ segments: [ChangeSegment], _ first: Int, _ rowsMax: Int) {
    batch.removeAll()
    var first = first
    for segment in segments {
      if context.keepsTransactions {
        if !fillWithWholes(segment, first, segments, rowsMax) { return }
      } else {
        let next = batch.add(segment, from: first, countMax: bisection.limit, rowsMax: rowsMax)
        if next < segment.changes.count { return }
      }
      first = 0
    }
  }

  /// Takes the segment's changes in, but of a transaction none unless all have a place.
  /// - Returns: whether it took all.
  private func fillWithWholes(
    _ segment: ChangeSegment, _ first: Int, _ segments: [ChangeSegment], _ rowsMax: Int
  ) -> Bool {
    for change in segment.changes[first...] {
      if !batch.isEmpty, batch.position.commitLSN != change.position.commitLSN,
        !fits(transactionAt: change.position.commitLSN, segments, rowsMax)
      {
        return false
      }
      if batch.changeCount >= bisection.limit || !batch.add(change, of: segment, rowsMax: rowsMax) { return false }
    }
    return true
  }

  /// Whether the whole transaction has a place in the batch; one that never fits is split, and counted.
  private func fits(transactionAt commitLSN: LSN, _ segments: [ChangeSegment], _ rowsMax: Int) -> Bool {
    let count = segments.reduce(0) { $0 + $1.changes.count { $0.position.commitLSN == commitLSN } }
    return batch.rowCount + count <= min(rowsMax, context.options.envelope.rowsMax)
  }

  // MARK: Committing

  /// Writes the batch, finding out what became of it when the session breaks on the way.
  ///
  /// A transaction takes effect only on a lane that holds what it held when the batch was made. So one that was given
  /// up, and commits late, can't be followed by another that has some of its changes.
  func commit(
    _ batch: borrowing FoldedBatch, _ receipts: [LaneReceipt], _ mode: WriteMode, entries: [Int]? = nil
  ) throws(Failure) -> WriteOutcome {
    let outcome = try target.retrying("writing to the target") { () throws(Failure) -> WriteOutcome? in
      if isUnknown {
        switch try LaneReceipt.fate(of: receipts, { lane throws(Failure) in try target.position(of: lane) }) {
        case .committed:
          isUnknown = false
          return .committed
        case .overtaken: return nil
        case .open: break
        }
      }
      let wasUnknown = isUnknown
      isUnknown = true
      let outcome = try target.write(batch, entries: entries, receipts: receipts, mode: mode)
      // Without locks, what got in the way of this try may be the lost one itself.
      if case .committed = outcome { isUnknown = false } else { isUnknown = wasUnknown }
      return outcome
    }
    guard let outcome else {
      throw Failure(
        .sink, "a transaction whose answer was lost has committed late; its lane is read again", isTransient: true)
    }
    return outcome
  }
}
