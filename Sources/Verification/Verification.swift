package import ChangeModel
package import DSQLSink
package import Postgres
package import Runtime
package import SQLMapping
internal import Synchronization

/// Compares every row of every table on both sides, while both live.
package final class Verification: Sendable {
  /// Suspect keys that are remembered.
  private static let suspectsMax = 100_000
  package let progress = VerificationProgress()
  private let mappings: [TableMapping]
  private let servers: VerificationServers
  private let slot: String?
  private let workers: Int
  private let memoryBytes: Int
  private let log: Log
  private let state = Mutex(State())
  /// Held by the worker that compares rows so large that memory takes them one at a time only.
  private let wideRows = Mutex(())

  private struct State {
    var queue: [RowRange] = []
    var failure: Failure?
    var tables: [VerificationReport.Table] = []
    var startedAt: [Int: Duration] = [:]
    var suspects: [Int: [[UInt8]]] = [:]
    var room = Verification.suspectsMax
  }

  /// - Parameters:
  ///   - slot: the slot whose position shows how far the target is; `nil` when changes are not followed.
  ///   - workers: ranges compared at a time, each over two sessions.
  ///   - memoryBytes: what all workers together may remember of the ranges they compare.
  package init(
    _ mappings: [TableMapping], source: ConnectionSettings, sink: SinkOptions, slot: String?, workers: Int,
    memoryBytes: Int = 48 << 20, log: Log
  ) {
    self.mappings = mappings
    self.servers = VerificationServers(source: source, sink: sink)
    self.slot = slot
    self.workers = workers
    self.memoryBytes = memoryBytes
    self.log = log
  }

  /// Compares. Blocks the calling thread between its suspensions.
  ///
  /// - Throws: when a side can't be read, or a table is not there.
  package func run() async throws(Failure) -> VerificationReport {
    let started = monotonicNow()
    let reader = RowReader(servers)
    let tables = try reader.retrying("reading the catalogs", log) { () throws(Failure) in try readTables(reader) }
    let ranges = try reader.retrying("cutting tables", log) { () throws(Failure) in try cut(tables, reader) }
    progress.update { $0.rangesTotal = ranges.count }
    progress.update { $0.startedAt = started }
    state.withLock { state in
      state.queue = ranges.reversed()
      state.tables = mappings.map { .init(source: $0.source.name, target: $0.target) }
    }
    await withTaskGroup(of: Void.self) { group in
      for number in 0..<min(workers, ranges.count) {
        group.addThread(named: "verify-\(number)") { self.work(tables) }
      }
    }
    if let failure = state.withLock({ $0.failure }) { throw failure }
    let standstill = try lookAgain(tables, reader)
    return VerificationReport(
      tables: state.withLock { $0.tables }, elapsed: monotonicNow() - started, standstill: standstill)
  }

  private func readTables(_ reader: RowReader) throws(Failure) -> [ComparedTable] {
    let (source, target) = (try reader.connection(.source), try reader.connection(.target))
    let isDSQL = servers.sink.dialect == .dsql
    var tables: [ComparedTable] = []
    for mapping in mappings {
      tables.append(
        try ComparedTable(
          mapping, source: StoredColumn.read(mapping.source.name, source, isDSQL: false),
          target: StoredColumn.read(mapping.target, target, isDSQL: isDSQL), isDSQL: isDSQL))
    }
    return tables
  }

  private var workerBytes: Int { memoryBytes / max(1, workers) }

  /// Every range of every table, the largest table first.
  private func cut(_ tables: [ComparedTable], _ reader: RowReader) throws(Failure) -> [RowRange] {
    let planner = RangePlanner(workerBytes: workerBytes)
    var ranges: [RowRange] = []
    let bySize = tables.indices.sorted {
      tables[$0].mapping.source.totalBytes > tables[$1].mapping.source.totalBytes
    }
    for index in bySize { ranges += try planner.ranges(of: tables[index], index: index, reader.connection(.source)) }
    return ranges
  }

  // MARK: First look

  private func work(_ tables: [ComparedTable]) {
    let reader = RowReader(servers)
    let comparer = RangeComparer(reader, memoryBytes: workerBytes)
    do throws(Failure) {
      while let (range, room) = takeRange() {
        let table = tables[range.table]
        let look = { () throws(Failure) in
          try reader.retrying("comparing \(table.mapping.source.name)", self.log) { () throws(Failure) in
            try comparer.compare(range, table, suspectsMax: room)
          }
        }
        let isWide = table.mapping.source.hasWideRows
        let results = isWide ? try wideRows.withLock { _ throws(Failure) in try look() } : try look()
        for result in results { record(result) }
        progress.update { $0.rangesDone += 1 }
      }
    } catch {
      state.withLock { state in
        if state.failure == nil { state.failure = error }
        state.queue = []
      }
    }
  }

  private func takeRange() -> (RowRange, room: Int)? {
    state.withLock { state in
      guard let range = state.queue.popLast() else { return nil }
      if state.startedAt[range.table] == nil { state.startedAt[range.table] = monotonicNow() }
      return (range, state.room)
    }
  }

  private func record(_ result: RangeResult) {
    let table = result.range.table
    state.withLock { state in
      state.tables[table].sourceRows += result.sourceRows
      state.tables[table].targetRows += result.targetRows
      state.tables[table].bytes += result.bytes
      state.tables[table].overlooked += result.overlooked
      state.tables[table].elapsed = monotonicNow() - (state.startedAt[table] ?? .zero)
      state.suspects[table, default: []] += result.suspects
      state.room = max(0, state.room - result.suspects.count)
    }
    progress.update { state in
      state.rows += result.sourceRows
      state.bytes += result.bytes
      state.suspects += result.suspects.count + result.overlooked
    }
  }

  // MARK: Second look

  /// - Returns: why the pipeline could not be waited for, if there was something to wait for.
  private func lookAgain(_ tables: [ComparedTable], _ reader: RowReader) throws(Failure) -> String? {
    let suspects = state.withLock { $0.suspects.filter { !$1.isEmpty } }
    guard !suspects.isEmpty else { return nil }
    var watch = PipelineWatch(slot: slot)
    for (index, keys) in suspects.sorted(by: { $0.key < $1.key }) {
      progress.update { $0.lookingAgain = keys.count }
      let table = tables[index]
      let differences =
        table.key.isEmpty
        ? try BagSecondLook(table: table, index: index, reader: reader, log: log).settle(keys, &watch)
        : try SecondLook(table: table, reader: reader, log: log).settle(keys, &watch)
      let ordered = table.key.isEmpty ? differences : differences.sorted(by: RowDifference.isOrdered)
      state.withLock { $0.tables[index].differences = ordered }
    }
    return watch.standstill
  }
}
