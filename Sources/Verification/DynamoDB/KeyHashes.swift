internal import ChangeModel

/// Which keys were seen, by 64-bit hashes of them, within a bound of memory.
struct KeyHashes: Sendable {
  /// Tables by a hash's lowest byte, each open-addressed and at most 7/8 full; 0 is no hash. They grow one by one, so
  /// that no more than one of them is there twice.
  private var tables = Array(repeating: [UInt64](), count: 256)
  private var counts = Array(repeating: 0, count: 256)
  private var slots = 0
  private let slotsMax: Int
  /// Different hashes inserted.
  private(set) var count = 0
  /// Memory did not hold them all; `contains` then says nothing.
  private(set) var isFull = false

  init(memoryBytes: Int) { slotsMax = memoryBytes / 8 }

  mutating func insert(_ hash: UInt64) {
    if isFull { return }
    let hash = Self.stored(hash)
    let number = Int(hash & 0xFF)
    if (counts[number] + 1) * 8 > tables[number].count * 7 {
      guard grow(number) else { return giveUp() }
    }
    if Self.enter(hash, &tables[number]) {
      counts[number] += 1
      count += 1
    }
  }

  func contains(_ hash: UInt64) -> Bool {
    let hash = Self.stored(hash)
    let table = tables[Int(hash & 0xFF)]
    return !table.isEmpty && table[Self.place(of: hash, in: table)] == hash
  }

  private static func stored(_ hash: UInt64) -> UInt64 { hash == 0 ? 1 : hash }

  /// Where the hash is, or would be.
  private static func place(of hash: UInt64, in table: [UInt64]) -> Int {
    let mask = table.count - 1
    var place = Int(truncatingIfNeeded: hash >> 8) & mask
    while table[place] != 0 && table[place] != hash { place = (place + 1) & mask }
    return place
  }

  /// - Returns: whether it was not there.
  private static func enter(_ hash: UInt64, _ table: inout [UInt64]) -> Bool {
    let place = place(of: hash, in: table)
    if table[place] == hash { return false }
    table[place] = hash
    return true
  }

  private mutating func grow(_ number: Int) -> Bool {
    let size = max(16, tables[number].count * 2)
    let more = size - tables[number].count
    guard slots + more <= slotsMax else { return false }
    slots += more
    var larger = [UInt64](repeating: 0, count: size)
    for hash in tables[number] where hash != 0 { _ = Self.enter(hash, &larger) }
    tables[number] = larger
    return true
  }

  private mutating func giveUp() {
    isFull = true
    tables = Array(repeating: [], count: 256)
    slots = 0
  }
}
