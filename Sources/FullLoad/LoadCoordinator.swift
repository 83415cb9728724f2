internal import Apply
package import ChangeModel
internal import DSQLSink
internal import Postgres
internal import Runtime
internal import SQLMapping
internal import Synchronization

/// Loads tables in parallel: one queue of chunks over all tables, largest table first, so that one big table keeps
/// every worker busy.
package final class LoadCoordinator: Sendable {
  private let context: LoadContext
  private let queue: Mutex<[Chunk]>
  private let wideRows = WideRowGate()
  private let failure = Mutex<Failure?>(nil)
  /// Tables whose rows may already be in the target at other places than their chunk: loaded by upsert.
  private let overlapping: Set<Int>
  /// Tables whose values need the target's own cast, so that no COPY can load them.
  private let needingCasts: Set<Int>

  /// - Parameters:
  ///   - chunks: those that are not done.
  ///   - overlapping: indexes of tables of which earlier runs have loaded a part under another snapshot.
  ///   - needingCasts: indexes of tables that have columns of other types in the target.
  package init(_ context: LoadContext, chunks: [Chunk], overlapping: Set<Int>, needingCasts: Set<Int> = []) {
    self.context = context
    self.overlapping = overlapping
    self.needingCasts = needingCasts
    var bytes: [Int: UInt64] = [:]
    for chunk in chunks { bytes[chunk.table, default: 0] += chunk.bytesEstimate }
    // Taken from the end.
    queue = Mutex(
      chunks.sorted { a, b in
        a.table == b.table
          ? a.number > b.number : (bytes[a.table] ?? 0, b.table) < (bytes[b.table] ?? 0, a.table)
      })
  }

  /// `executeFullLoad` of the founding documents: loads every chunk with so many workers.
  ///
  /// - Throws: the first failure; other workers have stopped then, and what they committed stays.
  package func executeFullLoad(workers: Int) async throws(Failure) {
    await withTaskGroup(of: Void.self) { group in
      for number in 0..<workers { group.addThread(named: "load-\(number)") { self.work() } }
    }
    if let failure = failure.withLock({ $0 }) { throw failure }
  }

  private func work() {
    let reader = ChunkReader(context)
    let session = SinkSession(
      context.options, interrupt: context.interrupt, limiter: context.options.limiter, log: context.log)
    let inserter = ChunkInserter(context)
    do throws(Failure) {
      while !context.interrupt.isSignalled {
        guard let chunk = takeChunk() else { break }
        let isWide = hasWideRows(chunk)
        if isWide && !wideRows.enter(unless: context.interrupt) { break }
        defer { if isWide { wideRows.leave() } }
        try load(chunk, reader, session, inserter)
        context.progress.finish(chunk)
        Failpoint.reach(.chunkDone)
        if isWide {
          // libpq keeps the memory of its largest row for as long as a session lives.
          reader.discard()
          inserter.releaseMemory()
        }
      }
    } catch {
      failure.withLock { if $0 == nil { $0 = error } }
      context.interrupt.signal()
    }
  }

  private func hasWideRows(_ chunk: Chunk) -> Bool {
    context.plans[chunk.table].mapping.source.heaps.contains { $0.name == chunk.heap && $0.hasWideRows }
  }

  private func takeChunk() -> Chunk? { queue.withLock { $0.popLast() } }

  private func load(
    _ chunk: Chunk, _ reader: ChunkReader, _ session: SinkSession, _ inserter: ChunkInserter
  ) throws(Failure) {
    let plan = context.plans[chunk.table]
    let started = monotonicNow()
    var rows = 0
    if context.method == .copy, plan.mapping.merge == nil, !overlapping.contains(chunk.table),
      !needingCasts.contains(chunk.table),
      let format = context.copyFormat(plan)
    {
      if let copied = try copy(chunk, reader, session, ChunkCopier(context: context, format: format)) {
        rows = copied
      } else {
        rows = try insert(chunk, reader, session, inserter)
      }
    } else {
      rows = try insert(chunk, reader, session, inserter)
    }
    let seconds = (monotonicNow() - started).seconds
    context.log.debug(
      "\(plan.mapping.source.name) chunk \(chunk.number): \(rows) rows in \(seconds.rounded(2)) s")
  }

  /// Copies a chunk; `nil` when rows of it are already there or refused, so that it must be inserted.
  private func copy(
    _ chunk: Chunk, _ reader: ChunkReader, _ session: SinkSession, _ copier: ChunkCopier
  ) throws(Failure) -> Int? {
    let name = context.plans[chunk.table].mapping.source.name
    var isFirst = true
    do throws(Failure) {
      return try session.retrying("loading \(name)") { connection throws(Failure) in
        if !isFirst {
          let mark = try context.ledger.progress(chunk, source: name, connection)
          if mark.isDone { return mark.rows }
        }
        isFirst = false
        let rows = try copier.load(chunk, reader, into: connection)
        session.note(.committed(in: nil, size: 0))
        return rows
      }
    } catch {
      switch error.rule.action {
      case .replaySerially, .isolate, .split:
        session.discard()
        return nil
      default: throw error
      }
    }
  }

  private func insert(
    _ chunk: Chunk, _ reader: ChunkReader, _ session: SinkSession, _ inserter: ChunkInserter
  ) throws(Failure) -> Int {
    var rowsMax = Int.max
    let isKeyless = context.plans[chunk.table].mapping.isKeyless
    // A row of a merged table may find its key there.
    var overwrites = overlapping.contains(chunk.table) || context.plans[chunk.table].mapping.merge != nil
    while true {
      do throws(Failure) {
        return try inserter.load(chunk, reader, session, rowsMax: rowsMax, overwrites: overwrites)
      } catch {
        switch error.rule.action {
        case .split where rowsMax > 1, .repeatTransaction where rowsMax > 1, .refreshCatalog where rowsMax > 1:
          rowsMax = min(rowsMax, context.options.envelope.rowsMax) / 2
          context.log.warning("\(error.message): going on with \(rowsMax) rows in a transaction")
        case .replaySerially where !overwrites && !isKeyless:
          context.log.debug("rows of the chunk are already there: writing over them")
        default: throw error
        }
      }
      // The rows that were committed before are written again.
      overwrites = !isKeyless
      session.discard()
    }
  }
}
