internal import Apply
internal import ChangeModel
internal import Lanes
internal import PenstockExtensions
internal import PostgresSource
internal import Runtime
internal import SQLMapping

/// The only lane of a pipeline with a registered sink: gives it what waits, and lets the source be told what is durable.
struct OwnSinkWorker: ~Copyable {
  private let sink: OwnSink
  private let group: LaneGroup
  private let plans: [TablePlan]
  private let stream: StreamProgress
  private let apply: ApplyCounter
  private let flushInterval: Duration
  private let log: Log
  private var durable: UInt64
  /// The last transaction that the sink was given as a whole.
  private var given: UInt64
  /// The position of one more that it has a part of.
  private var part: UInt64?

  /// Counts changes that the sink has taken.
  typealias ApplyCounter = @Sendable (_ changes: Int) -> Void

  /// - Parameter durable: what the sink has.
  init(
    _ sink: OwnSink, durable: UInt64, group: LaneGroup, plans: [TablePlan], stream: StreamProgress,
    flushInterval: Duration, log: Log, count apply: @escaping ApplyCounter
  ) {
    self.sink = sink
    self.group = group
    self.plans = plans
    self.stream = stream
    self.flushInterval = flushInterval
    self.log = log
    self.apply = apply
    self.durable = durable
    given = durable
  }

  /// Works until the group stops, then closes the sink. A failure stops the group.
  mutating func run() async {
    defer { group.laneEnded() }
    do throws(Failure) { try await work() } catch { group.fail(error) }
    do throws(Failure) {
      try note(await sink.call { try await $0.close() })
    } catch {
      // After another failure this one only follows it.
      if group.failure == nil { group.fail(error) } else { log.debug("closing the sink: \(error.message)") }
    }
  }

  private mutating func work() async throws(Failure) {
    let wakeup = group.laneWakeups[0]
    var nextAsk = monotonicNow() + flushInterval
    while true {
      wakeup.clear()
      // Looked at first: everything before it is in what is handed out then.
      let complete = max(group.completeBefore, stream.committed).rawValue
      switch group.next(for: 0) {
      case .stop:
        // What is still queued may be the rest of it.
        if group.isDrained { try await endPart(before: complete) }
        return
      case .idle:
        try await endPart(before: complete)
        // Nobody signals that a transaction has ended without another change.
        let rest: Duration = part != nil ? .milliseconds(20) : durable < given ? nextAsk - monotonicNow() : .seconds(20)
        wakeup.wait(for: max(.milliseconds(1), rest))
      case .barrier(let barrier):
        if case .truncate(let tables, let position) = barrier {
          let changes = tables.map { RowChange(.truncate, table: Int($0), values: []) }
          try await write([Transaction(position: position.commitLSN.rawValue, changes: changes, isWhole: false)])
        }
        group.finish(barrier)
      case .apply(let segments, let first):
        let transactions = try decode(segments, first, complete)
        try await write(transactions)
        let count = transactions.reduce(0) { $0 + $1.changes.count }
        apply(count)
        group.finish(0, changes: count)
      }
      if monotonicNow() >= nextAsk {
        if durable < given { try await write([]) }
        nextAsk = monotonicNow() + flushInterval
      }
    }
  }

  /// Tells the sink that it has the whole of what it got a part of, if no more of it comes.
  ///
  /// - Parameter complete: the source's transactions before it were handed over as wholes.
  private mutating func endPart(before complete: UInt64) async throws(Failure) {
    guard let part, part < complete else { return }
    try await write([Transaction(position: part, changes: [])])
  }

  private mutating func write(_ transactions: [Transaction]) async throws(Failure) {
    // Before the lane lets go of it: what is given is not durable yet.
    if !transactions.isEmpty { stream.reportLimit = LSN(durable) }
    for transaction in transactions {
      if let part, part != transaction.position { given = part }
      if transaction.isWhole { given = transaction.position }
      part = transaction.isWhole ? nil : transaction.position
    }
    try note(await sink.call { try await $0.write(transactions) })
  }

  /// Remembers what the sink says is durable, and lets the source be told.
  private mutating func note(_ position: UInt64) throws(Failure) {
    guard position >= durable, position <= given else {
      throw Failure(
        .sink, "sink \"\(sink.name)\" says that it has everything up to \(LSN(position))",
        location: "\(LSN(durable)) was durable before, and it was given all up to \(LSN(given))",
        hint: "The sink is at fault. Nothing is lost: the source sends again what is not durable.")
    }
    durable = position
    stream.reportLimit = durable == given && part == nil ? LSN(.max) : LSN(durable)
  }

  // MARK: Decoding

  /// The changes of segments as transactions.
  ///
  /// - Parameter complete: the source's transactions before it are here as wholes.
  private func decode(
    _ segments: [ChangeSegment], _ first: Int, _ complete: UInt64
  ) throws(Failure) -> [Transaction] {
    var transactions: [Transaction] = []
    var first = first
    for segment in segments {
      for change in segment.changes[first...] {
        let position = change.position.commitLSN.rawValue
        if transactions.last?.position != position { transactions.append(Transaction(position: position, changes: [])) }
        transactions[transactions.count - 1].changes.append(try rowChange(change, segment))
      }
      first = 0
    }
    if let last = transactions.last, last.position >= complete { transactions[transactions.count - 1].isWhole = false }
    return transactions
  }

  private func rowChange(_ change: Change, _ segment: ChangeSegment) throws(Failure) -> RowChange {
    let plan = plans[Int(change.table)]
    let count = plan.mapping.columns.count
    let row = unsafe segment.row(of: change)
    let isDelete = change.kind == .delete
    guard let offsets = unsafe WireRow.fieldOffsets(row, columns: isDelete ? plan.keyColumns.count : count) else {
      throw Failure(.source, "a row is damaged", location: "\(plan.mapping.source.name) at \(change.position)")
    }
    var result = RowChange(
      isDelete ? .delete : .upsert, table: Int(change.table), values: Array(repeating: nil, count: count))
    for (index, offset) in offsets.enumerated() {
      let column = isDelete ? plan.keyColumns[index] : index
      let length = unsafe row.bigEndian(at: offset, as: Int32.self)
      if length == WireRow.unchanged { result.unchanged.append(column) }
      if length >= 0 {
        result.values[column] = unsafe String(
          decoding: UnsafeRawBufferPointer(rebasing: row[(offset + 4)..<(offset + 4 + Int(length))]), as: UTF8.self)
      }
    }
    return result
  }
}
