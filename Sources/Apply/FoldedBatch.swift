package import ChangeModel

/// Changes of one lane folded to their net effect per key: what one target transaction writes.
///
/// The law it keeps: applying the fold to a table gives the same rows as applying the changes one by one.
@safe package struct FoldedBatch: ~Copyable {
  /// The net effect on one row. Valid as long as its batch is not emptied.
  @safe package struct Entry {
    package var table: UInt32
    package var kind: ChangeKind
    package var keyHash: UInt64
    // SAFETY: into segments, which are only read once they are handed over, and which the batch holds on to.
    fileprivate var key: UnsafeRawBufferPointer
    /// The row, or `nil` when it lies in `merged`, which moves as it grows.
    fileprivate var rowStart: UnsafeRawPointer?
    fileprivate var mergedStart = 0
    fileprivate(set) var rowCount: Int
    /// For a table without a key: copies added less copies removed.
    package var copies: Int

    /// Rows that writing it changes at least.
    var weight: Int { max(1, abs(copies)) }
  }

  package let envelope: Envelope
  package private(set) var entries: [Entry] = []
  /// The last change that is in the batch.
  package private(set) var position = StreamPosition.zero
  /// Changes taken in, before folding.
  package private(set) var changeCount = 0
  /// Rows to be written; copies of one row count each.
  package private(set) var rowCount = 0
  package private(set) var byteCount = 0
  /// The source's transactions that changed rows of which only a part came, or all when every row may be read again.
  package private(set) var partialTransactions: [UInt32] = []
  /// Why its only row is refused by Penstock itself; `nil` when none is.
  package private(set) var refusal: Failure?
  private var segments: [ChangeSegment] = []
  private var merged = ByteBuffer(capacity: 1024)
  /// Open addressing over `entries`: index + 1, 0 is free. A power of two, at most half full.
  private var slots: [Int32] = Array(repeating: 0, count: 1024)

  private let tables: MergedTables

  /// - Parameter tables: which of them are merged: changes of one key but of different origins are never folded.
  package init(envelope: Envelope, merging tables: MergedTables = MergedTables([])) {
    self.envelope = envelope
    self.tables = tables
  }

  package var isEmpty: Bool { changeCount == 0 }

  /// Forgets everything but the memory.
  package mutating func removeAll() {
    entries.removeAll(keepingCapacity: true)
    segments.removeAll(keepingCapacity: true)
    partialTransactions.removeAll(keepingCapacity: true)
    merged.removeAll(keeping: 4 << 20)
    for index in slots.indices { slots[index] = 0 }
    position = .zero
    changeCount = 0
    rowCount = 0
    byteCount = 0
    refusal = nil
  }

  /// Takes one more change in, if the envelope admits it and it can be folded.
  ///
  /// - Parameters:
  ///   - rowsMax: a tighter bound than the envelope's, when an earlier try was too large.
  ///   - foldsAll: a part of a row after its delete becomes just the part, for batches whose rows may be read again
  ///     before they are written.
  /// - Returns: false when the batch must be written first. The first change of a batch is always taken.
  package mutating func add(
    _ change: Change, of segment: ChangeSegment, rowsMax: Int = .max, foldsAll: Bool = false
  ) -> Bool {
    // A refused row is dealt with alone.
    if change.kind == .refused || refusal != nil, !isEmpty { return false }
    refusal = segment.refusal(of: change)
    let key = unsafe segment.key(of: change)
    let slot = unsafe slotIndex(of: key, hash: change.keyHash, table: change.table)
    let found = Int(slots[slot]) - 1
    if found < 0 {
      let fits = envelope.admits(change.rowCount, rows: rowCount, total: byteCount)
      if !isEmpty, !fits || rowCount >= rowsMax { return false }
      slots[slot] = Int32(entries.count + 1)
      unsafe insert(change, key, segment)
    } else if !fold(change, segment, into: found, rowsMax, foldsAll) {
      return false
    }
    position = change.position
    changeCount += 1
    if change.kind == .patch || foldsAll, partialTransactions.last != change.transaction {
      partialTransactions.append(change.transaction)
    }
    if entries.count * 2 > slots.count { growSlots() }
    return true
  }

  /// Takes a segment's changes in, from `first` on, up to one that must wait or until the batch has `countMax`.
  ///
  /// - Returns: the index of the change that is next.
  package mutating func add(_ segment: ChangeSegment, from first: Int, countMax: Int, rowsMax: Int) -> Int {
    let changes = segment.changes
    var next = first
    while next < changes.count, changeCount < countMax, add(changes[next], of: segment, rowsMax: rowsMax) { next += 1 }
    return next
  }

  /// Keeps the segment, and gives the place of one of its rows.
  private mutating func rowStart(_ change: Change, _ segment: ChangeSegment) -> UnsafeRawPointer? {
    if segments.last !== segment { segments.append(segment) }
    return unsafe segment.row(of: change).baseAddress
  }

  private mutating func insert(_ change: Change, _ key: UnsafeRawBufferPointer, _ segment: ChangeSegment) {
    let start = unsafe rowStart(change, segment)
    unsafe entries.append(
      Entry(
        table: change.table, kind: change.kind, keyHash: change.keyHash, key: key, rowStart: start,
        rowCount: change.rowCount, copies: change.kind == .add ? 1 : change.kind == .remove ? -1 : 0))
    rowCount += 1
    byteCount += change.rowCount
  }

  /// Lets a later change of the same key replace or complete the entry's effect.
  private mutating func fold(
    _ change: Change, _ segment: ChangeSegment, into index: Int, _ rowsMax: Int, _ foldsAll: Bool
  ) -> Bool {
    let earlier = entries[index]
    if !tables.isEmpty,
      unsafe !tables.fold(
        change.table, change.kind, segment.row(of: change), into: earlier.table, earlier.kind, row(of: earlier))
    {
      return false
    }
    switch (earlier.kind, change.kind) {
    case (_, .refused), (.refused, _): return false
    case (_, .add): return addCopies(1, to: index, rowsMax)
    case (_, .remove): return addCopies(-1, to: index, rowsMax)
    case (_, .upsert), (_, .delete):
      guard admits(change.rowCount, insteadOf: index) else { return false }
      unsafe replace(index, change.kind, rowStart(change, segment), change.rowCount)
    case (.delete, .patch):
      // A row that came to this key without an INSERT: write the delete first.
      guard foldsAll, admits(change.rowCount, insteadOf: index) else { return false }
      unsafe replace(index, .patch, rowStart(change, segment), change.rowCount)
    case (let earlier, .patch):
      let start = merged.count
      // The earlier row may lie in `merged` itself: it must not move while it is read.
      merged.reserve(entries[index].rowCount + change.rowCount)
      guard unsafe mergeRows(row(of: entries[index]), segment.row(of: change)) else { return false }
      guard admits(merged.count - start, insteadOf: index) else {
        merged.truncate(to: start)
        return false
      }
      unsafe replace(index, earlier == .upsert ? .upsert : .patch, nil, merged.count - start)
      entries[index].mergedStart = start
    }
    return true
  }

  /// Whether the envelope still holds when the entry's row becomes one of `bytes`. A lone row is always taken.
  private func admits(_ bytes: Int, insteadOf index: Int) -> Bool {
    bytes <= entries[index].rowCount || rowCount == 1
      || byteCount - entries[index].rowCount + bytes <= envelope.bytesAim
  }

  private mutating func addCopies(_ copies: Int, to index: Int, _ rowsMax: Int) -> Bool {
    var entry = entries[index]
    let before = entry.weight
    entry.copies += copies
    let more = entry.weight - before
    let bytes = more * entry.rowCount
    guard more <= 0 || rowCount < rowsMax && envelope.admits(bytes, rows: rowCount, total: byteCount) else {
      return false
    }
    entries[index] = entry
    rowCount += more
    byteCount += bytes
    return true
  }

  private mutating func replace(_ index: Int, _ kind: ChangeKind, _ start: UnsafeRawPointer?, _ count: Int) {
    byteCount += count - entries[index].rowCount
    entries[index].kind = kind
    unsafe entries[index].rowStart = start
    entries[index].rowCount = count
  }

  /// Appends to `merged` the later row with its unchanged columns taken from the earlier one.
  /// - Returns: false, with nothing appended, when the rows do not have the same number of columns.
  private mutating func mergeRows(_ earlier: UnsafeRawBufferPointer, _ later: UnsafeRawBufferPointer) -> Bool {
    let start = merged.count
    var old = 0
    var new = 0
    while new + 4 <= later.count, old + 4 <= earlier.count {
      let oldField = unsafe WireRow.field(earlier, at: old)
      let newField = unsafe WireRow.field(later, at: new)
      let isUnchanged = unsafe later.bigEndian(at: new, as: Int32.self) == WireRow.unchanged
      unsafe merged.append(isUnchanged ? oldField : newField)
      old += oldField.count
      new += newField.count
    }
    if old == earlier.count && new == later.count { return true }
    merged.truncate(to: start)
    return false
  }

  // MARK: Reading

  package func key(of entry: Entry) -> UnsafeRawBufferPointer { unsafe entry.key }

  /// The entry's row; for a delete the key columns as the source sent them. Valid until the batch changes.
  package func row(of entry: Entry) -> UnsafeRawBufferPointer {
    if let start = unsafe entry.rowStart { return unsafe UnsafeRawBufferPointer(start: start, count: entry.rowCount) }
    let range = entry.mergedStart..<(entry.mergedStart + entry.rowCount)
    return unsafe UnsafeRawBufferPointer(rebasing: merged.bytes[range])
  }

  /// Bytes of an entry's row, and how often it is written.
  package func size(of entry: Entry) -> (bytes: Int, rows: Int) { (entry.rowCount * entry.weight, entry.weight) }

  /// Puts whole rows in place of the entries that have their keys: patches whose missing columns were fetched.
  package mutating func complete(with segment: ChangeSegment) {
    for change in segment.changes {
      let slot = unsafe slotIndex(of: segment.key(of: change), hash: change.keyHash, table: change.table)
      let found = Int(slots[slot]) - 1
      if found < 0 { continue }
      unsafe replace(found, change.kind, rowStart(change, segment), change.rowCount)
    }
  }

  // MARK: Hash table

  private func slotIndex(of key: UnsafeRawBufferPointer, hash: UInt64, table: UInt32) -> Int {
    var slot = Int(truncatingIfNeeded: hash) & (slots.count - 1)
    while slots[slot] != 0 {
      let entry = entries[Int(slots[slot]) - 1]
      let isSame =
        unsafe entry.keyHash == hash && tables.shareKeys(entry.table, table) && equal(self.key(of: entry), key)
      if isSame { break }
      slot = (slot + 1) & (slots.count - 1)
    }
    return slot
  }

  private mutating func growSlots() {
    slots = Array(repeating: 0, count: slots.count * 2)
    for (index, entry) in entries.enumerated() {
      var slot = Int(truncatingIfNeeded: entry.keyHash) & (slots.count - 1)
      while slots[slot] != 0 { slot = (slot + 1) & (slots.count - 1) }
      slots[slot] = Int32(index + 1)
    }
  }
}

/// Whether two runs of bytes are the same.
@inline(__always)
func equal(_ a: UnsafeRawBufferPointer, _ b: UnsafeRawBufferPointer) -> Bool {
  guard a.count == b.count else { return false }
  var offset = 0
  while offset + 8 <= a.count {
    let same =
      unsafe a.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
      == b.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
    if !same { return false }
    offset += 8
  }
  while offset < a.count {
    if unsafe a[offset] != b[offset] { return false }
    offset += 1
  }
  return true
}
