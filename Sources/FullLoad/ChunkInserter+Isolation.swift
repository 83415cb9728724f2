internal import Apply
internal import ChangeModel
internal import DSQLSink
internal import Postgres
internal import Runtime
internal import SQLMapping

extension ChunkInserter {
  /// Why the target refuses a row among so many; `nil` when the error is about something else.
  func rowClass(of failure: Failure, rows: Int, _ plan: TablePlan) -> RowErrorClass? {
    guard failure.kind == .sink else { return nil }
    switch failure.rule.action {
    case .isolate(let rowClass): return rowClass
    case .replaySerially where overwrites || plan.mapping.isKeyless: return .constraint
    case .split where rows == 1: return .size
    default: return nil
    }
  }

  /// Writes the batch's rows but those that the target refuses: they are found by bisection and parked, if that is the
  /// policy.
  func isolate(_ batch: Batch, _ chunk: Chunk, _ plan: TablePlan, _ session: SinkSession) throws(Failure) {
    let columns = plan.mapping.columns.count
    let count = batch.parameters.rowCount
    let piece = Batch()
    var bisection = Bisection()
    bisection.refused(count)
    var start = 0
    while start < count {
      let size = min(bisection.limit, count - start)
      batch.parameters.copy(rows: start..<(start + size), columns: columns, to: &piece.parameters)
      piece.rowsThrough = batch.rowsThrough - count + start + size
      piece.isLast = batch.isLast && start + size == count
      do throws(Failure) {
        try settle(piece, chunk, plan, session)
        bisection.accepted(size)
        start += size
      } catch {
        guard let rowClass = rowClass(of: error, rows: size, plan) else { throw error }
        guard size == 1 else {
          bisection.refused(size)
          continue
        }
        let row = batch.parameters.row(start, columns: columns)
        try unsafe row.withFailing { row throws(Failure) in
          try unsafe park(
            row, rowsThrough: piece.rowsThrough, isLast: piece.isLast, error, rowClass, chunk, plan, session)
        }
        bisection.found()
        start += 1
      }
    }
  }

  /// Parks a row and moves the chunk's mark past it; throws if the policy is to stop.
  func park(
    _ row: UnsafeRawBufferPointer, rowsThrough: Int, isLast: Bool, _ cause: Failure, _ rowClass: RowErrorClass,
    _ chunk: Chunk, _ plan: TablePlan, _ session: SinkSession
  ) throws(Failure) {
    // What can't be made is the source's fault, or the transform's.
    let kind: ChangeKind = plan.mapping.isKeyless ? .add : cause.kind == .source ? .refused : .upsert
    let letter = unsafe DeadLetter(plan, kind, row: row, position: chunk.letterPosition, because: cause)
    var failure = cause
    failure.location =
      "\(plan.mapping.target), \(letter.key.map { "key \($0)" } ?? "a row without a key") in \(chunk.letterPosition)"
    if failure.hint.isEmpty { failure.hint = failure.rule.remedy }
    try context.options.deadLetters.admit(letter, rowClass, failure)
    let store = LetterStore(pipeline: context.identity.pipeline)
    try session.retrying("parking a row") { connection throws(Failure) in
      try store.writeParts(of: letter, context.identity, connection)
    }
    let piece = Batch()
    piece.letter = letter
    piece.rowsThrough = rowsThrough
    piece.isLast = isLast
    try settle(piece, chunk, plan, session)
    context.log.warning("\(failure.location): parked as dead letter \(letter.id): \(failure.message)")
  }

  /// Why a row is never sent: DSQL closes the connection over a message that is too large.
  func oversized(_ bytes: Int) -> Failure {
    Failure(.sink, "a row of \(bytes) bytes is larger than a transaction may be", state: "54000")
  }
}

extension Chunk {
  /// Where a letter of one of its rows says that it comes from.
  var letterPosition: String { "chunk \(number)" }
}

extension [UInt8] {
  fileprivate func withFailing(
    _ body: (UnsafeRawBufferPointer) throws(Failure) -> Void
  ) throws(Failure) {
    let result: Result<Void, Failure> = unsafe withUnsafeBytes { bytes in
      Result { () throws(Failure) in try unsafe body(bytes) }
    }
    try result.get()
  }
}
