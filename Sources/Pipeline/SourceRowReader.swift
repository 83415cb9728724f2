internal import Apply
internal import ChangeModel
internal import DSQLSink
internal import Postgres
internal import SQLMapping

/// Reads single rows from the source by key, over a session of its own each time, as it is needed rarely.
struct SourceRowReader: SourceRows {
  let source: ConnectionSettings

  func fetch(_ plan: TablePlan, keys: [[UInt8]]) throws(Failure) -> [[UInt8]?] {
    let connection = try Connection(source)
    var rows: [[UInt8]?] = Array(repeating: nil, count: keys.count)
    let format: WireFormat = plan.isBinary ? .binary : .text
    let types = plan.keyColumns.map { elementType(plan, $0) }
    let sliceCount = plan.mapping.source.hasWideRows ? 1 : 200
    var start = 0
    while start < keys.count {
      let slice = start..<min(start + sliceCount, keys.count)
      var parameters = ArrayParameters()
      parameters.begin(elementTypes: types)
      for key in keys[slice] {
        unsafe key.withUnsafeBytes { unsafe parameters.append(row: $0, columns: types.count) }
      }
      let found = try unsafe connection.binaryRows(
        statement(plan, format), types: types.map { BuiltinType.arrayOID(of: $0) ?? 0 },
        parameters.finish(columns: types.count))
      for row in found { try place(row, of: plan.mapping, from: slice.lowerBound, in: &rows) }
      start = slice.upperBound
    }
    return rows
  }

  /// The row's first field is its key's number in the arrays, from 1.
  private func place(
    _ row: [[UInt8]?], of mapping: TableMapping, from start: Int, in rows: inout [[UInt8]?]
  ) throws(Failure) {
    guard let ordinal = row.first??.reduce(0, { $0 << 8 | Int($1) }), ordinal >= 1, start + ordinal <= rows.count else {
      throw Failure(.source, "a row read by key came back without its number", location: source.place)
    }
    var wire = ByteBuffer(capacity: 256)
    for (column, field) in row.dropFirst().enumerated() {
      guard let field else {
        wire.append(bigEndian: WireRow.null)
        continue
      }
      let conversion = mapping.columns[column].conversion
      if conversion == .none {
        wire.append(bigEndian: Int32(field.count))
        wire.append(field)
      } else {
        let converted: Result<Void, Failure> = unsafe field.withUnsafeBytes { value in
          Result { () throws(Failure) in try unsafe appendConverted(value, conversion, mapping, column, to: &wire) }
        }
        try converted.get()
      }
    }
    rows[start + ordinal - 1] = unsafe [UInt8](wire.bytes)
  }

  private func elementType(_ plan: TablePlan, _ column: Int) -> UInt32 {
    plan.isBinary ? plan.mapping.columns[column].binaryOID ?? BuiltinType.textOID : BuiltinType.textOID
  }

  private func statement(_ plan: TablePlan, _ format: WireFormat) -> String {
    let mapping = plan.mapping
    let arrays = plan.keyColumns.enumerated().map { position, column in
      let type = BuiltinType.of(elementType(plan, column))?.castName ?? "text"
      return "$\(position + 1)::\(type)[]"
    }
    let names = plan.keyColumns.map { "penstock_\($0)" } + ["penstock_ordinal"]
    let match = plan.keyColumns.map { column in
      let mapped = mapping.columns[column]
      let name = quotedIdentifier(mapped.source.name)
      if format == .binary, mapped.binaryOID != nil { return "\(name) = penstock_\(column)" }
      // A cast of the parameter lets the source use its index; other types compare as text.
      if mapped.binaryOID != nil { return "\(name) = penstock_\(column)::\(mapped.castType)" }
      return "\(mapped.sourceExpression(.text)) = penstock_\(column)"
    }
    return """
      SELECT penstock_ordinal, \(mapping.sourceSelectList(format)) FROM \(mapping.source.name.quoted)
      JOIN unnest(\(arrays.joined(separator: ", "))) WITH ORDINALITY AS u(\(names.joined(separator: ", ")))
      ON \(match.joined(separator: " AND "))
      """
  }
}
