internal import ChangeModel
internal import Postgres
internal import SQLMapping

/// Cuts a table into ranges of its key that mean the same on both sides, by a sample of the source.
struct RangePlanner {
  /// Rows of a range when the source's index finds them.
  static let rowsWhenCheap = 50_000.0
  private static let rangesMax = 20_000
  /// Sampled pages for a range, so that ranges are of about one size.
  private static let pagesPerRange = 4.0
  private static let rowsPerRange = 40.0

  /// What a worker may hold in memory.
  let workerBytes: Int

  /// Rows of a range when every range costs a look at the whole table: as many as memory takes.
  private var rowsWhenDear: Double { Double(workerBytes) / 100 }

  func ranges(of table: ComparedTable, index: Int, _ source: Connection) throws(Failure) -> [RowRange] {
    let pages = table.mapping.source.heaps.reduce(0.0) { $0 + Double($1.pages) }
    let known = table.mapping.source.heaps.allSatisfy { $0.estimatedRows >= 0 }
    let rows = max(1, known ? table.mapping.source.estimatedRows : pages * 60)
    let whole = RowRange(table: index)
    let wanted = rows / (table.isCheapToCut ? Self.rowsWhenCheap : rowsWhenDear)
    let count = Int(min(Double(Self.rangesMax), wanted.rounded(.up)))
    guard count > 1 else { return [whole] }
    guard !table.key.isEmpty else {
      return (0..<count).map { RowRange(table: index, slices: UInt64(count), slice: UInt64($0)) }
    }
    let bounds = try sampledBounds(table, count, rows: rows, pages: pages, source)
    return (0...bounds.count).map { piece in
      RowRange(
        table: index, lower: piece == 0 ? nil : bounds[piece - 1], upper: piece == bounds.count ? nil : bounds[piece])
    }
  }

  /// Up to `count - 1` keys, in order, that cut the table into parts of about the same number of rows.
  private func sampledBounds(
    _ table: ComparedTable, _ count: Int, rows: Double, pages: Double, _ source: Connection
  ) throws(Failure) -> [[String]] {
    let share = max(Double(count) * Self.rowsPerRange / rows, Double(count) * Self.pagesPerRange / max(1, pages))
    let percent = min(100, 100 * share)
    let method = pages >= 1000 ? "SYSTEM" : "BERNOULLI"
    let names = table.key.indices.map { "penstock_\($0)" }
    let list = zip(table.access, names).map { "\($0.source) AS \($1)" }.joined(separator: ", ")
    let samples = table.mapping.source.heaps.map { heap in
      "SELECT \(list) FROM ONLY \(heap.name.quoted) TABLESAMPLE \(method) (\(percent))"
    }
    let order = zip(names, table.access).map { $0 + $1.sourceCollation }.joined(separator: ", ")
    let texts = names.map { $0 + "::text" }.joined(separator: ", ")
    let found = try source.query(
      """
      SELECT \(texts) FROM (SELECT *, row_number() OVER (ORDER BY \(order)) AS penstock_row, count(*) OVER () AS penstock_rows
      FROM (\(samples.joined(separator: " UNION ALL "))) AS penstock_sample) AS penstock_ordered
      WHERE penstock_row * \(count) / penstock_rows <> (penstock_row - 1) * \(count) / penstock_rows
      AND penstock_row < penstock_rows ORDER BY penstock_row
      """)
    var bounds: [[String]] = []
    for row in found.values {
      let bound = row.map { $0 ?? "" }
      if bounds.last != bound { bounds.append(bound) }
    }
    return bounds
  }
}
