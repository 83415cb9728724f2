internal import ChangeModel

/// Numbers attribute names from 0 on, and finds a name's number by its bytes without allocating.
struct AttributeIndex {
  private var bytes: [UInt8] = []
  /// Where each name ends in `bytes`.
  private var ends: [Int] = []
  /// Numbers plus 1, at the hash or after it; 0 where there is none. A power of two long, half empty at least.
  private var table: [Int32] = Array(repeating: 0, count: 16)

  var count: Int { ends.count }

  func name(_ number: Int) -> String {
    String(decoding: bytes[(number == 0 ? 0 : ends[number - 1])..<ends[number]], as: UTF8.self)
  }

  /// A name's number, a new one if it has none yet.
  mutating func insert(_ name: UnsafeRawBufferPointer) -> Int {
    if let known = unsafe number(of: name) { return known }
    if (ends.count + 1) * 2 > table.count { grow() }
    unsafe bytes.append(contentsOf: name)
    ends.append(bytes.count)
    unsafe enter(ends.count - 1, hash: Self.hash(name))
    return ends.count - 1
  }

  mutating func insert(_ name: String) -> Int {
    let bytes = Array(name.utf8)
    return unsafe bytes.withUnsafeBytes { unsafe insert($0) }
  }

  @inline(__always)
  func number(of name: UnsafeRawBufferPointer) -> Int? {
    let mask = table.count - 1
    var place = unsafe Self.hash(name) & mask
    while true {
      let number = Int(table[place]) - 1
      if number < 0 { return nil }
      if unsafe isName(number, name) { return number }
      place = (place + 1) & mask
    }
  }

  @inline(__always)
  private func isName(_ number: Int, _ name: UnsafeRawBufferPointer) -> Bool {
    let start = number == 0 ? 0 : ends[number - 1]
    guard ends[number] - start == name.count else { return false }
    for index in 0..<name.count {
      if unsafe bytes[start + index] != name[index] { return false }
    }
    return true
  }

  private mutating func enter(_ number: Int, hash: Int) {
    let mask = table.count - 1
    var place = hash & mask
    while table[place] != 0 { place = (place + 1) & mask }
    table[place] = Int32(number) + 1
  }

  private mutating func grow() {
    table = Array(repeating: 0, count: table.count * 2)
    for number in ends.indices {
      let start = number == 0 ? 0 : ends[number - 1]
      let hash = unsafe bytes.withUnsafeBytes {
        unsafe Self.hash(UnsafeRawBufferPointer(rebasing: $0[start..<ends[number]]))
      }
      enter(number, hash: hash)
    }
  }

  /// Of the length and the first and last eight bytes, which tell names of one table apart well enough.
  @inline(__always)
  private static func hash(_ name: UnsafeRawBufferPointer) -> Int {
    var head: UInt64 = 0
    var tail: UInt64 = 0
    if name.count >= 8 {
      head = unsafe name.loadUnaligned(as: UInt64.self)
      tail = unsafe name.loadUnaligned(fromByteOffset: name.count - 8, as: UInt64.self)
    } else if name.count >= 4 {
      head = unsafe UInt64(name.loadUnaligned(as: UInt32.self))
      tail = unsafe UInt64(name.loadUnaligned(fromByteOffset: name.count - 4, as: UInt32.self))
    } else {
      for index in 0..<name.count { head = unsafe head << 8 | UInt64(name[index]) }
    }
    let mixture =
      (head ^ UInt64(name.count) &* 0x9E37_79B9_7F4A_7C15 ^ (tail << 29 | tail >> 35)) &* 0xD6E8_FEB8_6659_FD93
    return Int(truncatingIfNeeded: mixture >> 32)
  }
}
