package import ChangeModel
internal import Runtime
package import SQLMapping
internal import Synchronization

/// How far the full load is: written by its workers, read by whoever reports.
package final class LoadProgress: Sendable {
  package struct Table: Sendable {
    package var name: TableName
    package var rows = 0
    package var bytes = 0
    package var chunksDone = 0
    package var chunksTotal = 0
    package var bytesEstimate: UInt64 = 0
    package var rowsEstimate = 0
    /// Part of `bytesEstimate` that finished chunks stood for.
    package var bytesEstimateDone: UInt64 = 0

    package init(name: TableName) { self.name = name }
  }

  private struct State {
    var tables: [Table] = []
    var startedAt = Duration.zero
  }

  private let state = Mutex(State())

  package init() {}

  package var tables: [Table] { state.withLock { $0.tables } }
  package var elapsed: Duration { state.withLock { monotonicNow() - $0.startedAt } }

  /// Starts counting; chunks that are done already count with their rows.
  package func begin(_ mappings: [TableMapping], _ entries: [[ChunkLedger.Entry]]) {
    let tables = zip(mappings, entries).map { mapping, entries in
      var table = Table(name: mapping.source.name)
      table.chunksTotal = entries.count
      table.bytesEstimate = entries.reduce(0) { $0 + $1.chunk.bytesEstimate }
      table.rowsEstimate = Int(mapping.source.estimatedRows)
      for entry in entries where entry.isDone {
        table.chunksDone += 1
        table.rows += entry.rows
        table.bytesEstimateDone += entry.chunk.bytesEstimate
      }
      return table
    }
    state.withLock { $0 = State(tables: tables, startedAt: monotonicNow()) }
  }

  /// Starts counting the parts of other tables than PostgreSQL's.
  package func begin(_ tables: [Table]) { state.withLock { $0 = State(tables: tables, startedAt: monotonicNow()) } }

  package func add(rows: Int, bytes: Int, to table: Int) {
    state.withLock { state in
      state.tables[table].rows += rows
      state.tables[table].bytes += bytes
    }
  }

  /// A part of a table is in the target, of those whose sizes are not known.
  package func finishPart(ofTable table: Int) { state.withLock { $0.tables[table].chunksDone += 1 } }

  func finish(_ chunk: Chunk) {
    state.withLock { state in
      state.tables[chunk.table].chunksDone += 1
      state.tables[chunk.table].bytesEstimateDone += chunk.bytesEstimate
    }
  }
}
