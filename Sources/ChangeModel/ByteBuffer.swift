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

  /// Where the next bytes go, with room for so many more. `advance` counts those that were written there.
  package mutating func tail(reserving more: Int) -> UnsafeMutableRawPointer {
    reserve(more)
    return unsafe base + count
  }

  package mutating func advance(by written: Int) {
    precondition(written >= 0 && written <= capacity - count)
    count += written
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

/// Copies bytes, short runs without a call. The two places must not overlap.
///
/// Of raw pointers only, since the compiler inlines across modules nothing that names a type of this package.
@inlinable @inline(__always)
package func copyField(_ from: UnsafeRawPointer, to: UnsafeMutableRawPointer, _ count: Int) {
  // A run of n to 2n bytes is two words, which overlap.
  if count >= 4, count <= 32 {
    if count <= 8 {
      let (head, tail) = unsafe (
        from.loadUnaligned(as: UInt32.self), from.loadUnaligned(fromByteOffset: count - 4, as: UInt32.self)
      )
      unsafe to.storeBytes(of: head, as: UInt32.self)
      unsafe to.storeBytes(of: tail, toByteOffset: count - 4, as: UInt32.self)
      return
    }
    let (head, tail) = unsafe (
      from.loadUnaligned(as: UInt64.self), from.loadUnaligned(fromByteOffset: count - 8, as: UInt64.self)
    )
    if count > 16 {
      let (second, third) = unsafe (
        from.loadUnaligned(fromByteOffset: 8, as: UInt64.self),
        from.loadUnaligned(fromByteOffset: count - 16, as: UInt64.self)
      )
      unsafe to.storeBytes(of: second, toByteOffset: 8, as: UInt64.self)
      unsafe to.storeBytes(of: third, toByteOffset: count - 16, as: UInt64.self)
    }
    unsafe to.storeBytes(of: head, as: UInt64.self)
    unsafe to.storeBytes(of: tail, toByteOffset: count - 8, as: UInt64.self)
  } else {
    unsafe to.copyMemory(from: from, byteCount: count)
  }
}
