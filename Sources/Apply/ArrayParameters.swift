internal import ChangeModel

/// One statement's parameters as PostgreSQL arrays in binary form, built row by row.
///
/// The layout is `array_recv`'s: dimensions, a flag for NULLs, the element type, length and lower bound, then the
/// elements, each with its own length.
@safe package struct ArrayParameters: ~Copyable {
  private static let headerBytes = 20
  private var columns: [Column] = []
  package private(set) var rowCount = 0

  @safe private final class Column {
    var bytes = ByteBuffer(capacity: 1024)
    var hasNull = false
  }

  package init() {}

  /// Starts anew for columns of these element types, keeping memory of up to `keeping` bytes for each.
  package mutating func begin(elementTypes: [UInt32], keeping limit: Int = 1 << 20) {
    while columns.count < elementTypes.count { columns.append(Column()) }
    rowCount = 0
    for (column, type) in zip(columns, elementTypes) {
      column.bytes.removeAll(keeping: limit)
      column.hasNull = false
      column.bytes.append(bigEndian: Int32(1))
      column.bytes.append(bigEndian: Int32(0))
      column.bytes.append(bigEndian: type)
      column.bytes.append(bigEndian: Int32(0))
      column.bytes.append(bigEndian: Int32(1))
    }
  }

  /// Appends one element (length and bytes as in a `WireRow`) to a column. `endRow` completes the row.
  @inline(__always)
  package mutating func append(_ field: UnsafeRawBufferPointer, to column: Int) {
    let column = columns[column]
    if unsafe field.bigEndian(at: 0, as: Int32.self) < 0 {
      column.hasNull = true
      column.bytes.append(bigEndian: WireRow.null)
    } else {
      unsafe column.bytes.append(field)
    }
  }

  /// Gives back the memory of columns that grew beyond `limit` bytes.
  package mutating func release(beyond limit: Int) {
    for column in columns { column.bytes.removeAll(keeping: limit) }
    rowCount = 0
  }

  package mutating func endRow() { rowCount += 1 }

  /// Appends a row whose fields are the columns in order. The row must be well-formed.
  package mutating func append(row: UnsafeRawBufferPointer, columns count: Int) {
    var offset = 0
    for column in 0..<count {
      let field = unsafe WireRow.field(row, at: offset)
      unsafe append(field, to: column)
      offset += field.count
    }
    rowCount += 1
  }

  /// Bytes held by the first `count` columns.
  package func byteCount(columns count: Int) -> Int {
    columns.prefix(count).reduce(0) { $0 + $1.bytes.count }
  }

  /// The finished parameters, valid until the next `begin` or `append`.
  package mutating func finish(columns count: Int) -> [UnsafeRawBufferPointer] {
    unsafe columns.prefix(count).map { column in
      if rowCount == 0 {
        // array_recv takes a one-dimensional array of no elements.
        column.bytes.set(bigEndian: Int32(0), at: 12)
      }
      column.bytes.set(bigEndian: Int32(column.hasNull ? 1 : 0), at: 4)
      column.bytes.set(bigEndian: Int32(rowCount), at: 12)
      return unsafe column.bytes.bytes
    }
  }
}
