internal import Apply
internal import ChangeModel
internal import Lanes
internal import Runtime
internal import SQLMapping

extension LaneWorker {
  private var letters: DeadLetters { context.options.deadLetters }

  /// Reads once for all lanes which letters earlier runs have left.
  func openLetters() throws(Failure) {
    try letters.open { () throws(Failure) in
      try target.retrying("reading the dead letters") { () throws(Failure) in try target.parkedLetters() }
    }
  }

  /// The letters whose rows the batch replaces.
  func letters(replacedBy batch: borrowing FoldedBatch) -> LetterChanges {
    let ids = letters.ids
    guard !ids.isEmpty else { return LetterChanges() }
    var changes = LetterChanges()
    for index in batch.entries.indices {
      guard let id = letter(of: index, in: batch, ids) else { continue }
      let copies = batch.entries[index].copies
      if batch.entries[index].kind == .add || batch.entries[index].kind == .remove {
        if copies < 0 { changes.superseded[id] = -copies }
      } else {
        changes.superseded[id] = LetterChanges.everyCopy
      }
    }
    return changes
  }

  /// Whether the batch holds a part of a row whose last whole state is only in a letter: what the part leaves out is then
  /// not in the target.
  func hasPatchOfLetter(_ batch: borrowing FoldedBatch) -> Bool {
    let ids = letters.ids
    guard !ids.isEmpty else { return false }
    for index in batch.entries.indices
    where batch.entries[index].kind == .patch && letter(of: index, in: batch, ids) != nil {
      return true
    }
    return false
  }

  /// The id of the letter that an entry's row has, if there may be one.
  private func letter(
    of index: Int, in batch: borrowing FoldedBatch, _ known: [String: Set<String>]
  ) -> String? {
    let entry = batch.entries[index]
    let plan = context.plans[Int(entry.table)]
    guard let ids = known["\(plan.mapping.source.name)"] else { return nil }
    let row = unsafe batch.row(of: entry)
    let id =
      if plan.mapping.isKeyless {
        unsafe plan.letterID(row, columns: Array(plan.mapping.columns.indices))
      } else {
        unsafe plan.letterID(key: entry.kind == .delete ? [UInt8](row) : plan.keyFields(of: row))
      }
    return ids.contains(id) ? id : nil
  }

  /// Commits the batch, unless it must not be sent at all: DSQL closes the connection over a message that is too large.
  func attempt(
    _ batch: borrowing FoldedBatch, _ receipts: [LaneReceipt], _ mode: WriteMode
  ) throws(Failure) -> WriteOutcome {
    if let refusal = unsendable(batch) { return refusal }
    return try commit(batch, receipts, mode)
  }

  private func unsendable(_ batch: borrowing FoldedBatch) -> WriteOutcome? {
    guard batch.byteCount > context.options.envelope.bytesMax else { return nil }
    let failure = oversized(batch.byteCount)
    return batch.rowCount == 1 ? .refused(failure, .size) : .tooLarge(failure)
  }

  /// Throws when a row of a batch that is written in steps can't be sent.
  func refuseOversized(_ batch: borrowing FoldedBatch) throws(Failure) {
    for index in batch.entries.indices {
      let bytes = batch.size(of: batch.entries[index]).bytes
      if bytes > context.options.envelope.bytesMax { throw oversized(bytes) }
    }
  }

  private func oversized(_ bytes: Int) -> Failure {
    Failure(.sink, "a row of \(bytes) bytes is larger than a transaction may be", state: "54000")
  }

  /// Parks the only row of a batch, which the target refuses, and moves the lanes on with it; throws if the policy is to
  /// stop.
  func park(
    _ batch: borrowing FoldedBatch, _ cause: Failure, _ rowClass: RowErrorClass, _ receipts: [LaneReceipt]
  ) throws(Failure) {
    let entry = batch.entries[0]
    let plan = context.plans[Int(entry.table)]
    var cause = cause
    if rowClass == .data, batch.refusal == nil,
      let column = try target.retrying(
        "looking for the value", { () throws(Failure) in try target.refusedColumn(batch) })
    {
      cause.message = "column \"\(column)\": \(cause.message)"
    }
    let letter = unsafe DeadLetter(
      plan, entry.kind, row: batch.row(of: entry), position: "\(batch.position)", copies: max(1, entry.copies),
      because: cause)
    var failure = cause
    failure.location =
      "\(plan.mapping.target), \(letter.key.map { "key \($0)" } ?? "a row without a key") at \(batch.position)"
    if failure.hint.isEmpty { failure.hint = failure.rule.remedy }
    try letters.admit(letter, rowClass, failure)
    try target.retrying("parking a row") { () throws(Failure) in try target.writeParts(of: letter) }
    var receipts = receipts
    receipts[receipts.count - 1].letters = LetterChanges(parked: letter)
    let nothing = FoldedBatch(envelope: context.options.envelope)
    while try commitStep(nothing, receipts, .plain) != .done { pause(.milliseconds(20)) }
    log.warning("\(failure.location): parked as dead letter \(letter.id): \(failure.message)")
  }

  /// The first of all queued changes, written on its own, or parked: for when they can't be written as one and time has
  /// shown that nothing mends it.
  ///
  /// The first source transaction is tried as a whole, since after it every unique value is in its place; then its
  /// changes one by one until one is refused.
  /// - Returns: the changes committed per lane.
  func isolate(_ queued: [QueuedChange]) throws(Failure) -> [Int] {
    var counts = Array(repeating: 0, count: context.group.laneCount)
    var held = counts.indices.map(context.group.committed)
    let transaction = queued.prefix {
      $0.change.position.commitLSN == queued.first?.change.position.commitLSN
    }
    for pieces in [[transaction], transaction.indices.map { transaction[$0...$0] }] {
      for piece in pieces where !context.group.isStopping {
        switch try writeAlone(piece, after: held) {
        case .committed:
          for item in piece {
            counts[item.lane] += 1
            held[item.lane] = item.change.position
          }
        case .refused(let lane):
          counts[lane] += 1
          return counts
        case .failed: break
        }
      }
      if counts.contains(where: { $0 > 0 }) { break }
    }
    return counts
  }

  private enum AloneOutcome { case committed, refused(lane: Int), failed }

  private func writeAlone(
    _ piece: ArraySlice<QueuedChange>, after held: [StreamPosition]
  ) throws(Failure) -> AloneOutcome {
    var batch = FoldedBatch(envelope: openEnvelope, merging: merged)
    var last: [Int: StreamPosition] = [:]
    for item in piece {
      // Rows of one key and different origins are written one after the other.
      guard batch.add(item.change, of: item.segment, foldsAll: true) else { return .failed }
      last[item.lane] = item.change.position
    }
    guard try complete(&batch, upTo: piece.count == 1 ? .max : context.options.envelope.bytesMax) else {
      return .failed
    }
    var receipts = last.sorted { $0.key < $1.key }.map { lane, position in
      LaneReceipt(
        lane: lane, position: position, after: held[lane], changes: piece.count { $0.lane == lane })
    }
    receipts[receipts.count - 1].letters = letters(replacedBy: batch)
    while true {
      switch try attempt(batch, receipts, .replacing) {
      case .committed: return .committed
      case .refused(let failure, let rowClass):
        guard piece.count == 1, let lane = piece.first?.lane else { return .failed }
        try park(batch, failure, rowClass, receipts)
        return .refused(lane: lane)
      case .duplicate(let failure):
        guard piece.count == 1, let lane = piece.first?.lane else { return .failed }
        try park(batch, failure, .constraint, receipts)
        return .refused(lane: lane)
      case .tooLarge(let failure):
        guard piece.count == 1, let lane = piece.first?.lane else { return .failed }
        try park(batch, failure, .size, receipts)
        return .refused(lane: lane)
      case .conflict: pause(.milliseconds(20))
      case .rowMissing: return .failed
      }
      if context.group.isStopping { return .failed }
    }
  }
}
