package import ChangeModel

/// What a change does to the one row that its key names.
package enum ChangeKind: UInt8, Sendable {
  /// The row is now this, whether it was there or not.
  case upsert
  /// The row's columns are now these, except where the row says unchanged.
  case patch
  /// The row is gone. The change has a key and no row.
  case delete
  /// One more copy of this row in a table without a key; the key is the row.
  case add
  /// One copy less of it.
  case remove
  /// The row should be this, but can't: what the source holds is no value of a column. Goes where the policy about refused
  /// rows says; `ChangeSegment.refusal` tells why.
  case refused
}

/// One change of one row: ids and offsets into its segment's bytes, never text.
package struct Change: Sendable {
  package var position: StreamPosition
  /// The source's id of its transaction, without the epoch; 0 where there is none.
  package var transaction: UInt32
  /// Index of the table in the pipeline's plan.
  package var table: UInt32
  package var kind: ChangeKind
  package var keyHash: UInt64
  /// Canonical key bytes.
  package var keyStart: Int
  package var keyCount: Int
  /// The row as `WireRow`; empty for `delete`.
  package var rowStart: Int
  package var rowCount: Int

  package init(
    position: StreamPosition, transaction: UInt32 = 0, table: UInt32, kind: ChangeKind, keyHash: UInt64,
    keyStart: Int = 0, keyCount: Int = 0, rowStart: Int = 0, rowCount: Int = 0
  ) {
    self.position = position
    self.transaction = transaction
    self.table = table
    self.kind = kind
    self.keyHash = keyHash
    self.keyStart = keyStart
    self.keyCount = keyCount
    self.rowStart = rowStart
    self.rowCount = rowCount
  }
}

/// A run of changes in stream order, with all their bytes: what goes from the source to a lane at once.
@safe package final class ChangeSegment: @unchecked Sendable {
  // Sendable: filled by the source's thread, then handed over whole and only read. So no access can overlap another, and
  // the check of that at every change is left out.
  @exclusivity(unchecked) private var allBytes: ByteBuffer
  @exclusivity(unchecked) private var allChanges: [Change] = []

  /// Why changes are refused, by where their rows begin.
  private var refusals: [Int: Failure] = [:]

  package init(capacity: Int) { unsafe allBytes = ByteBuffer(capacity: capacity) }

  package var bytes: ByteBuffer {
    // SAFETY: see above.
    _read { yield unsafe allBytes }
    _modify { yield unsafe &allBytes }
  }

  package var changes: [Change] {
    _read { yield unsafe allChanges }
    _modify { yield unsafe &allChanges }
  }

  /// Appends a change whose row, or a delete's key as the source sent it, is these bytes.
  ///
  /// - Parameters:
  ///   - change: but for the places of row and key.
  ///   - keyInRow: where the canonical key lies in the row; `nil` when `key` is to be kept beside it.
  package func append(
    _ change: consuming Change, row: UnsafeRawBufferPointer, key: UnsafeRawBufferPointer, keyInRow: Range<Int>?
  ) {
    change.rowStart = bytes.count
    change.rowCount = row.count
    unsafe bytes.append(row)
    unsafe finish(change, key, keyInRow)
  }

  /// The same for a large row, of which the buffer itself is taken over and not its bytes. Only into an empty segment.
  package func append(
    _ change: consuming Change, taking row: inout ByteBuffer, key: UnsafeRawBufferPointer, keyInRow: Range<Int>?
  ) {
    precondition(bytes.count == 0, "a large row has a segment of its own")
    change.rowCount = row.count
    swap(&bytes, &row)
    unsafe finish(change, key, keyInRow)
  }

  /// Appends a change whose row can't be written. Its bytes hold what could be made of it; none are empty.
  package func append(
    refused change: consuming Change, row: UnsafeRawBufferPointer, key: UnsafeRawBufferPointer, because failure: Failure
  ) {
    refusals[bytes.count] = failure
    unsafe append(change, row: row, key: key, keyInRow: nil)
  }

  /// Why a change is refused; `nil` for any other.
  package func refusal(of change: Change) -> Failure? {
    change.kind == .refused ? refusals[change.rowStart] : nil
  }

  private func finish(_ change: consuming Change, _ key: UnsafeRawBufferPointer, _ keyInRow: Range<Int>?) {
    change.keyCount = key.count
    if let keyInRow {
      change.keyStart = change.rowStart + keyInRow.lowerBound
    } else {
      change.keyStart = bytes.count
      unsafe bytes.append(key)
    }
    changes.append(change)
  }

  /// What it costs to keep.
  package var footprint: Int { bytes.count + changes.count * MemoryLayout<Change>.stride }

  @inlinable package func key(of change: Change) -> UnsafeRawBufferPointer {
    unsafe UnsafeRawBufferPointer(rebasing: bytes.bytes[change.keyStart..<(change.keyStart + change.keyCount)])
  }

  @inlinable package func row(of change: Change) -> UnsafeRawBufferPointer {
    unsafe UnsafeRawBufferPointer(rebasing: bytes.bytes[change.rowStart..<(change.rowStart + change.rowCount)])
  }
}
