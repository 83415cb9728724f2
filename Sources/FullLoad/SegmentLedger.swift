package import ChangeModel
package import DSQLSink
package import DynamoDBSource
package import Postgres

/// The progress of scans in the target's `penstock.chunk`: a segment is a chunk of the kind `segment`, its lower bound where
/// DynamoDB goes on.
///
/// A segment's rows are in many lanes' transactions, so its progress follows them: what was written after it was noted last
/// is scanned again after a crash.
package struct SegmentLedger: Sendable {
  package let pipeline: String
  /// The tables by their indexes.
  private let tables: [TableName]

  package init(pipeline: String, tables: [TableName]) {
    self.pipeline = pipeline
    self.tables = tables
  }

  package struct Entry: Sendable {
    package var segment: ScanSegment
    package var isDone: Bool
  }

  /// The segments of one table, in order; none before its load has begun.
  package func read(table: Int, _ connection: Connection) throws(Failure) -> [Entry] {
    let rows = try connection.query(
      """
      SELECT chunk, lower_bound, done, rows FROM penstock.chunk WHERE pipeline=$1 AND source_table=$2 AND kind='segment'
      ORDER BY chunk
      """, [pipeline, tables[table].description])
    return rows.values.compactMap { row in
      guard let number = Int(row[0] ?? "") else { return nil }
      return Entry(
        segment: ScanSegment(
          table: table, number: number, total: rows.values.count, lastKey: row[1].map { Array($0.utf8) },
          items: Int(row[3] ?? "") ?? 0),
        isDone: row[2] == "t")
    }
  }

  /// Writes a table's segments, all of them at their beginnings, if `identity` still owns the pipeline.
  package func create(
    table: Int, count: Int, _ store: StateStore, _ identity: WriterIdentity, _ connection: Connection
  ) throws(Failure) -> [Entry] {
    // All at once, for their number is that of the rows; DSQL takes 3,000 in a transaction.
    try store.owning(identity, connection) { () throws(Failure) in
      try connection.query(
        """
        INSERT INTO penstock.chunk (pipeline, source_table, chunk, heap, kind, bytes_estimate, epoch, done, rows)
        SELECT $1, $2, n, '', 'segment', 0, $3::bigint, false, 0 FROM generate_series(0, $4::int - 1) AS n
        """, [pipeline, tables[table].description, String(identity.epoch), String(count)])
    }
    return (0..<count).map { Entry(segment: ScanSegment(table: table, number: $0, total: count), isDone: false) }
  }

  /// Writes how far a segment is, if `identity` still owns the pipeline.
  package func write(
    _ segment: ScanSegment, isDone: Bool, _ store: StateStore, _ identity: WriterIdentity, _ connection: Connection
  ) throws(Failure) {
    try store.owning(identity, connection) { () throws(Failure) in
      try connection.query(
        """
        UPDATE penstock.chunk SET lower_bound=$1, done=$2::boolean, rows=$3::bigint
        WHERE pipeline=$4 AND source_table=$5 AND chunk=$6::int
        """,
        [
          segment.lastKey.map { String(decoding: $0, as: UTF8.self) }, String(isDone), String(segment.items), pipeline,
          tables[segment.table].description, String(segment.number),
        ])
    }
  }
}
