internal import Apply
internal import ChangeModel
internal import DSQLSink
internal import Postgres
internal import SQLMapping

/// One of the two servers.
enum Side: Sendable { case source, target }

/// A table with everything that reading and comparing its rows needs.
struct ComparedTable: Sendable {
  let mapping: TableMapping
  let columns: [ColumnComparison]
  /// Indexes in `columns` of the key, in the key's order. Empty for a bag of rows, as which rows are compared too whose
  /// key is computed: the source can't look for it.
  let key: [Int]
  let access: [KeyAccess]
  /// Whether a row's bytes can be compared as they come, by side.
  let isExact: Bool
  let convertsSource: Bool

  /// - Throws: when the target lacks the table or one of its columns.
  init(
    _ mapping: TableMapping, source: [String: StoredColumn], target: [String: StoredColumn], isDSQL: Bool
  ) throws(Failure) {
    self.mapping = mapping
    if target.isEmpty {
      throw Failure(
        .sink, "table \(mapping.target) does not exist in the target", location: "\(mapping.source.name)",
        hint: "Run penstock run first: it creates and fills the table.")
    }
    var columns: [ColumnComparison] = []
    var access: [Int: KeyAccess] = [:]
    // No source has the origin column of a merged table.
    for (index, mapped) in mapping.columns.enumerated() where index != mapping.merge?.originColumn {
      guard let found = target[mapped.targetName] else {
        throw Failure(
          .sink, "table \(mapping.target) has no column \"\(mapped.targetName)\"", location: "\(mapping.target)",
          hint: "Add the column to the target and load the table again.")
      }
      let isKey = mapping.key.contains(index)
      let comparison =
        mapping.transform == nil
        ? ColumnComparison(mapped, found, isKey: isKey)
        : ColumnComparison(transformed: mapped, found, isDSQL: isDSQL)
      columns.append(comparison)
      guard isKey, let own = mapping.transform == nil ? mapped : mapping.transform?.passed[index] else { continue }
      let isByteOrdered = source[own.source.name]?.isByteOrdered ?? false
      access[index] = KeyAccess(
        own, found, comparison, .init(sourceIsByteOrdered: isByteOrdered, isDSQL: isDSQL))
    }
    self.columns = columns
    key = access.count == mapping.key.count ? mapping.key : []
    self.access = key.compactMap { access[$0] }
    isExact = columns.allSatisfy { $0.form == .exact }
    convertsSource = columns.contains { $0.conversion != .none }
  }

  /// Whether a range of the key can be read on the source without reading all of it.
  var isCheapToCut: Bool { access.first?.isIndexed ?? false }

  func name(_ side: Side) -> String {
    switch side {
    case .source: mapping.source.kind == .partitioned ? sourceName : "ONLY " + sourceName
    case .target:
      mapping.ownRows.map { "(SELECT * FROM \(mapping.target.quoted) WHERE \($0)) AS own" } ?? mapping.target.quoted
    }
  }

  private var sourceName: String { mapping.source.name.quoted }

  /// How many columns a side sends; the source's become the target's by the transform.
  func columnCount(_ side: Side) -> Int {
    side == .source ? mapping.transform?.inputs.count ?? columns.count : columns.count
  }

  private func selectList(_ side: Side) -> String {
    if side == .source, let input = mapping.input { return input.sourceSelectList(.text) }
    return columns.map { side == .source ? $0.source : $0.target }.joined(separator: ", ")
  }

  /// Sends the rows of a range.
  func copyStatement(_ range: RowRange, _ side: Side) -> String {
    var parts: [String] = []
    if let lower = range.lower { parts.append(comparison(">=", lower, side)) }
    if let upper = range.upper { parts.append(comparison("<", upper, side)) }
    let condition = parts.isEmpty ? "" : " WHERE " + parts.joined(separator: " AND ")
    return "COPY (SELECT \(selectList(side)) FROM \(name(side))\(condition)) TO STDOUT (FORMAT binary)"
  }

  /// Sends the rows with these keys, each a text by key column.
  func copyStatement(keys: [[String]], _ side: Side) -> String {
    let values = keys.map { "(" + $0.map { quotedLiteral($0) + "::text" }.joined(separator: ",") + ")" }
    let names = access.indices.map { "penstock_\($0)" }
    let match = access.enumerated().map { index, access in
      side == .source
        ? "\(access.source) = penstock_\(index)::\(access.sourceCast)"
        : "\(access.target) = penstock_\(index)::\(access.targetCast)"
    }
    return """
      COPY (SELECT \(selectList(side)) FROM \(name(side)) JOIN (VALUES \(values.joined(separator: ","))) \
      AS penstock_keys(\(names.joined(separator: ", "))) ON \(match.joined(separator: " AND "))) \
      TO STDOUT (FORMAT binary)
      """
  }

  /// The key's expressions in the order in which ranges are cut.
  func orderExpressions(_ side: Side) -> [String] {
    access.map { side == .source ? $0.source + $0.sourceCollation : $0.target + $0.targetCollation }
  }

  private func comparison(_ operation: String, _ bound: [String], _ side: Side) -> String {
    let values = zip(bound, access).map { value, access in
      quotedLiteral(value) + "::" + (side == .source ? access.sourceCast : access.targetCast)
    }
    let names = orderExpressions(side)
    if names.count == 1 { return "\(names[0]) \(operation) \(values[0])" }
    return "(\(names.joined(separator: ", "))) \(operation) (\(values.joined(separator: ", ")))"
  }
}

/// A part of a table that is compared at once.
struct RowRange: Hashable, Sendable {
  /// Index of the table.
  var table: Int
  /// The texts of the first key in it; `nil` is open.
  var lower: [String]?
  /// The texts of the first key after it; `nil` is open.
  var upper: [String]?
  /// The range is read so many times, each time only every so manyth key is looked at: for what can't be cut.
  var slices: UInt64 = 1
  /// Which of them.
  var slice: UInt64 = 0

  /// Its two halves, read one after the other.
  var halves: [RowRange] {
    [slice, slice + slices].map { number in
      RowRange(table: table, lower: lower, upper: upper, slices: slices * 2, slice: number)
    }
  }

  func holds(_ keyHash: UInt64) -> Bool { slices == 1 || (keyHash >> 32) % slices == slice }
}
