internal import ChangeModel

/// One statement's parameters as PostgreSQL arrays in binary form, built row by row.
///
/// The layout is `array_recv`'s: dimensions, a flag for NULLs, the element type, length and lower bound, then the
/// elements, each with its own length.
@safe package struct ArrayParameters: ~Copyable {
  /// Owned; an array could not hold buffers that have one owner, and a class would be counted at every field.
  private var columns = unsafe UnsafeMutableBufferPointer<Column>(start: nil, count: 0)
  package private(set) var rowCount = 0

  private struct Column: ~Copyable {
    var bytes = ByteBuffer(capacity: 1024)
    var hasNull = false
  }

  package init() {}

  deinit {
    unsafe columns.deinitialize()
    unsafe columns.deallocate()
  }

  private mutating func makeColumns(_ count: Int) {
    guard unsafe columns.count < count else { return }
    let more = UnsafeMutableBufferPointer<Column>.allocate(capacity: count)
    for index in 0..<count {
      if unsafe index < columns.count {
        unsafe more.initializeElement(at: index, to: columns.moveElement(from: index))
      } else {
        unsafe more.initializeElement(at: index, to: Column())
      }
    }
    unsafe columns.deallocate()
    unsafe columns = more
  }

  /// Starts anew for columns of these element types, keeping memory of up to `keeping` bytes for each.
  package mutating func begin(elementTypes: [UInt32], keeping limit: Int = 1 << 20) {
    makeColumns(elementTypes.count)
    rowCount = 0
    for (column, type) in elementTypes.enumerated() {
      unsafe columns[column].hasNull = false
      unsafe columns[column].bytes.removeAll(keeping: limit)
      unsafe columns[column].bytes.append(bigEndian: Int32(1))
      unsafe columns[column].bytes.append(bigEndian: Int32(0))
      unsafe columns[column].bytes.append(bigEndian: type)
      unsafe columns[column].bytes.append(bigEndian: Int32(0))
      unsafe columns[column].bytes.append(bigEndian: Int32(1))
    }
  }

  /// Appends one element (length and bytes as in a `WireRow`) to a column. `endRow` completes the row.
  @inline(__always)
  package mutating func append(_ field: UnsafeRawBufferPointer, to column: Int) {
    precondition(unsafe column < columns.count)
    if unsafe field.bigEndian(at: 0, as: Int32.self) < 0 {
      unsafe columns[column].hasNull = true
      unsafe columns[column].bytes.append(bigEndian: WireRow.null)
    } else {
      unsafe columns[column].bytes.append(field)
    }
  }

  /// Gives back the memory of columns that grew beyond `limit` bytes.
  package mutating func release(beyond limit: Int) {
    for column in unsafe columns.indices { unsafe columns[column].bytes.removeAll(keeping: limit) }
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
    unsafe (0..<min(count, columns.count)).reduce(0) { unsafe $0 + columns[$1].bytes.count }
  }

  /// The finished parameters, valid until the next `begin` or `append`.
  package mutating func finish(columns count: Int) -> [UnsafeRawBufferPointer] {
    var arrays: [UnsafeRawBufferPointer] = unsafe []
    for column in unsafe 0..<min(count, columns.count) {
      unsafe columns[column].bytes.set(bigEndian: Int32(columns[column].hasNull ? 1 : 0), at: 4)
      // Of no elements too, array_recv takes an array of one dimension.
      unsafe columns[column].bytes.set(bigEndian: Int32(rowCount), at: 12)
      unsafe arrays.append(columns[column].bytes.bytes)
    }
    return unsafe arrays
  }
}
