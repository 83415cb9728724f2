import Glibc

/// Bytes between a socket and its reader: added at the end, taken from the front, always contiguous.
/// One thread uses it at a time.
@safe
final class ByteQueue {
  private var storage: UnsafeMutableRawPointer
  private var capacity: Int
  private var head = 0
  private var tail = 0

  init(capacity: Int = 64 * 1024) {
    unsafe storage = .allocate(byteCount: capacity, alignment: 16)
    self.capacity = capacity
  }
  deinit { unsafe storage.deallocate() }

  var count: Int { tail - head }
  var isEmpty: Bool { head == tail }

  /// The byte `offset` places from the front.
  subscript(offset: Int) -> UInt8 {
    precondition(offset >= 0 && offset < count)
    return unsafe storage.load(fromByteOffset: head + offset, as: UInt8.self)
  }

  /// The four bytes at `offset`, in network order.
  func uint32(at offset: Int) -> UInt32 {
    precondition(offset >= 0 && offset + 4 <= count)
    return UInt32(bigEndian: unsafe storage.loadUnaligned(fromByteOffset: head + offset, as: UInt32.self))
  }

  /// A copy of some bytes.
  func bytes(_ range: Range<Int>) -> [UInt8] {
    unsafe withBytes(range) { unsafe Array($0) }
  }

  /// Whether these bytes stand there.
  func holds(_ bytes: [UInt8], at range: Range<Int>) -> Bool {
    guard bytes.count == range.count else { return false }
    return unsafe withBytes(range) { found in
      unsafe bytes.withUnsafeBytes {
        unsafe memcmp($0.baseAddress ?? found.baseAddress!, found.baseAddress!, $0.count) == 0
      }
    }
  }

  /// Appends a copy of some bytes.
  func copy(_ range: Range<Int>, to bytes: inout [UInt8]) {
    unsafe withBytes(range) { unsafe bytes.append(contentsOf: $0) }
  }

  /// The decimal number that ends before `end`, after a space; `nil` when there is none.
  func number(before end: Int) -> Int? {
    var (value, unit, at) = (0, 1, end - 1)
    while at >= 0, case let digit = self[at] &- UInt8(ascii: "0"), digit < 10, unit < 1_000_000_000_000 {
      value += Int(digit) * unit
      unit *= 10
      at -= 1
    }
    return unit > 1 && at >= 0 && self[at] == UInt8(ascii: " ") ? value : nil
  }

  /// Lends bytes that stay valid during the call.
  func withBytes<Result, Failed: Error>(
    _ range: Range<Int>, _ body: (UnsafeRawBufferPointer) throws(Failed) -> Result
  ) throws(Failed) -> Result {
    precondition(range.lowerBound >= 0 && range.upperBound <= count)
    return try unsafe body(UnsafeRawBufferPointer(start: storage + head + range.lowerBound, count: range.count))
  }

  /// The offset of the first zero byte in a range.
  func zero(in range: Range<Int>) -> Int? {
    unsafe withBytes(range) { bytes in
      guard let start = bytes.baseAddress, let found = unsafe memchr(start, 0, bytes.count) else { return nil }
      return unsafe range.lowerBound + (UnsafeRawPointer(found) - start)
    }
  }

  /// Drops bytes from the front.
  func consume(_ size: Int) {
    precondition(size <= count)
    head += size
    if head == tail {
      head = 0
      tail = 0
    }
  }

  /// Drops bytes from the end.
  func truncate(to size: Int) {
    precondition(size <= count)
    tail = head + size
  }

  func append(_ bytes: [UInt8]) {
    reserve(bytes.count)
    unsafe bytes.withUnsafeBytes {
      unsafe (storage + tail).copyMemory(from: $0.baseAddress ?? UnsafeRawPointer(storage), byteCount: $0.count)
    }
    tail += bytes.count
  }

  /// Puts bytes back before the front.
  func prepend(_ bytes: [UInt8]) {
    let rest = self.bytes(0..<count)
    consume(count)
    append(bytes)
    append(rest)
  }

  /// Appends a range of another queue.
  func append(_ other: ByteQueue, _ range: Range<Int>) {
    reserve(range.count)
    unsafe other.withBytes(range) { bytes in
      guard let start = bytes.baseAddress else { return }
      unsafe (storage + tail).copyMemory(from: start, byteCount: bytes.count)
    }
    tail += range.count
  }

  /// Lets `body` write into at least `room` free bytes at the end; it answers how many it wrote.
  func fill<Failed: Error>(
    room: Int, _ body: (UnsafeMutableRawBufferPointer) throws(Failed) -> Int
  ) throws(Failed) -> Int {
    reserve(room)
    let written = try unsafe body(UnsafeMutableRawBufferPointer(start: storage + tail, count: capacity - tail))
    precondition(written >= 0 && written <= capacity - tail)
    tail += written
    return written
  }

  /// Makes room at the end: by growing, or by moving what is there to the front where that frees more than it moves.
  private func reserve(_ room: Int) {
    if capacity - tail >= room { return }
    let used = count
    if used > head || used + room > capacity {
      let larger = max(capacity * 2, used + room)
      let moved = UnsafeMutableRawPointer.allocate(byteCount: larger, alignment: 16)
      unsafe moved.copyMemory(from: storage + head, byteCount: used)
      unsafe storage.deallocate()
      unsafe storage = moved
      capacity = larger
    } else {
      unsafe memmove(storage, storage + head, used)
    }
    head = 0
    tail = used
  }
}
