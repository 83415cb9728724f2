internal import Apply
internal import ChangeModel
internal import DSQLSink
internal import Postgres
internal import Runtime
internal import SQLMapping

/// Loads a chunk by COPY into COPY: bytes pass as they are, and the chunk's mark commits with them.
struct ChunkCopier {
  private static let bufferBytes = 64 << 10

  let context: LoadContext
  let format: CopyFormat

  /// One try at a whole chunk, in one transaction on an idle session.
  /// - Returns: the rows written.
  func load(_ chunk: Chunk, _ reader: ChunkReader, into sink: Connection) throws(Failure) -> Int {
    let plan = context.plans[chunk.table]
    let source = try reader.open(chunk, plan, format)
    do throws(Failure) {
      return try transfer(chunk, plan, from: source, to: sink)
    } catch {
      // The rest of the copy is not wanted any more.
      reader.discard()
      throw error
    }
  }

  private func transfer(
    _ chunk: Chunk, _ plan: TablePlan, from source: Connection, to sink: Connection
  ) throws(Failure) -> Int {
    let columns = plan.mapping.columns.map { quotedIdentifier($0.targetName) }.joined(separator: ", ")
    try sink.query("BEGIN")
    try sink.startCopy("COPY \(plan.mapping.target.quoted) (\(columns)) FROM STDIN (FORMAT \(format.rawValue))")
    var buffer = ByteBuffer(capacity: Self.bufferBytes * 2)
    var messages = 0
    while let message = try source.nextCopyRow() {
      messages += 1
      if buffer.count + message.count > Self.bufferBytes {
        try unsafe sink.sendCopy(buffer.bytes)
        context.progress.add(rows: messages, bytes: buffer.count, to: chunk.table)
        messages = 0
        buffer.removeAll()
      }
      try unsafe message.bytes.withUnsafeBytes { (row) throws(Failure) in
        if row.count <= Self.bufferBytes { return unsafe buffer.append(row) }
        try unsafe sink.sendCopy(row)
        context.progress.add(rows: 0, bytes: row.count, to: chunk.table)
      }
    }
    try unsafe sink.sendCopy(buffer.bytes)
    let rows = try sink.endCopy()
    context.progress.add(rows: format == .binary ? messages - 1 : messages, bytes: buffer.count, to: chunk.table)
    let mark = context.ledger.markParameters(
      chunk, source: plan.mapping.source.name, isDone: true, rows: rows, after: nil, epoch: context.identity.epoch)
    Failpoint.reach(.copySent)
    do throws(Failure) {
      if try sink.query(ChunkLedger.markSQL, mark).affected != 1 { throw context.identity.fenced }
    } catch {
      throw error.isGuardRefusal ? context.identity.fenced : error
    }
    Failpoint.reach(.copyMarked)
    try sink.query("COMMIT")
    Failpoint.reach(.copyCommitted)
    return rows
  }
}
