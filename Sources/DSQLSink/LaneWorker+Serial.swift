internal import Apply
internal import ChangeModel
internal import Lanes
internal import Runtime
internal import SQLMapping

extension LaneWorker {
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
    let laneCount = context.group.laneCount
    var committed = Array(repeating: 0, count: laneCount)
    defer { context.group.endSerial(committed: committed) }
    // What is missing is still on its way: of a large transaction, or up to where the lane has come that is ahead.
    var backoff = Backoff(
      .init(initialDelay: .milliseconds(20), maxDelay: .seconds(1), maxElapsed: context.options.retry.maxElapsed))
    var queued = 0
    while !context.group.isStopping && context.group.failure == nil {
      guard let work = context.group.serialWork(lane) else {
        context.group.laneWakeups[lane].wait(for: .milliseconds(20))
        context.group.laneWakeups[lane].clear()
        continue
      }
      Failpoint.reach(.serialBegun)
      do throws(Failure) {
        if let done = try replay(work) {
          Failpoint.reach(.serialCommitted)
          committed = done
          return
        }
      } catch {
        guard error.kind == .sink, case .isolate = error.rule.action else { throw error }
        committed = try isolate(merged(work).changes)
        return
      }
      let count = work.reduce(0) { $0 + $1.segments.reduce(-$1.first) { $0 + $1.changes.count } }
      if count > queued { backoff.reset() }
      queued = count
      guard let delay = backoff.next(now: monotonicNow(), random: .random(in: 0..<1)) else {
        guard context.options.deadLetters.classes.contains(.constraint) else { throw unresolved(cause) }
        committed = try isolate(merged(work).changes)
        return
      }
      if backoff.attempts == 10 { log.warning("waiting for changes that free a unique value: \(cause.message)") }
      pause(delay)
    }
  }

  private func unresolved(_ cause: Failure) -> Failure {
    var failure = cause
    failure.hint =
      "The target has a row, or a unique index, that the source does not have. Compare the two with penstock verify."
    return failure
  }

  /// One try to write everything queued.
  /// - Returns: the changes committed per lane, or `nil` when a unique value still collides.
  private func replay(_ work: [(segments: [ChangeSegment], first: Int)]) throws(Failure) -> [Int]? {
    var all = FoldedBatch(envelope: openEnvelope)
    var counts = Array(repeating: 0, count: work.count)
    var last: [Int: StreamPosition] = [:]
    // The envelope is open, so every change is taken; parts of rows are completed from the source below. Beyond what
    // the positions will cover, rows with a key are written all the same: what frees a unique value may lie there, and
    // they can be written again.
    let (changes, covered) = merged(work)
    for (index, (lane, change, segment)) in changes.enumerated() {
      if index >= covered, context.plans[Int(change.table)].mapping.isKeyless { continue }
      _ = all.add(change, of: segment, foldsAll: true)
      guard index < covered else { continue }
      counts[lane] += 1
      last[lane] = change.position
    }
    var receipts = last.sorted { $0.key < $1.key }
      .map { LaneReceipt(lane: $0.key, position: $0.value, changes: counts[$0.key]) }
    if !receipts.isEmpty { receipts[0].letters = letters(replacedBy: all) }
    return try write(&all, receipts) ? counts : nil
  }

  /// The lane's envelope without its limits.
  var openEnvelope: Envelope {
    var envelope = context.options.envelope
    (envelope.rowsMax, envelope.bytesAim) = (.max, .max)
    return envelope
  }

  /// All lanes' changes in stream order, and how many of them the positions can cover: copies of rows without a key
  /// must be written together with the positions, in one transaction.
  private func merged(
    _ work: [(segments: [ChangeSegment], first: Int)]
  ) -> (changes: [(lane: Int, change: Change, segment: ChangeSegment)], covered: Int) {
    var merged: [(lane: Int, change: Change, segment: ChangeSegment)] = []
    for (lane, queue) in work.enumerated() {
      var first = queue.first
      for segment in queue.segments {
        for change in segment.changes[first...] { merged.append((lane, change, segment)) }
        first = 0
      }
    }
    merged.sort { $0.change.position < $1.change.position }
    var copies = 0
    let end = merged.firstIndex { item in
      if context.plans[Int(item.change.table)].mapping.isKeyless { copies += 1 }
      return copies > max(1, context.options.envelope.rowsMax / 2)
    }
    return (merged, end ?? merged.count)
  }

  /// Writes the folded whole, parts of rows completed from the source: in one transaction if it fits, else deletes
  /// first, then rows; the positions last, and with them what can't be repeated.
  private func write(_ all: inout FoldedBatch, _ receipts: [LaneReceipt]) throws(Failure) -> Bool {
    let envelope = context.options.envelope
    try refuseOversized(all)
    let rows = all.rowCount + all.entries.count { $0.kind != .delete }
    let fits = rows + receipts.count <= envelope.rowsMax && all.byteCount <= envelope.bytesMax
    if fits, try complete(&all, upTo: min(envelope.bytesAim, envelope.bytesMax - all.byteCount)) {
      return try isDone(commit(all, receipts, .replacing))
    }
    let patches = patches(of: all)
    let pieces = pieces(all, envelope)
    let letters = receipts.first?.letters.repeatable ?? LetterChanges()
    let proof = [LaneReceipt(lane: lane, position: nil, changes: 0, letters: letters)]
    for mode in [WriteMode.deletesOnly, .rowsOnly] {
      for piece in pieces {
        if try !isDone(commit(all, proof, mode, entries: piece)) { return false }
        Failpoint.reach(.serialStep)
      }
    }
    guard try writeCompleted(patches, of: all, proof) else { return false }
    return try isDone(commit(all, receipts, .copiesOnly))
  }

  func isDone(_ outcome: WriteOutcome) throws(Failure) -> Bool {
    switch outcome {
    case .committed: return true
    case .refused(let failure, _): throw failure
    case .conflict, .duplicate, .rowMissing, .tooLarge: break
    }
    return false
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
      let receipts = (0..<context.group.laneCount).map { LaneReceipt(lane: $0, position: position, changes: 0) }
      while try !isDone(commit(nothing, receipts, .plain)) { pause(.milliseconds(20)) }
    }
  }
}
