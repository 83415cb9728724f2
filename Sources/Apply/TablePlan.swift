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
  /// Where the key lies inside a row, when its bytes can be used as they stand: one run of columns that
  /// all compare exactly.
  package let keyColumnsInRow: Range<Int>?
  /// Changes committed before it are in the loaded rows already and must not be applied again: for tables without
  /// a key, whose changes can't be repeated.
  package let appliesFrom: LSN

  package init(index: UInt32, mapping: TableMapping, isBinary: Bool, appliesFrom: LSN = .zero) {
    self.appliesFrom = appliesFrom
    self.index = index
    self.mapping = mapping
    self.isBinary = isBinary
    keyColumns = mapping.key.sorted()
    keyForms = keyColumns.map { column in
      let mapped = mapping.columns[column]
      // As text the target tells apart what the source's type calls equal.
      if mapped.castType == "text" { return .exact }
      return KeyForm(typeName: mapped.source.baseTypeName, binary: isBinary && mapped.binaryOID != nil)
    }
    if let first = keyColumns.first, keyColumns == Array(first..<(first + keyColumns.count)),
      keyForms.allSatisfy({ $0 == .exact })
    {
      keyColumnsInRow = first..<(first + keyColumns.count)
    } else if mapping.isKeyless {
      keyColumnsInRow = 0..<mapping.columns.count
    } else {
      keyColumnsInRow = nil
    }
  }

  /// The key columns of a whole row, each with its length, in the order in which keys travel.
  package func keyFields(of row: UnsafeRawBufferPointer) -> [UInt8] {
    guard let offsets = unsafe WireRow.fieldOffsets(row, columns: mapping.columns.count) else { return [] }
    var key: [UInt8] = []
    for column in keyColumns { unsafe key.append(contentsOf: WireRow.field(row, at: offsets[column])) }
    return key
  }
}
