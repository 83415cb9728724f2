/// A growing run of bytes that is reused instead of reallocated: the arena of the hot paths.
///
/// Big-endian integers, as PostgreSQL's protocol writes them.
@safe package struct ByteBuffer: ~Copyable, @unchecked Sendable {
  // Sendable: the value is the only owner of its memory, and moving it moves the ownership.
  @usableFromInline package var base: UnsafeMutableRawPointer
  @usableFromInline package var capacity: Int
  @usableFromInline package var count = 0

  @inlinable package init(capacity: Int = 0) {
    self.capacity = max(capacity, 64)
    unsafe base = .allocate(byteCount: self.capacity, alignment: 8)
  }

  deinit { unsafe base.deallocate() }

  /// All bytes, valid until the next change of this buffer.
  @inlinable package var bytes: UnsafeRawBufferPointer {
    unsafe UnsafeRawBufferPointer(start: base, count: count)
  }

  /// Forgets the bytes; gives memory back when more than `keeping` bytes are allocated.
  @inlinable package mutating func removeAll(keeping limit: Int = .max) {
    count = 0
    if capacity > limit {
      unsafe base.deallocate()
      capacity = limit
      unsafe base = .allocate(byteCount: capacity, alignment: 8)
    }
  }

  /// Forgets the bytes from `count` on.
  @inlinable package mutating func truncate(to count: Int) {
    precondition(count >= 0 && count <= self.count)
    self.count = count
  }

  @usableFromInline package mutating func grow(for more: Int) {
    let larger = max(capacity * 2, count + more)
    let fresh = UnsafeMutableRawPointer.allocate(byteCount: larger, alignment: 8)
    unsafe fresh.copyMemory(from: base, byteCount: count)
    unsafe base.deallocate()
    unsafe base = fresh
    capacity = larger
  }

  @inline(__always)
  @inlinable package mutating func reserve(_ more: Int) {
    if capacity - count < more { grow(for: more) }
  }

  @inline(__always)
  @inlinable package mutating func append(_ bytes: UnsafeRawBufferPointer) {
    guard let start = bytes.baseAddress else { return }
    reserve(bytes.count)
    unsafe (base + count).copyMemory(from: start, byteCount: bytes.count)
    count += bytes.count
  }

  @inlinable package mutating func append(_ bytes: [UInt8]) {
    unsafe bytes.withUnsafeBytes { unsafe append($0) }
  }

  @inline(__always)
  @inlinable package mutating func append(byte: UInt8) {
    reserve(1)
    unsafe base.storeBytes(of: byte, toByteOffset: count, as: UInt8.self)
    count += 1
  }

  @inline(__always)
  @inlinable package mutating func append<Value: FixedWidthInteger>(bigEndian value: Value) {
    let width = Value.bitWidth / 8
    reserve(width)
    unsafe base.storeBytes(of: value.bigEndian, toByteOffset: count, as: Value.self)
    count += width
  }

  /// Overwrites bytes that were appended before.
  @inlinable package mutating func set<Value: FixedWidthInteger>(bigEndian value: Value, at offset: Int) {
    precondition(offset >= 0 && offset + Value.bitWidth / 8 <= count)
    unsafe base.storeBytes(of: value.bigEndian, toByteOffset: offset, as: Value.self)
  }
}

extension UnsafeRawBufferPointer {
  /// A big-endian integer; the caller has checked that the bytes are there.
  @inlinable @inline(__always)
  package func bigEndian<Value: FixedWidthInteger>(at offset: Int, as type: Value.Type) -> Value {
    assert(offset >= 0 && offset + Value.bitWidth / 8 <= count)
    return unsafe Value(bigEndian: loadUnaligned(fromByteOffset: offset, as: Value.self))
  }
}
