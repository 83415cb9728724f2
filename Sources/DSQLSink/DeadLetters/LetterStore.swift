package import ChangeModel
package import Postgres

/// The dead letters of a pipeline in its target's `penstock.dead_letter`.
package struct LetterStore: Sendable {
  package let pipeline: String

  package init(pipeline: String) { self.pipeline = pipeline }

  /// A letter as the target tells of it.
  package struct Entry: Sendable {
    package var id: String
    package var sourceTable: String
    package var targetTable: String
    package var key: String?
    package var operation: DeadLetter.Operation
    package var position: String
    package var sqlState: String
    package var reason: String
    package var attempts: Int
    package var copies: Int
    /// parked, superseded or replayed.
    package var state: String
    package var parkedAt: String
  }

  static let parkSQL = """
    INSERT INTO penstock.dead_letter AS d (pipeline, id, source_table, target_table, key_values, operation, position, \
    sqlstate, reason, attempts, copies, row_values, state, parked_at) \
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 1, $10::int, $11, 'parked', now()) \
    ON CONFLICT (pipeline, id) DO UPDATE SET operation=EXCLUDED.operation, position=EXCLUDED.position, \
    sqlstate=EXCLUDED.sqlstate, reason=EXCLUDED.reason, attempts=d.attempts+1, \
    copies=CASE WHEN EXCLUDED.operation='add' AND d.state='parked' THEN d.copies ELSE 0 END + EXCLUDED.copies, \
    row_values=EXCLUDED.row_values, state='parked', parked_at=EXCLUDED.parked_at
    """

  static let supersedeSQL = """
    UPDATE penstock.dead_letter AS d SET copies=greatest(0, d.copies-u.n), \
    state=CASE WHEN d.copies<=u.n THEN 'superseded' ELSE d.state END \
    FROM unnest(string_to_array($2, ','), string_to_array($3, ',')::int[]) AS u(id, n) \
    WHERE d.pipeline=$1 AND d.id=u.id AND d.state='parked'
    """

  /// Whether this target has room for letters: its state tables may be of an older Penstock.
  package func exists(_ connection: Connection) throws(Failure) -> Bool {
    try connection.query("SELECT to_regclass('penstock.dead_letter_part') IS NOT NULL").single == "t"
  }

  /// Table and id of every letter that waits.
  package func parked(_ connection: Connection) throws(Failure) -> [(table: String, id: String)] {
    try connection.query(
      "SELECT source_table, id FROM penstock.dead_letter WHERE pipeline=$1 AND state='parked'", [pipeline]
    ).values.map { ($0[0] ?? "", $0[1] ?? "") }
  }

  /// All letters, the oldest first.
  package func list(_ connection: Connection) throws(Failure) -> [Entry] {
    let rows = try connection.query(
      """
      SELECT id, source_table, target_table, key_values, operation, position, sqlstate, reason, attempts, copies, state,
      parked_at FROM penstock.dead_letter WHERE pipeline=$1 ORDER BY parked_at, id
      """, [pipeline])
    return rows.values.map { row in
      Entry(
        id: row[0] ?? "", sourceTable: row[1] ?? "", targetTable: row[2] ?? "", key: row[3],
        operation: DeadLetter.Operation(rawValue: row[4] ?? "") ?? .upsert, position: row[5] ?? "",
        sqlState: row[6] ?? "", reason: row[7] ?? "", attempts: Int(row[8] ?? "") ?? 0, copies: Int(row[9] ?? "") ?? 0,
        state: row[10] ?? "", parkedAt: row[11] ?? "")
    }
  }

  /// The row of a letter, a JSON object; `nil` when the letter is gone.
  package func row(of id: String, _ connection: Connection) throws(Failure) -> String? {
    let first = try connection.query(
      "SELECT row_values FROM penstock.dead_letter WHERE pipeline=$1 AND id=$2", [pipeline, id])
    guard let first = first.single else { return nil }
    let rest = try connection.query(
      "SELECT row_values FROM penstock.dead_letter_part WHERE pipeline=$1 AND id=$2 ORDER BY part", [pipeline, id])
    return first + rest.values.map { $0[0] ?? "" }.joined()
  }

  /// Writes the pieces of a row beyond the first, each in a transaction that commits only if `identity` still owns the
  /// pipeline. Until the letter itself is written nobody reads them.
  package func writeParts(
    of letter: DeadLetter, _ identity: WriterIdentity, _ connection: Connection
  ) throws(Failure) {
    let store = StateStore(pipeline: pipeline)
    let parts = letter.pieces.dropFirst()
    try store.owning(identity, connection) { () throws(Failure) in
      try connection.query(
        "DELETE FROM penstock.dead_letter_part WHERE pipeline=$1 AND id=$2", [pipeline, letter.id])
    }
    for (part, text) in parts.enumerated() {
      try store.owning(identity, connection) { () throws(Failure) in
        try connection.query(
          """
          INSERT INTO penstock.dead_letter_part (pipeline, id, part, row_values) VALUES ($1, $2, $3::int, $4)
          ON CONFLICT (pipeline, id, part) DO UPDATE SET row_values=EXCLUDED.row_values
          """, [pipeline, letter.id, String(part), text])
      }
    }
  }

  /// Lets letters of a table rest, whose rows are emptied or loaded anew.
  ///
  /// - Parameter position: only those of one chunk.
  package func supersede(
    _ sourceTable: String, position: String? = nil, _ identity: WriterIdentity, _ connection: Connection
  ) throws(Failure) {
    // In slices, as DSQL takes 3,000 rows in a transaction.
    var changed = 1
    while changed > 0 {
      try StateStore(pipeline: pipeline).owning(identity, connection) { () throws(Failure) in
        changed =
          try connection.query(
            """
            UPDATE penstock.dead_letter SET state='superseded' WHERE pipeline=$1 AND state='parked' AND id IN
            (SELECT id FROM penstock.dead_letter WHERE pipeline=$1 AND source_table=$2 AND state='parked'
            AND position=coalesce($3, position) LIMIT 2000)
            """, [pipeline, sourceTable, position]
          ).affected
      }
    }
  }

  /// Forgets letters with their rows, as many as there are.
  ///
  /// - Parameter ids: `nil` for all of the pipeline.
  /// - Returns: how many letters are gone.
  @discardableResult
  package func remove(_ ids: [String]? = nil, _ connection: Connection) throws(Failure) -> Int {
    var letters = 0
    // In slices, as DSQL takes 3,000 rows and 10 MiB in a transaction.
    for (table, key, slice) in [("dead_letter_part", "id, part", 8), ("dead_letter", "id", 500)] {
      var gone = 1
      while gone > 0 {
        gone =
          try connection.query(
            """
            DELETE FROM penstock.\(table) WHERE pipeline=$1 AND (\(key)) IN (SELECT \(key) FROM penstock.\(table)
            WHERE pipeline=$1 AND ($2::text IS NULL OR id = ANY(string_to_array($2, ','))) LIMIT \(slice))
            """, [pipeline, ids?.joined(separator: ",")]
          ).affected
        if table == "dead_letter" { letters += gone }
      }
    }
    return letters
  }
}
