internal import Apply
package import ChangeModel
package import SQLMapping

/// Makes a target table's rows from the rows that are read, for one thread: the transform, then what each type becomes.
package final class TableRows {
  private let mapping: TableMapping
  private let rows: RowTransform
  private let keys: RowTransform
  /// The key's columns of the target, ascending: the order in which keys travel.
  private let keyColumns: [Int]
  /// Columns that the transform makes: all but the origin.
  private let madeColumns: [Int]
  /// Whether a type asks for more than the transform's own text, by whole row and by key.
  private let rowConverts: Bool
  private let keyConverts: Bool
  private let needed: Set<Int>
  private let inputKey: [Int]
  private let inputs: [ColumnMapping]
  private var plain = ByteBuffer(capacity: 1024)

  /// - Parameter mapping: of a table that has a transform.
  package init(_ mapping: TableMapping) throws(Failure) {
    guard let transform = mapping.transform else { preconditionFailure("the table has no transform") }
    self.mapping = mapping
    keyColumns = mapping.key.sorted()
    madeColumns = Array(transform.checked.outputs.indices)
    rowConverts = mapping.hasConversion(madeColumns)
    keyConverts = mapping.hasConversion(keyColumns)
    needed = transform.needed
    (inputs, inputKey) = (transform.inputs, transform.inputKey)
    rows = try RowTransform(transform.checked)
    keys = try RowTransform(transform.checked.limited(to: keyColumns))
  }

  /// Appends what becomes of a row.
  ///
  /// - Parameter row: a `WireRow` of the columns of `TableMapping.input`.
  /// - Returns: false, with nothing appended, when the filter leaves the row out.
  /// - Throws: a failure that names table, key and column, never a value.
  package func append(_ row: UnsafeRawBufferPointer, to out: inout ByteBuffer) throws(Failure) -> Bool {
    guard try unsafe append(row, by: rows, columns: madeColumns, converts: rowConverts, to: &out) else { return false }
    unsafe appendOrigin(of: row, to: &out)
    return true
  }

  /// Appends the key's fields of the target in the order in which keys travel, whatever the filter says; in a merged table
  /// the origin behind them.
  ///
  /// - Parameter row: needs the source's key columns only; others may be NULL.
  package func appendKey(_ row: UnsafeRawBufferPointer, to out: inout ByteBuffer) throws(Failure) {
    _ = try unsafe append(row, by: keys, columns: keyColumns, converts: keyConverts, to: &out)
    unsafe appendOrigin(of: row, to: &out)
  }

  /// Appends a row of the target that has its key and where it comes from, and is NULL otherwise: for one that can't be
  /// made.
  ///
  /// - Throws: when not even the key can be computed.
  package func appendRefused(_ row: UnsafeRawBufferPointer, to out: inout ByteBuffer) throws(Failure) {
    var key = ByteBuffer(capacity: 256)
    try unsafe appendKey(row, to: &key)
    var offset = 0
    for column in mapping.columns.indices {
      // The origin comes behind the key.
      guard keyColumns.contains(column) || column == mapping.merge?.originColumn else {
        out.append(bigEndian: WireRow.null)
        continue
      }
      let field = unsafe WireRow.field(key.bytes, at: offset)
      unsafe out.append(field)
      offset += field.count
    }
  }

  /// Appends which row of the source it is, if the target is shared.
  private func appendOrigin(of row: UnsafeRawBufferPointer, to out: inout ByteBuffer) {
    guard mapping.merge != nil, let offsets = unsafe WireRow.fieldOffsets(row, columns: inputs.count) else { return }
    let key = inputKey.map { column in unsafe [UInt8](WireRow.field(row, at: offsets[column])[4...]) }
    let origin = OriginText.bytes(of: mapping.source.name, key: key)
    out.append(bigEndian: Int32(origin.count))
    out.append(origin)
  }

  /// Throws when the source has not sent all that a row is made of.
  package func checkWhole(_ row: UnsafeRawBufferPointer) throws(Failure) {
    guard let offsets = unsafe WireRow.fieldOffsets(row, columns: inputs.count) else { return }
    for column in needed where unsafe row.bigEndian(at: offsets[column], as: Int32.self) == WireRow.unchanged {
      throw Failure(
        .source,
        "an update of \(mapping.source.name) came without column \"\(inputs[column].source.name)\", which its transform needs",
        location: unsafe place(of: row),
        hint: "ALTER TABLE \(mapping.source.name.quoted) REPLICA IDENTITY FULL; then run penstock reset and load again."
      )
    }
  }

  private func append(
    _ row: UnsafeRawBufferPointer, by transform: RowTransform, columns: [Int], converts: Bool,
    to out: inout ByteBuffer
  ) throws(Failure) -> Bool {
    do throws(RowTransformError) {
      if !converts { return try unsafe transform.append(row, to: &out) }
      plain.removeAll(keeping: 1 << 20)
      guard try unsafe transform.append(row, to: &plain) else { return false }
    } catch {
      throw unsafe failure(error, row)
    }
    let start = out.count
    var offset = 0
    for column in columns {
      let field = unsafe WireRow.field(plain.bytes, at: offset)
      offset += field.count
      let conversion = mapping.columns[column].conversion
      if conversion == .none || field.count == 4 {
        unsafe out.append(field)
        continue
      }
      let value = unsafe UnsafeRawBufferPointer(rebasing: field[4...])
      do throws(Failure) { try unsafe appendConverted(value, conversion, mapping, column, to: &out) } catch {
        // Whoever catches it may go on with the buffer.
        out.truncate(to: start)
        throw error
      }
    }
    return true
  }

  private func failure(_ error: RowTransformError, _ row: UnsafeRawBufferPointer) -> Failure {
    var failure = error.failure(mapping.source.name, key: nil)
    failure.location = unsafe place(of: row)
    return failure
  }

  /// Table and key of a row.
  private func place(of row: UnsafeRawBufferPointer) -> String {
    guard let offsets = unsafe WireRow.fieldOffsets(row, columns: inputs.count), !inputKey.isEmpty else {
      return "\(mapping.source.name), a row without a key"
    }
    let parts = inputKey.map { column in
      let field = unsafe WireRow.field(row, at: offsets[column])
      return "\(inputs[column].source.name)=\(unsafe String(decoding: field[4...], as: UTF8.self))"
    }
    return "\(mapping.source.name), key \(parts.joined(separator: ", "))"
  }
}

extension TableMapping {
  fileprivate func hasConversion(_ columns: [Int]) -> Bool {
    columns.contains { self.columns[$0].conversion != .none }
  }
}
