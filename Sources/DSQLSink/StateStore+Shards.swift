package import ChangeModel
package import Lanes
package import Postgres

/// A shard's row in the state.
package struct ShardState: Hashable, Sendable {
  package enum Start: Hashable, Sendable {
    /// At the oldest record that there was.
    case trimHorizon
    /// At the first record that was made after this time, in seconds since 1970-01-01 UTC.
    case since(Int64)
  }

  /// Names the shard in the lanes' rows; never used again.
  package var number: Int
  package var sourceTable: String
  /// The stream's ARN.
  package var stream: String
  package var shard: String
  package var start: Start
  /// Every lane has everything up to here.
  package var committed: SequenceNumber?
  /// Every lane has all there was in it.
  package var isEnded: Bool

  package init(
    number: Int, sourceTable: String, stream: String, shard: String, start: Start, committed: SequenceNumber? = nil,
    isEnded: Bool = false
  ) {
    self.number = number
    self.sourceTable = sourceTable
    self.stream = stream
    self.shard = shard
    self.start = start
    self.committed = committed
    self.isEnded = isEnded
  }
}

extension ShardState.Start {
  var text: String {
    switch self {
    case .trimHorizon: "trim-horizon"
    case .since(let seconds): "since \(seconds)"
    }
  }

  init?(text: String) {
    if text == "trim-horizon" {
      self = .trimHorizon
    } else if text.hasPrefix("since "), let seconds = Int64(text.dropFirst(6)) {
      self = .since(seconds)
    } else {
      return nil
    }
  }
}

/// The state of a source with shards.
extension StateStore {
  /// What each lane has of each shard, in the order of `lanes`.
  package func laneShards(_ connection: Connection) throws(Failure) -> [ShardLog.Marks] {
    let rows = try connection.query(
      "SELECT coalesce(shards, '') FROM penstock.lane WHERE pipeline=$1 AND stream='main' AND position<>'' ORDER BY lane",
      [pipeline])
    var lanes: [ShardLog.Marks] = []
    for row in rows.values {
      guard let marks = ShardLog.marks(row[0] ?? "") else { throw unreadable("a lane's shards", connection) }
      lanes.append(marks)
    }
    return lanes
  }

  package func shards(_ connection: Connection) throws(Failure) -> [ShardState] {
    let rows = try connection.query(
      """
      SELECT number, source_table, stream, shard, start_position, committed, ended FROM penstock.shard
      WHERE pipeline=$1 ORDER BY number
      """, [pipeline])
    var shards: [ShardState] = []
    for row in rows.values {
      guard let number = Int(row[0] ?? ""), let start = ShardState.Start(text: row[4] ?? "") else {
        throw unreadable("a shard's row", connection)
      }
      shards.append(
        ShardState(
          number: number, sourceTable: row[1] ?? "", stream: row[2] ?? "", shard: row[3] ?? "", start: start,
          committed: row[5].flatMap { SequenceNumber($0) }, isEnded: row[6] == "t"))
    }
    return shards
  }

  /// Writes new shards, or how far old ones have come, if `identity` still owns the pipeline.
  package func write(
    _ shards: [ShardState], _ identity: WriterIdentity, _ connection: Connection
  ) throws(Failure) {
    // In slices, as DSQL takes 3,000 rows in a transaction.
    for start in stride(from: 0, to: shards.count, by: Self.sliceRows) {
      try owning(identity, connection) { () throws(Failure) in
        for shard in shards[start..<min(start + Self.sliceRows, shards.count)] {
          try connection.query(
            """
            INSERT INTO penstock.shard (pipeline, number, source_table, stream, shard, start_position, committed, ended)
            VALUES ($1, $2::int, $3, $4, $5, $6, $7, $8::boolean) ON CONFLICT (pipeline, number) DO UPDATE SET
            committed=EXCLUDED.committed, ended=EXCLUDED.ended
            """,
            [
              pipeline, String(shard.number), shard.sourceTable, shard.stream, shard.shard, shard.start.text,
              shard.committed?.description, String(shard.isEnded),
            ])
        }
      }
    }
  }

  private static let sliceRows = 1000

  /// Forgets shards that the source does not list any more, if `identity` still owns the pipeline.
  package func forget(shards: [Int], _ identity: WriterIdentity, _ connection: Connection) throws(Failure) {
    for start in stride(from: 0, to: shards.count, by: Self.sliceRows) {
      let slice = shards[start..<min(start + Self.sliceRows, shards.count)].map { String($0) }.joined(separator: ",")
      try owning(identity, connection) { () throws(Failure) in
        try connection.query(
          """
          DELETE FROM penstock.shard WHERE pipeline=$1
          AND number IN (SELECT unnest(string_to_array($2, ',')::int[]))
          """, [pipeline, slice])
      }
    }
  }

  private func unreadable(_ what: String, _ connection: Connection) -> Failure {
    Failure(
      .sink, "\(what) in the state tables can't be read", location: connection.settings.place,
      hint: "Somebody has changed it: run penstock reset, then load again.")
  }

  // MARK: Items

  /// How the items of each source table become rows, as text of whoever decided it; none before the first run.
  package func itemMappings(_ connection: Connection) throws(Failure) -> [String: String] {
    let isThere = try connection.query("SELECT to_regclass('penstock.item_mapping') IS NOT NULL").single == "t"
    guard isThere else { return [:] }
    let rows = try connection.query(
      "SELECT source_table, mapping FROM penstock.item_mapping WHERE pipeline=$1", [pipeline])
    return Dictionary(rows.values.map { ($0[0] ?? "", $0[1] ?? "") }) { first, _ in first }
  }

  package func write(
    itemMapping: String, of table: String, _ identity: WriterIdentity, _ connection: Connection
  ) throws(Failure) {
    try owning(identity, connection) { () throws(Failure) in
      try connection.query(
        """
        INSERT INTO penstock.item_mapping (pipeline, source_table, mapping) VALUES ($1, $2, $3)
        ON CONFLICT (pipeline, source_table) DO UPDATE SET mapping=EXCLUDED.mapping
        """, [pipeline, table, itemMapping])
    }
  }
}
