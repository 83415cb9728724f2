internal import Apply

/// Keys of items whose changes have arrived lately: what a page of a scan that was asked for before says of them may be
/// older.
struct RecentKeys {
  /// By the hash of table and key, the key and when its last change arrived.
  private var arrivals: [UInt64: [(key: [UInt8], arrival: UInt64)]] = [:]
  /// In the order in which they came.
  private var order: [(hash: UInt64, arrival: UInt64)] = []
  private var forgotten = 0

  var isEmpty: Bool { order.count == forgotten }
  var count: Int { order.count - forgotten }

  mutating func note(_ key: UnsafeRawBufferPointer, table: UInt32, arrival: UInt64) {
    let hash = unsafe stableHash(key, seed: UInt64(table))
    order.append((hash, arrival))
    let bytes = unsafe [UInt8](key)
    if let index = arrivals[hash]?.firstIndex(where: { $0.key == bytes }) {
      arrivals[hash]?[index].arrival = arrival
    } else {
      arrivals[hash, default: []].append((bytes, arrival))
    }
  }

  /// Whether a change of the key has arrived later than `arrival`.
  func has(_ key: UnsafeRawBufferPointer, table: UInt32, after arrival: UInt64) -> Bool {
    if isEmpty { return false }
    guard let known = arrivals[unsafe stableHash(key, seed: UInt64(table))] else { return false }
    return known.contains { known in
      unsafe known.arrival > arrival && known.key.withUnsafeBytes { unsafe $0.elementsEqual(key) }
    }
  }

  /// Forgets what arrived no later than `arrival`.
  mutating func forget(through arrival: UInt64) {
    while forgotten < order.count, order[forgotten].arrival <= arrival {
      let hash = order[forgotten].hash
      arrivals[hash]?.removeAll { $0.arrival <= arrival }
      if arrivals[hash]?.isEmpty == true { arrivals[hash] = nil }
      forgotten += 1
    }
    if forgotten > 1024, forgotten * 2 > order.count {
      order.removeFirst(forgotten)
      forgotten = 0
    }
  }
}
