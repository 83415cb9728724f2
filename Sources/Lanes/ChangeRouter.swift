package import Apply
package import ChangeModel
internal import SQLMapping

/// Puts changes into lanes by their key: the same target and key always meet in the same lane, so their order stays.
///
/// Used by one thread. Changes gather in one open segment per lane until `flush`, or until it is large enough.
package struct ChangeRouter: ~Copyable {
  /// A row beyond it travels in the buffer in which it was built.
  private static let largeRowBytes = 1 << 20

  private let group: LaneGroup
  private let plans: [TablePlan]
  /// What each lane had committed when the run began: older changes are passed over.
  private let committed: [StreamPosition]
  /// The size at which a segment is handed over though more may follow.
  private let segmentBytes: Int
  package let keepsTransactions: Bool
  private var open: [ChangeSegment?]
  private var scratch = ByteBuffer(capacity: 4096)
  /// The source's id of the transaction that the next changes belong to.
  package var transaction: UInt32 = 0
  /// For each lane whether it has the changes that are routed next, although its position does not say so; empty when none
  /// has.
  package var lanesAhead: [Bool] = []
  /// Changes routed so far, those passed over included.
  package private(set) var routedCount = 0

  /// - Parameter keepsTransactions: hand a transaction over as a whole unless it is too large for that.
  package init(group: LaneGroup, plans: [TablePlan], committed: [StreamPosition], keepsTransactions: Bool = false) {
    segmentBytes = keepsTransactions ? 4 << 20 : 128 << 10
    self.keepsTransactions = keepsTransactions
    self.group = group
    self.plans = plans
    self.committed = committed
    open = Array(repeating: nil, count: group.laneCount)
  }

  package func plan(_ table: UInt32) -> TablePlan { plans[Int(table)] }

  /// The commit LSN of the oldest change that is not handed over yet.
  package var oldestOpen: LSN? { open.compactMap { $0?.changes.first?.position.commitLSN }.min() }

  /// Bytes that are not handed over yet.
  package var openBytes: Int { open.reduce(0) { $0 + ($1?.footprint ?? 0) } }

  /// Routes a whole or patched row to its key's lane.
  ///
  /// - Parameter buffer: holds a `WireRow` of the table's columns. A large one is taken over, not copied.
  package mutating func route(
    _ kind: ChangeKind, table: UInt32, row buffer: inout ByteBuffer, at position: StreamPosition
  ) {
    let row = unsafe buffer.bytes
    let plan = plans[Int(table)]
    if position.commitLSN < plan.appliesFrom { return }
    let keyInRow = unsafe keyRange(in: row, plan)
    scratch.removeAll()
    if keyInRow == nil { unsafe Self.appendCanonicalKey(of: row, plan, to: &scratch) }
    let key =
      if let keyInRow { unsafe UnsafeRawBufferPointer(rebasing: row[keyInRow]) } else { unsafe scratch.bytes }
    let hash = unsafe stableHash(key, seed: UInt64(plan.keySpace))
    let isLarge = row.count > Self.largeRowBytes
    let laneHash = unsafe plan.laneHash(ofKey: key, hash: hash)
    guard let segment = segment(for: laneHash, position, startsNew: isLarge) else { return }
    let change = Change(position: position, transaction: transaction, table: table, kind: kind, keyHash: hash)
    if isLarge {
      unsafe segment.append(change, taking: &buffer, key: key, keyInRow: keyInRow)
    } else {
      unsafe segment.append(change, row: row, key: key, keyInRow: keyInRow)
    }
  }

  /// Routes a row that can't be written.
  ///
  /// - Parameter row: a `WireRow` of what could be made of it, its key at least.
  package mutating func routeRefused(
    table: UInt32, row: UnsafeRawBufferPointer, because failure: Failure, at position: StreamPosition
  ) {
    let plan = plans[Int(table)]
    scratch.removeAll()
    unsafe Self.appendCanonicalKey(of: row, plan, to: &scratch)
    let hash = unsafe stableHash(scratch.bytes, seed: UInt64(plan.keySpace))
    let laneHash = unsafe plan.laneHash(ofKey: scratch.bytes, hash: hash)
    guard let segment = segment(for: laneHash, position, startsNew: false) else { return }
    let change = Change(position: position, transaction: transaction, table: table, kind: .refused, keyHash: hash)
    unsafe segment.append(refused: change, row: row, key: scratch.bytes, because: failure)
  }

  /// Routes the removal of the row with this key.
  ///
  /// - Parameter fields: the columns of `TablePlan.keyColumns`, each with its length; for a merged table the row's origin
  ///   behind them.
  package mutating func routeDelete(table: UInt32, key fields: UnsafeRawBufferPointer, at position: StreamPosition) {
    let plan = plans[Int(table)]
    scratch.removeAll()
    unsafe Self.appendCanonical(fields, plan, to: &scratch)
    let hash = unsafe stableHash(scratch.bytes, seed: UInt64(plan.keySpace))
    let laneHash = unsafe plan.laneHash(ofKey: scratch.bytes, hash: hash)
    guard let segment = segment(for: laneHash, position, startsNew: false) else { return }
    let change = Change(position: position, transaction: transaction, table: table, kind: .delete, keyHash: hash)
    unsafe segment.append(change, row: fields, key: scratch.bytes, keyInRow: nil)
  }

  /// Hands all open segments to their lanes.
  package mutating func flush() {
    for lane in open.indices {
      if let segment = open[lane] {
        open[lane] = nil
        group.push(segment, to: lane)
      }
    }
  }

  /// Whether every lane has this position: a barrier there is already done.
  package func isCommittedEverywhere(_ position: StreamPosition) -> Bool {
    committed.allSatisfy { position <= $0 }
  }

  /// The open segment of the hash's lane with room for one more change; `nil` when the lane already has it.
  private mutating func segment(
    for hash: UInt64, _ position: StreamPosition, startsNew: Bool
  ) -> ChangeSegment? {
    routedCount += 1
    let lane = Int(((hash >> 32) * UInt64(group.laneCount)) >> 32)
    if position <= committed[lane] || !lanesAhead.isEmpty && lanesAhead[lane] { return nil }
    if let segment = open[lane] {
      if segment.bytes.count < segmentBytes && !startsNew { return segment }
      group.push(segment, to: lane)
    }
    let segment = ChangeSegment(capacity: startsNew ? 0 : 16 << 10)
    open[lane] = segment
    return segment
  }

  /// Where the key's bytes lie in the row, if they can be used as they stand.
  private func keyRange(in row: UnsafeRawBufferPointer, _ plan: TablePlan) -> Range<Int>? {
    guard let columns = plan.keyColumnsInRow else { return nil }
    var offset = 0
    var start = 0
    for column in 0..<columns.upperBound {
      if column == columns.lowerBound { start = offset }
      unsafe offset += WireRow.field(row, at: offset).count
    }
    return start..<offset
  }

  private static func appendCanonicalKey(
    of row: UnsafeRawBufferPointer, _ plan: TablePlan, to out: inout ByteBuffer
  ) {
    let offsets = unsafe WireRow.fieldOffsets(row, columns: plan.mapping.columns.count) ?? []
    for (part, column) in plan.keyColumns.enumerated() where column < offsets.count {
      unsafe plan.keyForms[part].appendCanonical(WireRow.field(row, at: offsets[column]), to: &out)
    }
  }

  private static func appendCanonical(
    _ fields: UnsafeRawBufferPointer, _ plan: TablePlan, to out: inout ByteBuffer
  ) {
    var offset = 0
    for form in plan.keyForms {
      let field = unsafe WireRow.field(fields, at: offset)
      unsafe form.appendCanonical(field, to: &out)
      offset += field.count
    }
  }
}
