package import ChangeModel
package import DSQLSink
package import Postgres
internal import SQLMapping

/// The load's progress in the target's `penstock.chunk`.
package struct ChunkLedger: Sendable {
  package let pipeline: String

  package init(pipeline: String) { self.pipeline = pipeline }

  package struct Entry: Sendable {
    package var chunk: Chunk
    package var isDone: Bool
    package var rows: Int

    package init(chunk: Chunk, isDone: Bool, rows: Int) {
      self.chunk = chunk
      self.isDone = isDone
      self.rows = rows
    }
  }

  /// The chunks of one table, in order.
  package func read(table: Int, source: TableName, _ connection: Connection) throws(Failure) -> [Entry] {
    let rows = try connection.query(
      """
      SELECT chunk, heap, kind, lower_bound, upper_bound, bytes_estimate, done, rows FROM penstock.chunk
      WHERE pipeline=$1 AND source_table=$2 ORDER BY chunk
      """, [pipeline, source.description])
    return rows.values.compactMap { row in
      guard let number = Int(row[0] ?? ""), let kind = Chunk.Kind(rawValue: row[2] ?? "") else { return nil }
      let heap = (row[1] ?? "").split(separator: "\u{1F}", omittingEmptySubsequences: false).map(String.init)
      guard heap.count == 2 else { return nil }
      return Entry(
        chunk: Chunk(
          table: table, number: number, heap: TableName(heap[0], heap[1]), kind: kind, lower: row[3], upper: row[4],
          bytesEstimate: UInt64(row[5] ?? "") ?? 0),
        isDone: row[6] == "t", rows: Int(row[7] ?? "") ?? 0)
    }
  }

  /// Chunks that one transaction takes.
  private static let sliceCount = 1000

  /// Writes a table of which nothing is known yet, and its chunks; in one transaction if they fit.
  package func writeFirst(
    _ chunks: [Chunk], _ table: TableState, source: TableName, _ store: StateStore, _ identity: WriterIdentity,
    _ connection: Connection
  ) throws(Failure) {
    guard chunks.count <= Self.sliceCount else {
      return try write(chunks, table, source: source, store, identity, connection)
    }
    try store.owning(identity, connection) { () throws(Failure) in
      try store.put(table, connection)
      try insert(chunks[...], source: source, epoch: identity.epoch, connection)
    }
  }

  /// Writes a table and its chunks anew: it is pending until the ledger is whole.
  package func write(
    _ chunks: [Chunk], _ table: TableState, source: TableName, _ store: StateStore, _ identity: WriterIdentity,
    _ connection: Connection
  ) throws(Failure) {
    var pending = table
    pending.state = "pending"
    try store.write(pending, identity, connection)
    try replace(chunks, source: source, store, identity, connection)
    try store.write(table, identity, connection)
  }

  /// Replaces the chunks of one table, none of them done, if `identity` still owns the pipeline.
  package func replace(
    _ chunks: [Chunk], source: TableName, _ store: StateStore, _ identity: WriterIdentity, _ connection: Connection
  ) throws(Failure) {
    try LetterStore(pipeline: pipeline).supersede("\(source)", identity, connection)
    // In slices, as DSQL takes 3,000 rows in a transaction.
    var gone = 1
    while gone > 0 {
      try store.owning(identity, connection) { () throws(Failure) in
        gone = try connection.query(
          """
          DELETE FROM penstock.chunk WHERE pipeline=$1 AND source_table=$2 AND chunk IN
          (SELECT chunk FROM penstock.chunk WHERE pipeline=$1 AND source_table=$2 LIMIT 2000)
          """, [pipeline, source.description]
        ).affected
      }
    }
    var index = 0
    while index < chunks.count {
      let slice = chunks[index..<min(index + Self.sliceCount, chunks.count)]
      try store.owning(identity, connection) { () throws(Failure) in
        try insert(slice, source: source, epoch: identity.epoch, connection)
      }
      index += Self.sliceCount
    }
  }

  private func insert(
    _ chunks: ArraySlice<Chunk>, source: TableName, epoch: Int64, _ connection: Connection
  ) throws(Failure) {
    for chunk in chunks {
      try connection.query(
        """
        INSERT INTO penstock.chunk (pipeline, source_table, chunk, heap, kind, lower_bound, upper_bound,
        bytes_estimate, epoch, done, rows) VALUES ($1, $2, $3::int, $4, $5, $6, $7, $8::bigint, $9::bigint, false, 0)
        """,
        [
          pipeline, source.description, String(chunk.number), chunk.heap.schema + "\u{1F}" + chunk.heap.name,
          chunk.kind.rawValue, chunk.lower, chunk.upper, String(chunk.bytesEstimate), String(epoch),
        ])
    }
  }

  /// Whether the chunk is done, and how many of its rows are committed: waits for a transaction of a lost session that
  /// is still committing.
  package func progress(
    _ chunk: Chunk, source: TableName, _ connection: Connection
  ) throws(Failure) -> (isDone: Bool, rows: Int) {
    let rows = try connection.query(
      "SELECT done, rows FROM penstock.chunk WHERE pipeline=$1 AND source_table=$2 AND chunk=$3::int FOR UPDATE",
      [pipeline, source.description, String(chunk.number)])
    let row = rows.values.first
    return (row?[0] == "t", Int(row?[1] ?? "") ?? 0)
  }

  /// The statement that goes into every transaction with rows of the chunk: fences, and marks progress. Fails too where
  /// other rows than expected are committed, by a transaction that was given up and has committed late.
  package static let markSQL = """
    UPDATE penstock.chunk SET done=$1::boolean, rows=$2::bigint, \
    fence=1/((epoch=$3::bigint AND ($7::bigint IS NULL OR rows=$7::bigint))::int) \
    WHERE pipeline=$4 AND source_table=$5 AND chunk=$6::int
    """

  /// - Parameter committed: the chunk's rows that must be there already; `nil` for any number.
  package func markParameters(
    _ chunk: Chunk, source: TableName, isDone: Bool, rows: Int, after committed: Int?, epoch: Int64
  ) -> [String?] {
    [
      String(isDone), String(rows), String(epoch), pipeline, source.description, String(chunk.number),
      committed.map { String($0) },
    ]
  }
}
