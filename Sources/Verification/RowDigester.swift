internal import Apply
internal import ChangeModel
internal import SQLMapping

/// 128 bits that stand for a row's values.
struct RowDigest: Hashable, Sendable {
  var high: UInt64
  var low: UInt64

  static func of(_ bytes: UnsafeRawBufferPointer) -> RowDigest {
    unsafe RowDigest(high: stableHash(bytes, seed: 1), low: stableHash(bytes, seed: 0x517C_C1B7_2722_0A95))
  }
}

/// Turns rows as a server sends them into keys and digests that are equal on both sides when the values are.
@safe final class RowDigester {
  private let table: ComparedTable
  private var canonical = ByteBuffer(capacity: 1024)
  private var offsets: [Int] = []
  private var keyBuffer = ByteBuffer(capacity: 128)
  private(set) var digest = RowDigest(high: 0, low: 0)
  private(set) var keyHash: UInt64 = 0

  init(_ table: ComparedTable) { self.table = table }

  /// The last row's key: fields with their lengths in key order, or the digest where there is no key.
  var key: UnsafeRawBufferPointer { unsafe keyBuffer.bytes }

  /// Reads a row: the inside of a binary COPY tuple.
  func read(_ row: UnsafeRawBufferPointer, _ side: Side) throws(Failure) {
    unsafe try findFields(row)
    if table.isExact && !(side == .source && table.convertsSource) {
      unsafe digest = RowDigest.of(row)
      unsafe setKey(row)
      return
    }
    canonical.removeAll(keeping: 1 << 20)
    for index in offsets.indices {
      let start = canonical.count
      try unsafe appendCanonical(WireRow.field(row, at: offsets[index]), index, side)
      offsets[index] = start
    }
    digest = unsafe RowDigest.of(canonical.bytes)
    unsafe setKey(canonical.bytes)
  }

  /// A hash of each column of the last row, to tell which ones differ.
  func columnHashes(_ row: UnsafeRawBufferPointer, _ side: Side) throws(Failure) -> [UInt64] {
    unsafe try read(row, side)
    let isCanonical = !(table.isExact && !(side == .source && table.convertsSource))
    let bytes = unsafe isCanonical ? canonical.bytes : row
    return offsets.map { unsafe stableHash(WireRow.field(bytes, at: $0), seed: 3) }
  }

  private func findFields(_ row: UnsafeRawBufferPointer) throws(Failure) {
    offsets.removeAll(keepingCapacity: true)
    var offset = 0
    for _ in table.columns.indices {
      guard offset + 4 <= row.count else { throw malformed() }
      offsets.append(offset)
      let length = unsafe Int(row.bigEndian(at: offset, as: Int32.self))
      offset += 4 + max(0, length)
      guard length >= -1, offset <= row.count else { throw malformed() }
    }
    if offset != row.count { throw malformed() }
  }

  private func appendCanonical(_ field: UnsafeRawBufferPointer, _ index: Int, _ side: Side) throws(Failure) {
    let column = table.columns[index]
    let isNull = unsafe field.bigEndian(at: 0, as: Int32.self) < 0
    if side == .source, column.conversion != .none, !isNull {
      let value = unsafe UnsafeRawBufferPointer(rebasing: field[4...])
      return try unsafe appendConverted(value, column.conversion, table.mapping, index, to: &canonical)
    }
    unsafe column.form.appendCanonical(field, to: &canonical)
  }

  private func setKey(_ row: UnsafeRawBufferPointer) {
    keyBuffer.removeAll(keeping: 1 << 16)
    if table.key.isEmpty {
      keyBuffer.append(bigEndian: digest.high)
      keyBuffer.append(bigEndian: digest.low)
      keyHash = digest.high
      return
    }
    for column in table.key { unsafe keyBuffer.append(WireRow.field(row, at: offsets[column])) }
    keyHash = unsafe stableHash(keyBuffer.bytes, seed: 0)
  }

  private func malformed() -> Failure {
    Failure(
      .source, "a row of \(table.mapping.source.name) does not have the columns that were asked for",
      hint: "Was the table altered meanwhile? Run penstock verify again.")
  }
}

/// Keys with what was seen under them: a hash table whose memory is known.
@safe struct KeyedRows: ~Copyable {
  struct Entry {
    var keyHash: UInt64
    var keyStart: Int
    var keyCount: Int
    var digest: RowDigest
    /// Rows of the source less rows of the target.
    var copies: Int32
    var isDifferent = false
  }

  private(set) var entries: [Entry] = []
  private var keys = ByteBuffer(capacity: 1 << 16)
  /// Index + 1 of an entry, 0 is free. A power of two, at most half full.
  private var slots: [Int32] = Array(repeating: 0, count: 1024)

  /// Bytes that the content takes.
  var footprint: Int { keys.count + entries.count * (MemoryLayout<Entry>.stride + 16) }

  mutating func removeAll() {
    entries.removeAll(keepingCapacity: true)
    keys.removeAll(keeping: 8 << 20)
    for index in slots.indices { slots[index] = 0 }
  }

  func key(of entry: Entry) -> UnsafeRawBufferPointer {
    unsafe UnsafeRawBufferPointer(rebasing: keys.bytes[entry.keyStart..<(entry.keyStart + entry.keyCount)])
  }

  /// Takes one row in.
  mutating func add(_ key: UnsafeRawBufferPointer, _ keyHash: UInt64, _ digest: RowDigest, _ side: Side) {
    let slot = unsafe slotIndex(key, keyHash)
    let found = Int(slots[slot]) - 1
    let sign: Int32 = side == .source ? 1 : -1
    if found >= 0 {
      entries[found].copies += sign
      if entries[found].digest != digest { entries[found].isDifferent = true }
      return
    }
    slots[slot] = Int32(entries.count + 1)
    entries.append(
      Entry(keyHash: keyHash, keyStart: keys.count, keyCount: key.count, digest: digest, copies: sign))
    unsafe keys.append(key)
    if entries.count * 2 > slots.count { growSlots() }
  }

  private func slotIndex(_ key: UnsafeRawBufferPointer, _ keyHash: UInt64) -> Int {
    let mask = slots.count - 1
    var slot = Int(truncatingIfNeeded: keyHash) & mask
    while slots[slot] != 0 {
      let entry = entries[Int(slots[slot]) - 1]
      if entry.keyHash == keyHash, entry.keyCount == key.count,
        unsafe self.key(of: entry).elementsEqual(key)
      {
        break
      }
      slot = (slot + 1) & mask
    }
    return slot
  }

  private mutating func growSlots() {
    slots = Array(repeating: 0, count: slots.count * 2)
    let mask = slots.count - 1
    for (index, entry) in entries.enumerated() {
      var slot = Int(truncatingIfNeeded: entry.keyHash) & mask
      while slots[slot] != 0 { slot = (slot + 1) & mask }
      slots[slot] = Int32(index + 1)
    }
  }
}
