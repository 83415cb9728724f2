package import ChangeModel
package import SQLMapping

/// A table as the running pipeline sees it: its mapping, and how its values travel.
package final class TablePlan: Sendable {
  /// Index in the pipeline's list of tables; changes name their table by it.
  package let index: UInt32
  package let mapping: TableMapping
  /// Whether pass-through columns travel in binary form; every other column is text either way.
  package let isBinary: Bool
  /// Indexes of the key's columns in `mapping.columns`, ascending: the order in which keys travel.
  package let keyColumns: [Int]
  /// How they compare; empty for a table without a key.
  package let keyForms: [KeyForm]
  /// Whether some of them have no say in the choice of the lane.
  package let hasAmbiguousKey: Bool
  /// Where the key lies inside a row, when its bytes can be used as they stand: one run of columns that
  /// have no other form.
  package let keyColumnsInRow: Range<Int>?
  /// What tells its keys apart from other tables': its own index, or one that all tables of one target share.
  package let keySpace: UInt32
  /// Changes committed before it are in the loaded rows already and must not be applied again: for tables without
  /// a key, whose changes can't be repeated.
  package let appliesFrom: LSN

  package init(index: UInt32, mapping: TableMapping, isBinary: Bool, appliesFrom: LSN = .zero) {
    self.appliesFrom = appliesFrom
    self.index = index
    keySpace = mapping.merge.map { UInt32($0.group) } ?? index
    self.mapping = mapping
    self.isBinary = isBinary
    keyColumns = mapping.key.sorted()
    keyForms = keyColumns.map { KeyForm(mapping.columns[$0], isBinary: isBinary) }
    hasAmbiguousKey = keyForms.contains(.ambiguous)
    if let first = keyColumns.first, keyColumns == Array(first..<(first + keyColumns.count)),
      keyForms.allSatisfy({ $0 == .exact || $0 == .ambiguous })
    {
      keyColumnsInRow = first..<(first + keyColumns.count)
    } else if mapping.isKeyless {
      keyColumnsInRow = 0..<mapping.columns.count
    } else {
      keyColumnsInRow = nil
    }
  }

  /// What decides the lane of a key.
  ///
  /// - Parameter hash: of the whole key.
  package func laneHash(ofKey key: UnsafeRawBufferPointer, hash: UInt64) -> UInt64 {
    guard hasAmbiguousKey else { return hash }
    var lane = unsafe stableHash(UnsafeRawBufferPointer(start: nil, count: 0), seed: UInt64(keySpace))
    var offset = 0
    for form in keyForms {
      let field = unsafe WireRow.field(key, at: offset)
      if form != .ambiguous { lane = unsafe stableHash(field, seed: lane) }
      offset += field.count
    }
    return lane
  }

  /// Indexes of the columns of which a delete's row consists: the key's, and behind them the origin's of a merged table.
  package var nameColumns: [Int] { keyColumns + (mapping.merge.map { [$0.originColumn] } ?? []) }

  /// The key columns of a whole row, each with its length, in the order in which keys travel.
  package func keyFields(of row: UnsafeRawBufferPointer) -> [UInt8] { unsafe fields(keyColumns, of: row) }

  /// Some columns of a whole row, each with its length.
  package func fields(_ columns: [Int], of row: UnsafeRawBufferPointer) -> [UInt8] {
    guard let offsets = unsafe WireRow.fieldOffsets(row, columns: mapping.columns.count) else { return [] }
    var fields: [UInt8] = []
    for column in columns { unsafe fields.append(contentsOf: WireRow.field(row, at: offsets[column])) }
    return fields
  }
}
