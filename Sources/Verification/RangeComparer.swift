internal import ChangeModel
internal import Postgres
internal import Runtime
internal import SQLMapping

/// What the first look at a range found.
struct RangeResult: Sendable {
  var range: RowRange
  var sourceRows = 0
  var targetRows = 0
  var bytes = 0
  /// Keys whose rows differ, or digests of bagged rows whose numbers differ.
  var suspects: [[UInt8]] = []
  /// Suspects that found no room.
  var overlooked = 0
}

/// Compares ranges, one at a time: the source's rows are remembered by key, the target's are held against them.
final class RangeComparer {
  private let reader: RowReader
  private let memoryBytes: Int
  private var rows = KeyedRows()

  /// - Parameter memoryBytes: what the remembered rows may take.
  init(_ reader: RowReader, memoryBytes: Int) {
    self.reader = reader
    self.memoryBytes = memoryBytes
  }

  /// Looks at a range of a table once; in more than one pass if memory does not hold its keys.
  ///
  /// - Parameter suspectsMax: how many suspects may be returned.
  func compare(
    _ range: RowRange, _ table: ComparedTable, suspectsMax: Int
  ) throws(Failure) -> [RangeResult] {
    if let result = try look(range, table, suspectsMax) { return [result] }
    reader.discard()
    var results: [RangeResult] = []
    for half in range.halves {
      let room = results.reduce(suspectsMax) { $0 - $1.suspects.count }
      results += try compare(half, table, suspectsMax: room)
    }
    return results
  }

  /// - Returns: `nil` when the range does not fit into memory.
  private func look(_ range: RowRange, _ table: ComparedTable, _ suspectsMax: Int) throws(Failure) -> RangeResult? {
    rows.removeAll()
    var result = RangeResult(range: range)
    try reader.connection(.source).startCopy(table.copyStatement(range, .source))
    let isWide = table.mapping.source.hasWideRows
    // Both servers begin to work at once.
    if !isWide { try reader.connection(.target).startCopy(table.copyStatement(range, .target)) }
    guard try read(.source, range, table, &result) else { return nil }
    if isWide {
      // A session keeps the memory of its largest row for as long as it lives.
      reader.discard()
      try reader.connection(.target).startCopy(table.copyStatement(range, .target))
    }
    guard try read(.target, range, table, &result) else { return nil }
    if isWide { reader.discard() }
    for entry in rows.entries where entry.copies != 0 || entry.isDifferent {
      if result.suspects.count < suspectsMax {
        unsafe result.suspects.append([UInt8](rows.key(of: entry)))
      } else {
        result.overlooked += 1
      }
    }
    return result
  }

  private func read(
    _ side: Side, _ range: RowRange, _ table: ComparedTable, _ result: inout RangeResult
  ) throws(Failure) -> Bool {
    let digester = RowDigester(table)
    var (count, bytes) = (0, 0)
    let isWhole = try unsafe reader.readRows(table, side) { row throws(Failure) in
      bytes += row.count
      try unsafe digester.read(row, side)
      guard range.holds(digester.keyHash) else { return true }
      count += 1
      unsafe rows.add(digester.key, digester.keyHash, digester.digest, side)
      return rows.footprint <= memoryBytes || rows.entries.count < 2
    }
    if side == .source { result.sourceRows = count } else { result.targetRows = count }
    result.bytes += bytes
    return isWhole
  }
}
