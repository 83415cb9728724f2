package import ChangeModel
internal import SQLMapping

extension ItemMapping {
  /// The table as a catalog would describe it, so that it is mapped and made like any other.
  ///
  /// - Parameters:
  ///   - estimatedItems: as DynamoDB describes the table, every six hours or so.
  ///   - estimatedBytes: the same.
  package func sourceTable(estimatedItems: UInt64 = 0, estimatedBytes: UInt64 = 0) -> SourceTable {
    let columns = self.columns.enumerated().map { index, column in
      SourceColumn(
        name: column.name, number: index + 1, typeOID: column.type.builtin.oid, typeName: column.type.builtin.name,
        modifier: column.type.modifier, formattedType: column.type.formatted, isNotNull: index < key.count)
    }
    let primary = SourceIndex(
      name: "\(table.name)_pkey", isUnique: true, isPrimary: true, columns: columns[..<key.count].map(\.name))
    let heap = SourceHeap(
      oid: 0, name: table, pages: 0, bytes: estimatedBytes, estimatedRows: Double(estimatedItems), filenode: 0)
    return SourceTable(oid: 0, name: table, columns: columns, indexes: [primary], heaps: [heap])
  }

  /// Lines for `penstock plan`: where each column comes from, and why it has its type.
  package var notes: [String] {
    columns.map { column in
      let origin =
        switch column.content {
        case .value(let path): "attribute \(path)"
        case .document: "every attribute"
        case .overflow: "other attributes"
        }
      let epoch = column.epoch.map { ", \($0.rawValue)" } ?? ""
      return "\(origin) -> \(column.name) \(column.type.formatted)\(epoch): \(column.reason)"
    }
  }
}
