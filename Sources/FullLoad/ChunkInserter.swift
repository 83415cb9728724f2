internal import Apply
internal import ChangeModel
internal import DSQLSink
internal import Postgres
internal import Runtime
internal import SQLMapping
internal import Transforms

/// Loads a chunk in transactions that fit the envelope: rows as arrays into one INSERT, the chunk's mark beside it.
///
/// Two batches at a time: while one is on its way to the target, the next gathers from the source. The mark counts the
/// chunk's committed rows, so after a lost answer it tells which of the two it was.
final class ChunkInserter {
  /// A batch that loses so often is cut.
  private static let conflictsMax = 8
  private static let checkStep = 1

  let context: LoadContext
  private let catalog: StatementCatalog
  /// What writes the current chunk's rows.
  private var statement: Statement
  /// What goes with it in a merged table.
  private var collisions: CollisionStatements?
  /// Whether that writes over rows that are there.
  private(set) var overwrites = false
  private var filling = Batch()
  private var flying = Batch()
  private var isFlying = false
  /// The chunk's rows that are committed, or parked.
  private var committed = 0
  /// The transaction of `flying` while its answers are outstanding.
  private var flight: Flight?
  private var departedAt = Duration.zero

  /// Rows gathered for one transaction.
  final class Batch {
    // Of one thread, and in one place at a time, so that the check of that at every row is left out.
    @exclusivity(unchecked) private var arrays = ArrayParameters()
    var bytes = 0
    /// The chunk's rows up to and with this batch.
    var rowsThrough = 0
    var isLast = false
    /// A row that is parked in place of being written.
    var letter: DeadLetter?

    var parameters: ArrayParameters {
      // SAFETY: see above.
      _read { yield unsafe arrays }
      _modify { yield unsafe &arrays }
    }

    var isEmpty: Bool { parameters.rowCount == 0 }

    /// Whether one more row of so many bytes may go with those that are there.
    func admits(_ count: Int, _ envelope: Envelope, _ rowsMax: Int) -> Bool {
      let rows = parameters.rowCount
      return rows < rowsMax && envelope.admits(count, rows: rows, total: bytes)
    }

    func append(_ row: UnsafeRawBufferPointer, columns: Int) {
      unsafe parameters.append(row: row, columns: columns)
      bytes += row.count
    }
  }

  init(_ context: LoadContext) {
    self.context = context
    catalog = StatementCatalog(context.plans, format: .binary)
    statement = catalog.insert(0)
  }

  /// Loads a whole chunk; what an earlier try has committed is written again over itself, or passed over where rows
  /// have no key.
  /// - Parameters:
  ///   - rowsMax: a tighter bound on a transaction's rows.
  ///   - overwrites: rows may be there already. A plain INSERT, for rows that are not, costs the target less.
  func load(
    _ chunk: Chunk, _ reader: ChunkReader, _ session: SinkSession, rowsMax: Int, overwrites: Bool
  ) throws(Failure) -> Int {
    let plan = context.plans[chunk.table]
    statement = overwrites ? catalog.upsert(plan.index) : catalog.insert(plan.index)
    collisions = catalog.collisions(plan.index)
    self.overwrites = overwrites
    isFlying = false
    flight = nil
    var skipped = 0
    let marked = try session.retrying("reading the chunk's mark") { connection throws(Failure) in
      try context.ledger.progress(chunk, source: plan.mapping.source.name, connection).rows
    }
    if plan.mapping.isKeyless { skipped = marked } else if marked > 0 { try restart(chunk, plan, session) }
    committed = skipped
    let source = try reader.open(chunk, plan, .binary)
    do throws(Failure) {
      return try transfer(chunk, plan, source, session, rowsMax: rowsMax, skipping: skipped)
    } catch {
      reader.discard()
      throw error
    }
  }

  /// Sets the mark of an earlier try back, which counted rows that may not be the same ones now.
  private func restart(_ chunk: Chunk, _ plan: TablePlan, _ session: SinkSession) throws(Failure) {
    let mark = context.ledger.markParameters(
      chunk, source: plan.mapping.source.name, isDone: false, rows: 0, after: nil, epoch: context.identity.epoch)
    do throws(Failure) {
      let set = try session.retrying("setting the chunk's mark") { connection throws(Failure) in
        try connection.query(ChunkLedger.markSQL, mark).affected
      }
      if set != 1 { throw context.identity.fenced }
      try session.retrying("setting the chunk's letters aside") { connection throws(Failure) in
        try LetterStore(pipeline: context.identity.pipeline).supersede(
          "\(plan.mapping.source.name)", position: chunk.letterPosition, context.identity, connection)
      }
    } catch {
      throw error.isGuardRefusal ? context.identity.fenced : error
    }
  }

  private func transfer(
    _ chunk: Chunk, _ plan: TablePlan, _ source: Connection, _ session: SinkSession, rowsMax: Int, skipping: Int
  ) throws(Failure) -> Int {
    var rows = BinaryCopyRows()
    var total = 0
    let envelope = context.options.envelope
    let maker = plan.mapping.transform == nil ? nil : try TableRows(plan.mapping)
    let needsConversion = maker == nil && plan.mapping.columns.contains { $0.conversion != .none }
    var converted = ByteBuffer(capacity: 1024)
    let columns = plan.mapping.columns.count
    let columnsRead = plan.mapping.transform?.inputs.count ?? columns
    begin(plan)
    while let message = try source.nextCopyRow() {
      try unsafe message.bytes.withUnsafeBytes { (bytes) throws(Failure) in
        guard var row = try unsafe rows.row(in: bytes, columns: columnsRead) else { return }
        if let maker {
          let input = unsafe row
          converted.removeAll(keeping: 1 << 20)
          do throws(Failure) {
            guard try unsafe maker.append(input, to: &converted) else { return }
          } catch {
            if plan.mapping.isKeyless { throw error }
            try unsafe maker.appendRefused(input, to: &converted)
            total += 1
            return try unsafe parkAlone(converted.bytes, total, error, .data, chunk, plan, session)
          }
          unsafe row = converted.bytes
        }
        total += 1
        if total <= skipping { return }
        if needsConversion {
          try unsafe convert(row, plan, into: &converted)
          unsafe row = converted.bytes
        }
        if row.count > envelope.bytesMax {
          return try unsafe parkAlone(row, total, oversized(row.count), .size, chunk, plan, session)
        }
        if !filling.admits(row.count, envelope, rowsMax) {
          try send(chunk, plan, session, rowsThrough: total - 1, isLast: false)
        }
        unsafe filling.append(row, columns: columns)
      }
    }
    try send(chunk, plan, session, rowsThrough: total, isLast: true)
    try land(chunk, plan, session)
    return total
  }

  /// Parks a row that is never sent, once those before it are committed.
  /// - Parameter number: of the chunk's rows, from 1.
  private func parkAlone(
    _ row: UnsafeRawBufferPointer, _ number: Int, _ cause: Failure, _ rowClass: RowErrorClass, _ chunk: Chunk,
    _ plan: TablePlan, _ session: SinkSession
  ) throws(Failure) {
    if !filling.isEmpty { try send(chunk, plan, session, rowsThrough: number - 1, isLast: false) }
    try land(chunk, plan, session)
    try unsafe park(row, rowsThrough: number, isLast: false, cause, rowClass, chunk, plan, session)
  }

  /// Gives back what large rows have taken.
  func releaseMemory() {
    filling.parameters.release(beyond: 1 << 20)
    flying.parameters.release(beyond: 1 << 20)
  }

  private func begin(_ plan: TablePlan) {
    filling.parameters.begin(elementTypes: statement.parameters.map(\.elementOID))
    filling.bytes = 0
  }

  private func convert(
    _ row: UnsafeRawBufferPointer, _ plan: TablePlan, into out: inout ByteBuffer
  ) throws(Failure) {
    out.removeAll(keeping: 1 << 20)
    guard let offsets = unsafe WireRow.fieldOffsets(row, columns: plan.mapping.columns.count) else {
      throw Failure(.source, "a COPY row is malformed", location: "\(plan.mapping.source.name)")
    }
    for (column, offset) in offsets.enumerated() {
      let field = unsafe WireRow.field(row, at: offset)
      let conversion = plan.mapping.columns[column].conversion
      let isNull = unsafe row.bigEndian(at: offset, as: Int32.self) < 0
      if conversion == .none || isNull {
        unsafe out.append(field)
      } else {
        let value = unsafe UnsafeRawBufferPointer(rebasing: field[4...])
        try unsafe appendConverted(value, conversion, plan.mapping, column, to: &out)
      }
    }
  }

  // MARK: Sending

  /// Sends the gathered batch once the one before it is committed, and starts gathering anew.
  private func send(
    _ chunk: Chunk, _ plan: TablePlan, _ session: SinkSession, rowsThrough: Int, isLast: Bool
  ) throws(Failure) {
    try land(chunk, plan, session)
    filling.rowsThrough = rowsThrough
    filling.isLast = isLast
    (filling, flying) = (flying, filling)
    isFlying = true
    do throws(Failure) {
      try start(flying, chunk, plan, session.connection())
    } catch  where error.isTransient {
      // Found and repeated by `land`.
      flight = nil
      session.note(.overloaded)
      session.discard()
    }
    begin(plan)
    // The others have gathered while they waited for a permit; they shall not wait until this one has.
    if context.options.limiter.counts.waiting > 0 { try land(chunk, plan, session) }
  }

  /// Puts a batch on its way: its rows, the chunk's mark, COMMIT.
  private func start(
    _ batch: Batch, _ chunk: Chunk, _ plan: TablePlan, _ connection: Connection
  ) throws(Failure) {
    flight = nil
    departedAt = monotonicNow()
    var flight = try Flight(connection, isPipelined: context.options.isPipelined)
    try flight.send(.begin, "BEGIN")
    if let letter = batch.letter {
      try flight.send(LetterChanges(parked: letter), pipeline: context.identity.pipeline)
    }
    if !batch.isEmpty {
      let arrays = unsafe batch.parameters.finish(columns: statement.parameters.count)
      if let collisions, collisions.goesFirst { try unsafe check(collisions, arrays, &flight) }
      try unsafe flight.send(.statement(0), statement, arrays)
      if let collisions, !collisions.goesFirst { try unsafe check(collisions, arrays, &flight) }
    }
    try flight.sendText(
      .state, sql: ChunkLedger.markSQL,
      context.ledger.markParameters(
        chunk, source: plan.mapping.source.name, isDone: batch.isLast, rows: batch.rowsThrough,
        after: committed, epoch: context.identity.epoch))
    try flight.send(.commit, "COMMIT")
    Failpoint.reach(.insertDeparts)
    try flight.depart()
    Failpoint.reach(.insertDeparted)
    self.flight = consume flight
  }

  private func check(
    _ collisions: CollisionStatements, _ arrays: [ParameterBytes], _ flight: inout Flight
  ) throws(Failure) {
    let own = unsafe collisions.check.parameters.map { unsafe arrays[$0.column] }
    try unsafe flight.send(.statement(Self.checkStep), collisions.check, own)
  }

  /// Waits until the batch on its way is committed, but for rows that the target refuses.
  private func land(_ chunk: Chunk, _ plan: TablePlan, _ session: SinkSession) throws(Failure) {
    guard isFlying else { return }
    do throws(Failure) {
      try settle(flying, chunk, plan, session)
    } catch {
      guard rowClass(of: error, rows: flying.parameters.rowCount, plan) != nil else { throw error }
      try isolate(flying, chunk, plan, session)
    }
    Failpoint.reach(.insertCommitted)
    context.progress.add(rows: flying.parameters.rowCount, bytes: flying.bytes, to: chunk.table)
    isFlying = false
  }

  /// Waits until a batch is committed, sending it again after what may pass.
  func settle(_ batch: Batch, _ chunk: Chunk, _ plan: TablePlan, _ session: SinkSession) throws(Failure) {
    var isFirst = true
    var backoff = Backoff(conflictsWithin: context.options.retry.maxElapsed)
    while true {
      let conflict = try session.retrying("loading \(plan.mapping.target)") { connection throws(Failure) -> Failure? in
        if !isFirst || flight == nil {
          let mark = try context.ledger.progress(chunk, source: plan.mapping.source.name, connection)
          if isCommitted(batch, mark) { return nil }
          try start(batch, chunk, plan, connection)
        }
        isFirst = false
        let awaitedFrom = monotonicNow()
        let conflict = try finish(batch, chunk, connection, plan)
        session.note(outcome(of: batch, conflict, awaitedFrom))
        if conflict?.rule.action == .refreshCatalog { session.discard() }
        return conflict
      }
      guard let conflict else {
        committed = batch.rowsThrough
        break
      }
      guard let delay = backoff.next(now: monotonicNow(), random: .random(in: 0..<1)),
        backoff.attempts <= Self.conflictsMax || batch.parameters.rowCount < 2
      else { throw conflict }
      context.interrupt.wait(for: delay)
    }
  }

  private func isCommitted(_ batch: Batch, _ mark: (isDone: Bool, rows: Int)) -> Bool {
    mark.isDone || mark.rows >= batch.rowsThrough && !batch.isLast
  }

  /// What a batch's end tells about the target. Answers that were there before they were asked for tell no time, and a
  /// change of the catalog meets everybody once.
  private func outcome(
    of batch: Batch, _ conflict: Failure?, _ awaitedFrom: Duration
  ) -> ConcurrencyState.Outcome {
    let size = batch.bytes + batch.parameters.rowCount * 100
    if let conflict { return conflict.rule.action == .refreshCatalog ? .committed(in: nil, size: size) : .overloaded }
    let now = monotonicNow()
    let wasAwaited = (now - awaitedFrom) * 8 >= now - departedAt
    return .committed(in: wasAwaited ? now - departedAt : nil, size: size)
  }

  /// Reads the answers of a batch's flight.
  /// - Returns: a conflict after which the same batch may be tried again; `nil` when it is committed.
  private func finish(
    _ batch: Batch, _ chunk: Chunk, _ connection: Connection, _ plan: TablePlan
  ) throws(Failure) -> Failure? {
    guard var flight = flight.take() else { return nil }
    let steps = flight.steps
    switch try flight.finish() {
    case .done(let affected):
      for (step, rows) in zip(steps, affected) where step == .state && rows != 1 { throw context.identity.fenced }
      for (step, rows) in zip(steps, affected) where step == .statement(Self.checkStep) {
        // Where collisions stop the load, the check has found none, in one row.
        if plan.mapping.merge?.policy != .fail { context.collisions.note(rows, in: plan.mapping, context.log) }
      }
      return nil
    case .failed(let step, let failure):
      if connection.isInTransaction { try connection.query("ROLLBACK") }
      if failure.isGuardRefusal, step == .statement(Self.checkStep), let collisions {
        let arrays = unsafe batch.parameters.finish(columns: statement.parameters.count)
        let found = unsafe collisions.first.parameters.map { unsafe arrays[$0.column] }
        guard let collision = try unsafe collisions.failure(found, in: plan.mapping, connection) else { return failure }
        throw collision
      }
      if failure.isGuardRefusal, step == .state {
        // Another instance has the pipeline, or an earlier try has committed only after we had looked.
        let mark = try context.ledger.progress(chunk, source: plan.mapping.source.name, connection)
        if isCommitted(batch, mark) { return nil }
        try StateStore(pipeline: context.identity.pipeline).check(context.identity, connection)
        throw Failure(
          .sink, "a transaction whose answer was lost has committed late; its chunk is read again", isTransient: true)
      }
      switch failure.rule.action {
      case .repeatTransaction, .refreshCatalog: return failure
      case .reconnect, .refreshToken, .lookAndRepeat, .split, .replaySerially, .isolate, .stop: break
      }
      var failure = failure
      failure.location = "\(plan.mapping.target), \(batch.parameters.rowCount) rows; \(failure.location)"
      throw failure
    }
  }
}
