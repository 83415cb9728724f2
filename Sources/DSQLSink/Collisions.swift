package import ChangeModel
package import Postgres
package import Runtime
package import SQLMapping
internal import Synchronization

/// How often rows of merged tables found their keys held by rows of other tables, where that does not stop the pipeline:
/// counted by all writers of a run, and said now and then.
package final class Collisions: Sendable {
  private static let silence = Duration.seconds(60)

  private let total = Atomic<Int>(0)
  /// When it was said last.
  private let saidAt = Mutex<Duration?>(nil)

  package init() {}

  /// Since the instance began.
  package var count: Int { total.load(ordering: .relaxed) }

  /// Takes note of a committed transaction's; the first is said at once, later ones once a minute.
  package func note(_ rows: Int, in mapping: TableMapping, _ log: Log) {
    guard rows > 0, let merge = mapping.merge else { return }
    let all = total.add(rows, ordering: .relaxed).newValue
    let isDue = saidAt.withLock { last in
      let now = monotonicNow()
      if let last, now - last < Self.silence { return false }
      last = now
      return true
    }
    guard isDue else { return }
    let fate = merge.policy == .keepFirst ? "they were left out" : "they have taken their place"
    log.warning(
      "\(mapping.target): \(rows) rows of \(mapping.source.name) have keys of other tables' rows; \(fate) "
        + "(on-collision: \(merge.policy.rawValue)). So far: \(all)")
  }
}

extension CollisionStatements {
  /// Why rows can't be written: one of them, with the key and both origins.
  ///
  /// - Parameter parameters: those of the statements, valid during the call.
  /// - Returns: `nil` when none collides any more.
  package func failure(
    _ parameters: [ParameterBytes], in mapping: TableMapping, _ connection: Connection
  ) throws(Failure) -> Failure? {
    let rows = try unsafe connection.binaryRows(first.sql, types: first.types, parameters)
    guard let found = rows.first, found.count == mapping.key.count + 2 else { return nil }
    let texts = found.map { String(decoding: $0 ?? [], as: UTF8.self) }
    let names = mapping.key.map { mapping.columns[$0].targetName }.joined(separator: ", ")
    return Failure(
      .sink,
      "two source rows have the key (\(names)) = (\(texts.dropFirst(2).joined(separator: ", "))): \(texts[0]) is there, "
        + "\(texts[1]) comes", location: "\(mapping.target)",
      hint: "Change one of the two at the source, or set on-collision of the route to last-writer or keep-first.")
  }
}
