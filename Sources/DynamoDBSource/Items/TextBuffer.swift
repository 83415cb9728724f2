internal import ChangeModel

/// A growing run of bytes for texts that are written a byte at a time.
///
/// As `ByteBuffer`, which would be called at every byte: the compiler inlines none of its methods into this room.
@safe struct TextBuffer: ~Copyable, @unchecked Sendable {
  // Sendable: the value is the only owner of its memory, and moving it moves the ownership.
  private var base: UnsafeMutableRawPointer
  private var capacity: Int
  private(set) var count = 0

  init(capacity: Int = 256) {
    self.capacity = max(capacity, 64)
    unsafe base = .allocate(byteCount: self.capacity, alignment: 8)
  }

  deinit { unsafe base.deallocate() }

  /// All bytes, valid until the next change of this buffer.
  var bytes: UnsafeRawBufferPointer { unsafe UnsafeRawBufferPointer(start: base, count: count) }

  /// Forgets the bytes, and memory beyond `limit` bytes.
  mutating func removeAll(keeping limit: Int = 1 << 20) {
    count = 0
    if capacity > limit { resize(to: limit) }
  }

  /// Forgets the bytes from `count` on.
  mutating func truncate(to count: Int) {
    precondition(count >= 0 && count <= self.count)
    self.count = count
  }

  private mutating func resize(to wanted: Int) {
    let fresh = UnsafeMutableRawPointer.allocate(byteCount: wanted, alignment: 8)
    unsafe fresh.copyMemory(from: base, byteCount: count)
    unsafe base.deallocate()
    unsafe base = fresh
    capacity = wanted
  }

  @inline(__always)
  private mutating func reserve(_ more: Int) {
    if capacity - count < more { resize(to: max(capacity * 2, count + more)) }
  }

  @inline(__always)
  mutating func append(byte: UInt8) {
    reserve(1)
    unsafe base.storeBytes(of: byte, toByteOffset: count, as: UInt8.self)
    count += 1
  }

  @inline(__always)
  mutating func append(_ bytes: UnsafeRawBufferPointer) {
    guard let start = bytes.baseAddress else { return }
    reserve(bytes.count)
    unsafe copyField(start, to: base + count, bytes.count)
    count += bytes.count
  }

  mutating func append(_ text: StaticString) {
    unsafe append(UnsafeRawBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
  }

  mutating func append(_ bytes: [UInt8]) {
    unsafe bytes.withUnsafeBytes { unsafe append($0) }
  }

  @inline(__always)
  mutating func append(length: Int32) {
    reserve(4)
    unsafe base.storeBytes(of: length.bigEndian, toByteOffset: count, as: Int32.self)
    count += 4
  }

  /// Overwrites a length that was appended before.
  @inline(__always)
  mutating func set(length: Int32, at offset: Int) {
    precondition(offset >= 0 && offset + 4 <= count)
    unsafe base.storeBytes(of: length.bigEndian, toByteOffset: offset, as: Int32.self)
  }
}
