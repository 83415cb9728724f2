internal import Apply
internal import ChangeModel
internal import Lanes
internal import PenstockExtensions
internal import PostgresSource
internal import Runtime
internal import SQLMapping

/// Reads a registered source and puts its changes into the lanes, as `ReplicationStream` does with a server's.
struct OwnSourceReader: ~Copyable {
  private let source: OwnSource
  private let group: LaneGroup
  private var router: ChangeRouter
  private let plans: [TablePlan]
  /// The plan's index by the source's; `nil` for a table that is not selected.
  private let tables: [UInt32?]
  private let progress: StreamProgress
  private let endsWhenCaughtUp: Bool
  /// The last transaction that was put into lanes.
  private var position: UInt64
  private var confirmed: UInt64
  /// Transactions put into lanes that may not be committed yet, in order.
  private var unsettled: [UInt64] = []
  private var row = ByteBuffer(capacity: 4096)

  /// - Parameter position: everything up to there is committed.
  init(
    _ source: OwnSource, group: LaneGroup, router: consuming ChangeRouter, plans: [TablePlan], tables: [UInt32?],
    after position: UInt64, progress: StreamProgress, endsWhenCaughtUp: Bool
  ) {
    self.source = source
    self.group = group
    self.router = router
    self.plans = plans
    self.tables = tables
    self.progress = progress
    self.endsWhenCaughtUp = endsWhenCaughtUp
    self.position = position
    confirmed = position
  }

  /// Reads until told to stop, until the source ends, or until something fails.
  mutating func run() async throws(Failure) {
    while !isOver {
      group.sourceAwaitsLanes = group.isFull
      if group.isFull {
        waitForLanes()
        continue
      }
      let after = position
      let next: [Transaction]?
      do throws(Failure) {
        next = try await source.call { try await $0.transactions(after: after) }
      } catch {
        if isOver { return }
        throw error
      }
      guard let next else { return drain() }
      for transaction in next { try route(transaction) }
      router.flush()
      group.completeBefore = LSN(position + 1)
      try await report()
      guard next.isEmpty else { continue }
      if endsWhenCaughtUp { return drain() }
      group.endSignal.wait(for: .milliseconds(100))
    }
  }

  /// Tells the source what is committed for good, once the lanes have ended.
  mutating func reportFinally() async throws(Failure) { try await confirm() }

  private var isOver: Bool { group.failure != nil || group.isStopping }

  private mutating func drain() {
    while !isOver, !group.isDrained { waitForLanes() }
    noteCommitted()
  }

  private mutating func waitForLanes() {
    group.sourceWakeup.clear()
    guard !isOver, group.isFull || !group.isDrained else { return }
    group.sourceWakeup.wait(for: .milliseconds(200))
    noteCommitted()
  }

  // MARK: Position

  /// Looks up to which transaction everything is committed. It is one that the source has given, so that it knows the
  /// position when it is asked again from there.
  mutating func noteCommitted() {
    let pending = [router.oldestOpen, group.oldestPending].compactMap { $0?.rawValue }.min() ?? .max
    let count = unsettled.firstIndex { $0 >= pending } ?? unsettled.count
    guard count > 0 else { return }
    progress.committed = max(progress.committed, LSN(unsettled[count - 1] + 1))
    unsettled.removeFirst(count)
  }

  private mutating func report() async throws(Failure) {
    noteCommitted()
    try await confirm()
  }

  private mutating func confirm() async throws(Failure) {
    let limit = progress.reportLimit.rawValue
    guard limit > 0, limit - 1 > confirmed else { return }
    try await source.call { try await $0.confirm(limit - 1) }
    confirmed = limit - 1
  }

  // MARK: Changes

  private mutating func route(_ transaction: Transaction) throws(Failure) {
    guard transaction.position > position, transaction.position < .max else {
      throw wrong("gives position \(transaction.position) after \(position)")
    }
    guard transaction.isWhole else { throw wrong("gives a part of a transaction at position \(transaction.position)") }
    var place = StreamPosition(commitLSN: LSN(transaction.position), ordinal: 0)
    for change in transaction.changes {
      place.ordinal += 1
      guard tables.indices.contains(change.table) else {
        throw wrong("gives a change of table \(change.table) of \(tables.count)")
      }
      guard let table = tables[change.table] else { continue }
      let plan = plans[Int(table)]
      guard change.values.count == plan.mapping.columns.count else {
        throw wrong(
          "gives \(change.values.count) values for the \(plan.mapping.columns.count) columns of "
            + "\(plan.mapping.source.name)")
      }
      progress.changes += 1
      row.removeAll(keeping: 1 << 20)
      switch change.operation {
      case .upsert:
        guard change.unchanged.isEmpty else { throw wrong("gives a part of a row of \(plan.mapping.source.name)") }
        for value in change.values { append(value) }
        router.route(.upsert, table: table, row: &row, at: place)
      case .truncate: throw wrong("truncates \(plan.mapping.source.name); it must delete the rows one by one")
      case .delete:
        for column in plan.keyColumns { append(change.values[column]) }
        unsafe router.routeDelete(table: table, key: row.bytes, at: place)
      }
    }
    position = transaction.position
    unsettled.append(position)
    progress.transactions += 1
  }

  private mutating func append(_ value: String?) {
    guard var value else { return row.append(bigEndian: WireRow.null) }
    value.withUTF8 { bytes in
      row.append(bigEndian: Int32(bytes.count))
      unsafe row.append(UnsafeRawBufferPointer(bytes))
    }
  }

  private func wrong(_ message: String) -> Failure {
    Failure(
      .source, "source \"\(source.name)\" \(message)", location: "after position \(position)",
      hint: "The source is at fault. Nothing is lost: the next run goes on from what is committed.")
  }
}
