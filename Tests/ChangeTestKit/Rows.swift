package import Apply
package import ChangeModel
package import SQLMapping

/// One column's value in a row of a test.
package enum Cell: Hashable, Sendable, ExpressibleByStringLiteral, ExpressibleByNilLiteral, CustomStringConvertible {
  case null, unchanged
  case bytes([UInt8])

  package init(stringLiteral value: String) { self = .bytes(Array(value.utf8)) }
  package init(nilLiteral: ()) { self = .null }
  package init(_ text: String?) { self = text.map { .bytes(Array($0.utf8)) } ?? .null }

  package var description: String {
    switch self {
    case .null: "NULL"
    case .unchanged: "…"
    case .bytes(let bytes): String(decoding: bytes, as: UTF8.self)
    }
  }

  /// The field as it travels, length first.
  package var field: [UInt8] {
    func length(_ value: Int32) -> [UInt8] { (0..<4).map { UInt8(truncatingIfNeeded: value >> (24 - 8 * $0)) } }
    return switch self {
    case .null: length(WireRow.null)
    case .unchanged: length(WireRow.unchanged)
    case .bytes(let bytes): length(Int32(bytes.count)) + bytes
    }
  }
}

/// A row as it travels.
package func wireRow(_ cells: [Cell]) -> [UInt8] { cells.flatMap(\.field) }

/// The cells of a row as it travels; `nil` when the bytes are no row of so many columns.
package func cells(_ row: UnsafeRawBufferPointer, columns: Int) -> [Cell]? {
  guard let offsets = WireRow.fieldOffsets(row, columns: columns) else { return nil }
  return offsets.map { offset in
    switch row.bigEndian(at: offset, as: Int32.self) {
    case WireRow.null: .null
    case WireRow.unchanged: .unchanged
    default: .bytes([UInt8](WireRow.field(row, at: offset)[4...]))
    }
  }
}

/// A plan for a table of columns of built-in types.
///
/// - Parameters:
///   - key: indexes of the key's columns in key order; empty for a table without a key.
///   - unique: indexes of columns that the source holds unique, each by itself.
///   - merging: how the table shares the target `t` with others; its last column then holds the origin.
package func tablePlan(
  _ types: [String], key: [Int], index: UInt32 = 0, name: String = "t", isBinary: Bool = false,
  appliesFrom: LSN = .zero, conversions: [Int: ValueConversion] = [:], unique: [Int] = [],
  merging: MergeRule? = nil
) -> TablePlan {
  let columns = types.enumerated().map { number, type in
    let known = BuiltinType.named(type)!
    let source = SourceColumn(
      name: "c\(number)", number: number + 1, typeOID: known.oid, typeName: type, formattedType: known.castName)
    return ColumnMapping(
      source: source, targetName: source.name, targetType: known.castName, castType: known.castName,
      binaryOID: conversions[number] == nil ? known.oid : nil, conversion: conversions[number] ?? .none)
  }
  var table = SourceTable(oid: 1, name: TableName("public", name), columns: columns.map(\.source))
  table.indexes = unique.map { SourceIndex(name: "u\($0)", isUnique: true, columns: ["c\($0)"]) }
  return TablePlan(
    index: index,
    mapping: TableMapping(
      source: table, target: merging == nil ? table.name : TableName("public", "t"), columns: columns, key: key,
      merge: merging),
    isBinary: isBinary, appliesFrom: appliesFrom)
}

/// A position with this commit LSN.
package func at(_ lsn: UInt64, _ ordinal: UInt64 = 1) -> StreamPosition {
  StreamPosition(commitLSN: LSN(lsn), ordinal: ordinal)
}
