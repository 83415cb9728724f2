internal import ChangeModel

/// One statement's parameters as PostgreSQL arrays in binary form, built row by row.
///
/// The layout is `array_recv`'s: dimensions, a flag for NULLs, the element type, length and lower bound, then the
/// elements, each with its own length.
@safe package struct ArrayParameters: ~Copyable {
  /// Owned; an array could not hold buffers that have one owner, and a class would be counted at every field.
  private var columns = unsafe UnsafeMutableBufferPointer<Column>(start: nil, count: 0)
  package private(set) var rowCount = 0

  /// One array so far. Its memory is its own and no `ByteBuffer`'s, so that the loop over a row's fields calls nothing.
  @safe private struct Column: ~Copyable {
    private(set) var base: UnsafeMutableRawPointer
    private(set) var count = 0
    private var capacity: Int
    var hasNull = false

    init(capacity: Int) {
      self.capacity = capacity
      unsafe base = .allocate(byteCount: capacity, alignment: 8)
    }

    deinit { unsafe base.deallocate() }

    @inline(__always)
    mutating func append(_ start: UnsafeRawPointer, _ size: Int) {
      if capacity - count < size { replace(capacity: max(capacity * 2, count + size)) }
      unsafe copyField(start, to: base + count, size)
      count += size
    }

    mutating func appendNull() {
      hasNull = true
      append(bigEndian: UInt32(bitPattern: WireRow.null))
    }

    mutating func append(bigEndian value: UInt32) {
      var bytes = value.bigEndian
      unsafe append(&bytes, 4)
    }

    func set(bigEndian value: UInt32, at offset: Int) {
      precondition(offset >= 0 && offset + 4 <= count)
      unsafe base.storeBytes(of: value.bigEndian, toByteOffset: offset, as: UInt32.self)
    }

    /// Forgets the elements, and memory beyond `limit` bytes.
    mutating func removeAll(keeping limit: Int) {
      (count, hasNull) = (0, false)
      if capacity > limit { replace(capacity: limit) }
    }

    private mutating func replace(capacity wanted: Int) {
      let fresh = UnsafeMutableRawPointer.allocate(byteCount: wanted, alignment: 8)
      unsafe fresh.copyMemory(from: base, byteCount: count)
      unsafe base.deallocate()
      unsafe (base, capacity) = (fresh, wanted)
    }
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
        unsafe more.initializeElement(at: index, to: Column(capacity: 1024))
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
      unsafe columns[column].removeAll(keeping: limit)
      for word in [1, 0, type, 0, 1] { unsafe columns[column].append(bigEndian: word) }
    }
  }

  /// Appends one element (length and bytes as in a `WireRow`) to a column. `endRow` completes the row.
  @inline(__always)
  package mutating func append(_ field: UnsafeRawBufferPointer, to column: Int) {
    precondition(unsafe column < columns.count)
    if unsafe field.bigEndian(at: 0, as: Int32.self) < 0 {
      unsafe columns[column].appendNull()
    } else {
      unsafe columns[column].append(field.baseAddress!, field.count)
    }
  }

  /// Gives back the memory of columns that grew beyond `limit` bytes.
  package mutating func release(beyond limit: Int) {
    for column in unsafe columns.indices { unsafe columns[column].removeAll(keeping: limit) }
    rowCount = 0
  }

  package mutating func endRow() { rowCount += 1 }

  /// Appends a row whose fields are the columns in order. The row must be well-formed.
  package mutating func append(row: UnsafeRawBufferPointer, columns count: Int) {
    precondition(unsafe count <= columns.count)
    var offset = 0
    for column in 0..<count {
      precondition(offset + 4 <= row.count)
      let length = Int(unsafe row.bigEndian(at: offset, as: Int32.self))
      if length < 0 {
        unsafe columns[column].appendNull()
        offset += 4
        continue
      }
      precondition(length <= row.count - offset - 4)
      unsafe columns[column].append(row.baseAddress! + offset, 4 + length)
      offset += 4 + length
    }
    rowCount += 1
  }

  /// Bytes held by the first `count` columns.
  package func byteCount(columns count: Int) -> Int {
    unsafe (0..<min(count, columns.count)).reduce(0) { unsafe $0 + columns[$1].count }
  }

  /// The finished parameters, valid until the next `begin` or `append`.
  package mutating func finish(columns count: Int) -> [UnsafeRawBufferPointer] {
    var arrays: [UnsafeRawBufferPointer] = unsafe []
    for column in unsafe 0..<min(count, columns.count) {
      unsafe columns[column].set(bigEndian: columns[column].hasNull ? 1 : 0, at: 4)
      // Of no elements too, array_recv takes an array of one dimension.
      unsafe columns[column].set(bigEndian: UInt32(rowCount), at: 12)
      unsafe arrays.append(UnsafeRawBufferPointer(start: columns[column].base, count: columns[column].count))
    }
    return unsafe arrays
  }
}
