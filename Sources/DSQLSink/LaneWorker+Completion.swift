internal import Apply
internal import ChangeModel
internal import Lanes
internal import Runtime
internal import SQLMapping

/// Bytes of a row from which on its copies on the way to the target matter.
let largeRowBytes = 4 << 20

extension LaneWorker {
  /// Puts the source's rows in place of the parts that the batch has of them. A row that is gone there stays a patch:
  /// it finds its row or it finds none, and a later change removes it.
  ///
  /// A large row is the only one in the process until `leaveWideRow`.
  /// - Returns: false when the rows together are too large: the batch must be cut to `completableRows`.
  func completePatches() throws(Failure) -> Bool {
    enterWideRow()
    let limit = batch.rowCount == 1 ? Int.max : max(0, context.options.envelope.bytesAim - batch.byteCount)
    let fetched = try fetchRows(patches(of: batch), of: batch, upTo: limit)
    let bytes = fetched.segment.bytes.count
    if bytes < largeRowBytes || !fetched.isWhole { leaveWideRow() }
    guard fetched.isWhole else {
      completableRows = max(1, min(fetched.entries.count, batch.rowCount / 2))
      return false
    }
    if bytes < context.options.envelope.bytesAim / 2 {
      completableRows = completableRows > Int.max / 2 ? .max : completableRows * 2
    }
    batch.complete(with: fetched.segment)
    return true
  }

  /// The same for a batch that can be written in steps.
  /// - Returns: false, with the batch as it was, when the rows are larger than `bytesMax` together.
  func complete(_ batch: inout FoldedBatch, upTo bytesMax: Int) throws(Failure) -> Bool {
    let fetched = try fetchRows(patches(of: batch), of: batch, upTo: bytesMax)
    if fetched.isWhole { batch.complete(with: fetched.segment) }
    return fetched.isWhole
  }

  func enterWideRow() {
    if !holdsWideRow { holdsWideRow = context.group.enterWideRow() }
  }

  func leaveWideRow() {
    if holdsWideRow { context.group.leaveWideRow() }
    holdsWideRow = false
  }

  /// Writes the source's rows in place of these entries, group by group as they fit; rows that are gone there are left
  /// out.
  /// - Parameter mode: `rowsOnly` or `displacing`.
  func writeCompleted(
    _ indexes: [Int], of batch: borrowing FoldedBatch, _ receipts: [LaneReceipt], _ mode: WriteMode
  ) throws(Failure) -> Step {
    let envelope = context.options.envelope
    // Each row may displace one for each of its unique values.
    let weight = mode == .displacing ? 1 + (context.plans.map { $0.mapping.uniqueValues.count }.max() ?? 0) : 1
    var rest = indexes
    while !rest.isEmpty {
      let group = Array(rest.prefix(max(1, (envelope.rowsMax - receipts.count) / weight)))
      let fetched = try fetchRows(group, of: batch, upTo: envelope.bytesAim, isDisplacing: mode == .displacing)
      var rows = FoldedBatch(envelope: openEnvelope, merging: merged)
      for change in fetched.segment.changes { _ = rows.add(change, of: fetched.segment) }
      let step = rows.isEmpty ? .done : try commitStep(rows, receipts, mode)
      if step != .done { return step }
      if rows.byteCount >= largeRowBytes { target.releaseMemory() }
      let done = Set(fetched.isWhole ? group : fetched.entries)
      rest.removeAll { done.contains($0) }
    }
    return .done
  }

  /// Indexes of the entries of which only a part of the row is known, by table.
  func patches(of batch: borrowing FoldedBatch) -> [Int] {
    var found: [Int] = []
    for index in batch.entries.indices where batch.entries[index].kind == .patch { found.append(index) }
    return found.sorted { (batch.entries[$0].table, $0) < (batch.entries[$1].table, $1) }
  }

  /// Rows that were read from the source.
  struct FetchedRows {
    /// Upserts of the rows that are there.
    let segment = ChangeSegment(capacity: 0)
    /// The entries that they complete.
    var entries: [Int] = []
    /// Whether every entry was asked for and all rows are within the bound.
    var isWhole = true
  }

  /// Reads the whole rows of entries from the source until they are more than `bytesMax` together.
  private func fetchRows(
    _ indexes: [Int], of batch: borrowing FoldedBatch, upTo bytesMax: Int, isDisplacing: Bool = false
  ) throws(Failure) -> FetchedRows {
    var fetched = FetchedRows()
    var rest = indexes[...]
    while fetched.isWhole, let first = rest.first {
      let table = batch.entries[first].table
      var group: [Int] = []
      while let index = rest.first, batch.entries[index].table == table { group.append(rest.removeFirst()) }
      let count = fetched.entries.count
      let plan = context.plans[Int(table)]
      try fetch(plan, group, of: batch, into: &fetched, upTo: bytesMax)
      let read = "\(plan.mapping.source.name): read \(fetched.entries.count - count) rows again"
      if isDisplacing { log.debug(read) } else { log.info("\(read) whose unchanged columns were missing") }
    }
    if !indexes.isEmpty { context.group.hasRowsAhead = true }
    Failpoint.reach(.rowsRefetched)
    return fetched
  }

  /// Reads rows of one table, again after failures that may pass.
  private func fetch(
    _ plan: TablePlan, _ indexes: [Int], of batch: borrowing FoldedBatch, into fetched: inout FetchedRows,
    upTo bytesMax: Int
  ) throws(Failure) {
    var bytes = ByteBuffer()
    swap(&bytes, &fetched.segment.bytes)
    defer { swap(&bytes, &fetched.segment.bytes) }
    var keys: [[UInt8]] = []
    var changes: [Change] = []
    for index in indexes {
      let entry = batch.entries[index]
      let key = unsafe batch.key(of: entry)
      unsafe keys.append(plan.keyFields(of: batch.row(of: entry)))
      changes.append(
        Change(
          position: batch.position, table: entry.table, kind: .upsert, keyHash: entry.keyHash, keyStart: bytes.count,
          keyCount: key.count, rowStart: 0, rowCount: 0))
      // Ahead of the rows, as a large one fills its memory to the last byte.
      unsafe bytes.append(key)
    }
    let start = bytes.count
    var backoff = Backoff(context.options.retry)
    while true {
      var found: [Int] = []
      var isWhole = true
      do throws(Failure) {
        try context.sourceRows.fetch(plan, after: batch.partialTransactions, keys: keys, into: &bytes) { index, row in
          (changes[index].rowStart, changes[index].rowCount) = (row.lowerBound, row.count)
          found.append(index)
          isWhole = row.upperBound - start <= bytesMax
          return isWhole
        }
        fetched.segment.changes += found.map { changes[$0] }
        fetched.entries += found.map { indexes[$0] }
        fetched.isWhole = isWhole
        return
      } catch {
        guard error.isTransient, !context.group.isStopping,
          let delay = backoff.next(now: monotonicNow(), random: .random(in: 0..<1))
        else { throw error }
        bytes.truncate(to: start)
        pause(delay)
      }
    }
  }
}
