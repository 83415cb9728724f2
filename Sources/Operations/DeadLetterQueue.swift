package import ChangeModel
package import DSQLSink
internal import Foundation
package import Pipeline
internal import Postgres
internal import Runtime
internal import SQLMapping
package import Settings

/// The dead letters of a pipeline, for the one who looks after it. Works whether the pipeline runs or not.
package struct DeadLetterQueue {
  private let store: LetterStore
  private let connection: Connection

  /// - Throws: when the target can't be reached.
  package init(_ settings: PipelineSettings, _ endpoints: Endpoints) throws(Failure) {
    self.init(pipeline: settings.name, try Connection(endpoints.sink.connection))
  }

  init(pipeline: String, _ connection: Connection) {
    store = LetterStore(pipeline: pipeline)
    self.connection = connection
  }

  /// A letter with its row.
  package struct Letter: Sendable {
    package var entry: LetterStore.Entry
    /// A JSON object.
    package var row: String
  }

  /// What became of one letter's replay.
  package enum ReplayEnd: Sendable {
    /// The row is in the target.
    case written
    /// It does not wait any more: a newer change of its key was written, or parked, or it was replayed before.
    case passed
    /// The target refuses it again; the letter stays.
    case refused(Failure)
  }

  /// All letters, the oldest first.
  /// - Parameter waiting: only those that are parked.
  package func list(waiting: Bool) throws(Failure) -> [LetterStore.Entry] {
    guard try store.exists(connection) else { return [] }
    return try store.list(connection).filter { !waiting || $0.state == "parked" }
  }

  /// The letters that these beginnings of ids name.
  /// - Throws: when one names no letter, or more than one.
  package func letters(_ prefixes: [String], among entries: [LetterStore.Entry]) throws(Failure) -> [LetterStore.Entry]
  {
    var found: [LetterStore.Entry] = []
    for prefix in prefixes {
      let matching = entries.filter { $0.id.hasPrefix(prefix) }
      guard matching.count == 1 else {
        throw Failure(
          .configuration, "\(matching.count) letters have an id that begins with \"\(prefix)\"",
          location: "pipeline \(store.pipeline)", hint: "penstock dlq list --all shows all ids.")
      }
      if !found.contains(where: { $0.id == matching[0].id }) { found += matching }
    }
    return found
  }

  package func row(of entry: LetterStore.Entry) throws(Failure) -> Letter {
    Letter(entry: entry, row: try store.row(of: entry.id, connection) ?? "{}")
  }

  /// Forgets letters with their rows.
  /// - Returns: how many are gone.
  package func drop(_ entries: [LetterStore.Entry]) throws(Failure) -> Int {
    var gone = 0
    for start in stride(from: 0, to: entries.count, by: 200) {
      gone += try store.remove(entries[start..<min(start + 200, entries.count)].map(\.id), connection)
    }
    return gone
  }

  /// Writes a letter's row and takes the letter out of the queue, in one transaction.
  ///
  /// The letter's own row decides: a lane that writes a newer row of the key changes it in the same transaction, so of the
  /// two one waits for the other, or fails, and a replay that comes second finds that the letter has passed.
  package func replay(_ entry: LetterStore.Entry) throws(Failure) -> ReplayEnd {
    if entry.operation == .unmade {
      return .refused(
        Failure(
          .source, "its transform could not make its row; changed at the source, the row comes again",
          location: entry.sourceTable))
    }
    var backoff = Backoff(conflictsWithin: .seconds(30))
    while true {
      let failure: Failure
      do throws(Failure) {
        return try replayOnce(entry)
      } catch {
        failure = error
      }
      if !connection.isAlive { throw failure }
      if connection.isInTransaction { try connection.query("ROLLBACK") }
      switch failure.rule.action {
      case .isolate, .split, .replaySerially:
        try connection.query(
          """
          UPDATE penstock.dead_letter SET attempts=attempts+1, sqlstate=$3, reason=$4
          WHERE pipeline=$1 AND id=$2 AND state='parked'
          """, [store.pipeline, entry.id, failure.state?.code ?? "", failure.message])
        return .refused(failure)
      case .repeatTransaction, .refreshCatalog, .lookAndRepeat:
        guard let delay = backoff.next(now: monotonicNow(), random: .random(in: 0..<1)) else { throw failure }
        Wakeup().wait(for: delay)
      case .reconnect, .refreshToken, .stop: throw failure
      }
    }
  }

  private func replayOnce(_ entry: LetterStore.Entry) throws(Failure) -> ReplayEnd {
    try connection.query("BEGIN")
    let taken = try connection.query(
      """
      UPDATE penstock.dead_letter SET state='replayed', attempts=attempts+1
      WHERE pipeline=$1 AND id=$2 AND position=$3 AND copies=$4::int AND state='parked'
      """, [store.pipeline, entry.id, entry.position, String(entry.copies)])
    guard taken.affected == 1, let row = try store.row(of: entry.id, connection) else {
      try connection.query("ROLLBACK")
      return .passed
    }
    let values = try columns(of: row, entry)
    let key = Set(try entry.key.map { key throws(Failure) in try columns(of: key, entry).map(\.name) } ?? [])
    let (sql, parameters) = Self.statement(entry, values, key: key)
    for _ in 0..<(entry.operation == .add ? entry.copies : 1) {
      if let sql { try connection.query(sql, parameters) }
    }
    try connection.query("COMMIT")
    return .written
  }

  /// The columns of a letter's JSON object, by name.
  private func columns(
    of json: String, _ entry: LetterStore.Entry
  ) throws(Failure) -> [(name: String, value: String?)] {
    let object = try? JSONSerialization.jsonObject(with: Data(json.utf8)) as? [String: Any]
    guard let object else { throw unreadable(entry, "its row is no JSON object") }
    var columns: [(name: String, value: String?)] = []
    for (name, value) in object.sorted(by: { $0.key < $1.key }) {
      switch value {
      case let text as String: columns.append((name, text))
      case is NSNull: columns.append((name, nil))
      default: throw unreadable(entry, "column \"\(name)\" holds bytes that are no text")
      }
    }
    return columns
  }

  private func unreadable(_ entry: LetterStore.Entry, _ reason: String) -> Failure {
    Failure(
      .sink, "letter \(entry.id) can't be replayed: \(reason)", location: entry.sourceTable,
      hint: "Change the row at the source, which writes it anew, and drop the letter.")
  }

  /// What writes the row; `nil` when there is nothing to write.
  static func statement(
    _ entry: LetterStore.Entry, _ values: [(name: String, value: String?)], key: Set<String>
  ) -> (sql: String?, parameters: [String?]) {
    let table = entry.targetTable
    let names = values.map { quotedIdentifier($0.name) }
    let rest = values.indices.filter { !key.contains(values[$0].name) }
    func equal(_ indexes: [Int], _ separator: String) -> String {
      indexes.map { "\(names[$0])=$\($0 + 1)" }.joined(separator: separator)
    }
    let keys = values.indices.filter { key.contains(values[$0].name) }
    switch entry.operation {
    case .unmade: return (nil, [])
    case .delete: return ("DELETE FROM \(table) WHERE \(equal(keys, " AND "))", values.map(\.value))
    case .patch:
      if rest.isEmpty { return (nil, []) }
      return ("UPDATE \(table) SET \(equal(rest, ", ")) WHERE \(equal(keys, " AND "))", values.map(\.value))
    case .upsert, .add:
      let list = names.joined(separator: ", ")
      let places = values.indices.map { "$\($0 + 1)" }.joined(separator: ", ")
      var sql = "INSERT INTO \(table) (\(list)) VALUES (\(places))"
      if entry.operation == .upsert {
        sql += " ON CONFLICT (\(keys.map { names[$0] }.joined(separator: ", "))) DO "
        sql +=
          rest.isEmpty
          ? "NOTHING" : "UPDATE SET " + rest.map { "\(names[$0])=EXCLUDED.\(names[$0])" }.joined(separator: ", ")
      }
      return (sql, values.map(\.value))
    }
  }
}
