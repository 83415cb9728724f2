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
    position: StreamPosition, transaction: UInt32 = 0, table: UInt32, kind: ChangeKind, keyHash: UInt64, keyStart: Int,
    keyCount: Int,
    rowStart: Int, rowCount: Int
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
  // Sendable: filled by the source's thread, then handed over whole and only read.
  package var bytes: ByteBuffer
  package var changes: [Change] = []

  package init(capacity: Int) { bytes = ByteBuffer(capacity: capacity) }

  /// What it costs to keep.
  package var footprint: Int { bytes.count + changes.count * MemoryLayout<Change>.stride }

  @inlinable package func key(of change: Change) -> UnsafeRawBufferPointer {
    unsafe UnsafeRawBufferPointer(rebasing: bytes.bytes[change.keyStart..<(change.keyStart + change.keyCount)])
  }

  @inlinable package func row(of change: Change) -> UnsafeRawBufferPointer {
    unsafe UnsafeRawBufferPointer(rebasing: bytes.bytes[change.rowStart..<(change.rowStart + change.rowCount)])
  }
}
