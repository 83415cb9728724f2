internal import ChangeModel
internal import Postgres
internal import PostgresSource
internal import Runtime

/// Counts suspect rows of a table without a key again: whole tables are read, since nothing finds a single row.
///
/// The source is counted before and after the target. A number that did not change must be the target's too; of one
/// that did, the target's must lie in between.
struct BagSecondLook {
  /// How often rows are counted while the pipeline runs, before their numbers are held to differ.
  private static let roundsMax = 3

  let table: ComparedTable
  let index: Int
  let reader: RowReader
  let log: Log

  private struct Copies {
    var before = 0
    var target = 0
    var after = 0

    var isPlausible: Bool { min(before, after) <= target && target <= max(before, after) }
  }

  /// - Parameter keys: the suspects' digests, as `RowDigester` gives them for a key.
  /// - Returns: the rows of which there are not as many on both sides.
  func settle(_ keys: [[UInt8]], _ watch: inout PipelineWatch) throws(Failure) -> [RowDifference] {
    var suspects = Dictionary(keys.map { ($0, Copies()) }) { first, _ in first }
    for _ in 0..<Self.roundsMax where !suspects.isEmpty {
      try reader.retrying("counting rows again", log) { () throws(Failure) in try count(&suspects, &watch) }
      suspects = suspects.filter { !$1.isPlausible }
      if !watch.isRunning { break }
    }
    return suspects.sorted { $0.key.lexicographicallyPrecedes($1.key) }.map { key, copies in
      RowDifference(
        kind: copies.target < copies.after ? .missing : .extra, key: [],
        copies: .init(source: copies.after, target: copies.target, digest: key))
    }
  }

  private func count(_ suspects: inout [[UInt8]: Copies], _ watch: inout PipelineWatch) throws(Failure) {
    for key in suspects.keys { suspects[key] = Copies() }
    try read(.source, \.before, &suspects)
    let position = try ReplicationSlot.currentLSN(reader.connection(.source))
    try watch.wait(past: position, reader.connection(.source)) { () throws(Failure) in false }
    try read(.target, \.target, &suspects)
    try read(.source, \.after, &suspects)
  }

  private func read(
    _ side: Side, _ field: WritableKeyPath<Copies, Int>, _ suspects: inout [[UInt8]: Copies]
  ) throws(Failure) {
    let digester = RowDigester(table)
    try reader.connection(side).startCopy(table.copyStatement(RowRange(table: index), side))
    _ = try unsafe reader.readRows(table, side) { row throws(Failure) in
      try unsafe digester.read(row, side)
      let key = unsafe [UInt8](digester.key)
      if suspects[key] != nil { suspects[key]![keyPath: field] += 1 }
      return true
    }
  }
}
