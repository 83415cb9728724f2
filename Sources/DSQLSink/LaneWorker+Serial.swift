internal import Apply
internal import ChangeModel
internal import Lanes
internal import Runtime
internal import SQLMapping

extension LaneWorker {
  /// A change in the queue of a lane.
  typealias QueuedChange = (lane: Int, change: Change, segment: ChangeSegment)

  /// Writes what all lanes have queued as one step: used when a unique value has to move between rows that are in
  /// different lanes or cross each other inside a batch.
  ///
  /// All other lanes stand still. The net effect of everything queued is written by deleting every touched row
  /// first, so no order of rows can collide; only a unique value that changes hands inside a source transaction that
  /// has not arrived completely can, and then the rest of it is waited for.
  func replaySerially(_ cause: Failure) throws(Failure) {
    guard context.group.beginSerial(lane) else { return pause(.milliseconds(5)) }
    context.progress.countSerialReplay()
    log.debug("replaying serially: \(cause.message)")
    var committed = Array(repeating: 0, count: context.group.laneCount)
    defer { context.group.endSerial(committed: committed) }
    // What is missing is still on its way: of a large transaction, or up to where the lane has come that is ahead.
    var backoff = Backoff(
      .init(initialDelay: .milliseconds(20), maxDelay: .seconds(1), maxElapsed: context.options.retry.maxElapsed))
    var queuedBefore = 0
    while !context.group.isStopping && context.group.failure == nil {
      // In this order: if the source stands, all that it has read is handed over, and known to be complete or not.
      let nothingComes = context.group.sourceAwaitsLanes
      let complete = context.group.completeBefore
      guard let work = context.group.serialWork(lane) else {
        context.group.laneWakeups[lane].wait(for: .milliseconds(20))
        context.group.laneWakeups[lane].clear()
        continue
      }
      Failpoint.reach(.serialBegun)
      let queued = merged(work)
      if queued.isEmpty { return }
      var isStuck = false
      do throws(Failure) {
        switch try settle(queued, complete, nothingComes: nothingComes) {
        case .committed(let done):
          Failpoint.reach(.serialCommitted)
          committed = done
          return
        case .waiting: break
        case .stuck: isStuck = true
        }
      } catch {
        guard error.kind == .sink, case .isolate = error.rule.action else { throw error }
        committed = try isolate(queued)
        return
      }
      if queued.count > queuedBefore { backoff.reset() }
      queuedBefore = queued.count
      guard !isStuck, let delay = backoff.next(now: monotonicNow(), random: .random(in: 0..<1)) else {
        guard context.options.deadLetters.classes.contains(.constraint) else { throw unresolved(cause) }
        committed = try isolate(queued)
        return
      }
      if backoff.attempts == 10 { log.warning("waiting for changes that free a unique value: \(cause.message)") }
      pause(delay)
    }
  }

  /// What one look at the queue came to.
  private enum Settlement {
    case committed([Int])
    /// A unique value collides that later changes may free.
    case waiting
    /// The first transaction collides with what the target holds though nothing of the source is missing there.
    case stuck
  }

  /// Writes all that is queued, or what is complete of it.
  ///
  /// After every transaction of the source its unique values are in order: if they are not in the target once all that
  /// is complete is written, the target has a row or an index that the source does not have. Inside a transaction they
  /// need not be; if the rest of it can't come before the lanes have moved on, the rows are written as the source has
  /// them now, and those that hold their values go.
  private func settle(
    _ queued: [QueuedChange], _ complete: LSN, nothingComes: Bool
  ) throws(Failure) -> Settlement {
    if let settled = try replay(queued) { return settled }
    let whole = queued.prefix { $0.change.position.commitLSN < complete }
    if whole.count < queued.count, !whole.isEmpty, let settled = try replay(Array(whole)) { return settled }
    if context.group.hasRowsAhead { try context.group.raiseConsistency(to: context.sourceRows.endOfLog()) }
    if !whole.isEmpty, context.group.isConsistent(whenBefore: complete) { return try halve(whole) }
    guard nothingComes else { return .waiting }
    log.info(
      "unique values move and the rest is to come: \(queued.count) changes are written as the source has the rows now")
    return try replay(queued, displacing: true) ?? .waiting
  }

  /// Looks for a beginning of these transactions that can be written.
  private func halve(_ transactions: ArraySlice<QueuedChange>) throws(Failure) -> Settlement {
    var rest = transactions
    while let first = rest.first?.change.position.commitLSN, rest.last?.change.position.commitLSN != first {
      let middle = rest[rest.startIndex + rest.count / 2].change.position.commitLSN
      rest = rest.prefix {
        middle == first ? $0.change.position.commitLSN == first : $0.change.position.commitLSN < middle
      }
      if let settled = try replay(Array(rest)) { return settled }
    }
    return .stuck
  }

  private func unresolved(_ cause: Failure) -> Failure {
    var failure = cause
    failure.hint =
      "The target has a row, or a unique index, that the source does not have. Compare the two with penstock verify."
    return failure
  }

  /// One try to write these changes, the first that are queued.
  /// - Parameter displacing: rows with unique values are written as the source has them now, and go ahead of others.
  /// - Returns: `nil` when a unique value collides; `waiting` when it went wrong otherwise.
  private func replay(_ queued: [QueuedChange], displacing: Bool = false) throws(Failure) -> Settlement? {
    var all = FoldedBatch(envelope: openEnvelope, merging: merged)
    var counts = Array(repeating: 0, count: context.group.laneCount)
    var last: [Int: StreamPosition] = [:]
    // The envelope is open, so every change is taken but one whose key another origin has in the batch; what comes from
    // there on waits until this is written. Parts of rows are completed from the source below. Beyond what
    // the positions will cover, rows with a key are written all the same: what frees a unique value may lie there, and
    // they can be written again.
    let covered = covered(queued)
    for (index, (lane, change, segment)) in queued.enumerated() {
      if index >= covered, context.plans[Int(change.table)].mapping.isKeyless { continue }
      guard all.add(change, of: segment, foldsAll: true) else { break }
      guard index < covered else { continue }
      counts[lane] += 1
      last[lane] = change.position
    }
    var receipts = last.sorted { $0.key < $1.key }
      .map {
        LaneReceipt(lane: $0.key, position: $0.value, after: context.group.committed($0.key), changes: counts[$0.key])
      }
    if !receipts.isEmpty { receipts[0].letters = letters(replacedBy: all) }
    switch try write(&all, receipts, displacing: displacing) {
    case .done:
      context.progress.count(changes: counts.reduce(0, +), rows: all.rowCount)
      return .committed(counts)
    case .collides: return nil
    case .failed: return .waiting
    }
  }

  /// The lane's envelope without its limits.
  var openEnvelope: Envelope {
    var envelope = context.options.envelope
    (envelope.rowsMax, envelope.bytesAim) = (.max, .max)
    return envelope
  }

  /// All lanes' changes in stream order.
  private func merged(_ work: [(segments: [ChangeSegment], first: Int)]) -> [QueuedChange] {
    var merged: [QueuedChange] = []
    for (lane, queue) in work.enumerated() {
      var first = queue.first
      for segment in queue.segments {
        for change in segment.changes[first...] { merged.append((lane, change, segment)) }
        first = 0
      }
    }
    merged.sort { $0.change.position < $1.change.position }
    // A refused row is its lane's concern, and what follows it must wait for that.
    return Array(merged.prefix { $0.change.kind != .refused })
  }

  /// How many of the changes the positions can cover: copies of rows without a key must be written together with the
  /// positions, in one transaction.
  private func covered(_ queued: [QueuedChange]) -> Int {
    var copies = 0
    let end = queued.firstIndex { item in
      if context.plans[Int(item.change.table)].mapping.isKeyless { copies += 1 }
      return copies > max(1, context.options.envelope.rowsMax / 2)
    }
    return end ?? queued.count
  }

  /// Writes the folded whole, parts of rows completed from the source: in one transaction if it fits, else deletes
  /// first, then rows; the positions last, and with them what can't be repeated.
  private func write(
    _ all: inout FoldedBatch, _ receipts: [LaneReceipt], displacing: Bool
  ) throws(Failure) -> Step {
    let envelope = context.options.envelope
    try refuseOversized(all)
    let rows = all.rowCount + all.entries.count { $0.kind != .delete }
    let fits = rows + receipts.count <= envelope.rowsMax && all.byteCount <= envelope.bytesMax
    if fits, !displacing, try complete(&all, upTo: min(envelope.bytesAim, envelope.bytesMax - all.byteCount)) {
      return try commitStep(all, receipts, .replacing)
    }
    let displacers = displacing ? upsertsWithUniqueValues(all) : []
    let patches = patches(of: all)
    let pieces = pieces(all, envelope)
    let letters = receipts.first?.letters.repeatable ?? LetterChanges()
    let proof = [LaneReceipt.proof(lane: lane, letters: letters)]
    for mode in [WriteMode.deletesOnly, .rowsOnly] {
      for var piece in pieces {
        if mode == .rowsOnly { piece.removeAll(where: displacers.contains) }
        let done = try commitStep(all, proof, mode, entries: piece)
        if done != .done { return done }
        Failpoint.reach(.serialStep)
      }
    }
    let completed = patches + displacers.sorted()
    let done = try writeCompleted(completed, of: all, proof, displacing ? .displacing : .rowsOnly)
    return done == .done ? try commitStep(all, receipts, .copiesOnly) : done
  }

  /// Upserts that may collide with other rows. Whether they do, the target does not say row by row.
  private func upsertsWithUniqueValues(_ all: borrowing FoldedBatch) -> Set<Int> {
    let tables = Set(context.plans.filter { !$0.mapping.uniqueValues.isEmpty }.map(\.index))
    var found = Set<Int>()
    for index in all.entries.indices where all.entries[index].kind == .upsert {
      if tables.contains(all.entries[index].table) { found.insert(index) }
    }
    return found
  }

  /// What one of several transactions came to.
  enum Step { case done, collides, failed }

  /// Commits one of several transactions, again after conflicts: else, among hundreds, one would always meet one.
  func commitStep(
    _ batch: borrowing FoldedBatch, _ receipts: [LaneReceipt], _ mode: WriteMode, entries: [Int]? = nil
  ) throws(Failure) -> Step {
    var backoff = Backoff(conflictsWithin: context.options.retry.maxElapsed)
    while true {
      switch try commit(batch, receipts, mode, entries: entries) {
      case .committed: return .done
      case .duplicate: return .collides
      case .refused(let failure, _): throw failure
      case .rowMissing, .tooLarge: return .failed
      case .conflict(let failure):
        context.progress.countConflict()
        if context.group.isStopping { return .failed }
        guard let delay = backoff.next(now: monotonicNow(), random: .random(in: 0..<1)) else { throw failure }
        pause(delay)
      }
    }
  }

  /// The entries in pieces that each fit the envelope.
  private func pieces(_ all: borrowing FoldedBatch, _ envelope: Envelope) -> [[Int]] {
    var pieces: [[Int]] = [[]]
    var bytes = 0
    let rowsMax = max(1, envelope.rowsMax - context.group.laneCount)
    for index in all.entries.indices {
      let size = all.size(of: all.entries[index]).bytes
      if pieces[pieces.count - 1].count >= rowsMax || bytes > 0 && bytes + size > envelope.bytesAim {
        pieces.append([])
        bytes = 0
      }
      pieces[pieces.count - 1].append(index)
      bytes += size
    }
    return pieces
  }

  // MARK: Barriers

  /// Does what touches the rows of all lanes, and moves all their positions with it.
  func perform(_ barrier: Barrier) throws(Failure) {
    switch barrier {
    case .truncate(let tables, let position):
      for table in tables {
        log.info("\(context.plans[Int(table)].mapping.target): truncated")
        Failpoint.reach(.truncateBegun)
        try target.retrying("truncating") { () throws(Failure) in try target.empty(table) }
        Failpoint.reach(.truncated)
      }
      let nothing = FoldedBatch(envelope: context.options.envelope)
      let receipts = (0..<context.group.laneCount).map {
        LaneReceipt(lane: $0, position: position, after: context.group.committed($0), changes: 0)
      }
      while try commitStep(nothing, receipts, .plain) != .done { pause(.milliseconds(20)) }
    }
  }
}
