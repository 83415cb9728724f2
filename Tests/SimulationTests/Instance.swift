import Apply
import ChangeModel
import ChangeTestKit
import DSQLSink
import Lanes
import PenstockTestKit
import Postgres
import Runtime
import SQLMapping

/// The source's rows as they are when asked.
///
/// Asking also lets the stream go on, as it does while a real lane waits for its answer.
private final class CurrentRows: SourceRows, @unchecked Sendable {
  // Sendable: the simulation runs on one thread.
  private let history: History
  var onFetch: () -> Void = {}

  init(_ history: History) { self.history = history }

  func fetch(
    _ plan: TablePlan, after transactions: [UInt32], keys: [[UInt8]], into bytes: inout ByteBuffer,
    _ placed: (Int, Range<Int>) -> Bool
  ) throws(Failure) {
    onFetch()
    for (index, key) in keys.enumerated() {
      let parts = key.withUnsafeBytes { cells($0, columns: plan.keyColumns.count) } ?? []
      guard let row = history.database.rows[ModelDatabase.Place(table: plan.index, key: parts)] else { continue }
      let start = bytes.count
      bytes.append(wireRow(row))
      if !placed(index, start..<bytes.count) { return }
    }
  }

  func endOfLog() -> LSN { history.log.last?.endLSN ?? .zero }
  func closeIfIdle() {}
}

/// One run of a process: a stream over the history, a router and lanes, stepped one piece at a time.
///
/// What the replication stream does with positions, barriers and confirmation is done here the same way.
final class Instance {
  let identity: WriterIdentity
  private let world: World
  private let history: History
  private let lanes: RoutedLanes
  private var group: LaneGroup { lanes.group }
  private var workers: [LaneWorker] = []
  private(set) var failure: Failure?
  /// The next event: a transaction's index and an event's.
  private var cursor = (transaction: 0, event: 0)
  private var position = StreamPosition.zero
  private var receivedEnd = LSN.zero
  private var waitingBarrier: Barrier?
  private var isBarrierRunning = false

  /// - Parameter bytesMax: what the lanes may hold.
  init(_ world: World, _ history: History, lanes: Int, envelope: Envelope, bytesMax: Int = .max) {
    self.world = world
    self.history = history
    let (identity, positions) = world.claim(lanes: lanes)
    self.identity = identity
    self.lanes = RoutedLanes(
      positions.count, simulatedPlans, committed: positions, bytesMax: bytesMax,
      consistentFrom: history.log.last?.endLSN ?? .zero)
    let group = self.lanes.group
    // Nobody shall wait for real time.
    group.endSignal.signal()
    cursor.transaction = history.log.firstIndex { $0.commitLSN >= world.confirmed } ?? history.log.count
    receivedEnd = world.confirmed
    let rows = CurrentRows(history)
    let context = LaneContext(
      options: SinkOptions(
        dialect: .postgres, connection: ConnectionSettings(role: .sink, parameters: []), envelope: envelope,
        pool: PoolState.Limits(maxSize: 8, lifetime: .seconds(60)), limiter: ConcurrencyLimiter(.init(most: 8)),
        retry: Backoff.Limits(initialDelay: .zero, maxDelay: .zero, maxElapsed: .seconds(60)), isPipelined: true),
      identity: identity, plans: simulatedPlans, format: .text, group: group, sourceRows: rows,
      progress: ApplyProgress(), log: Log(level: .error), keepsTransactions: false)
    workers = positions.indices.map {
      LaneWorker(lane: $0, context: context, target: WorldTarget(world, identity) { [unowned self] in receiveAll() })
    }
    rows.onFetch = { [unowned self] in receiveAll() }
  }

  /// Whether every change of the history is in lanes that have nothing left to do.
  var isDone: Bool {
    cursor.transaction == history.log.count && waitingBarrier == nil && !isBarrierRunning
      && lanes.router.oldestOpen == nil
      && group.isDrained
  }

  /// Takes the next event of the stream, if nothing stands in its way.
  func receive() {
    group.sourceAwaitsLanes = isBlocked || group.isFull
    if group.isFull { return flush() }
    if group.sourceAwaitsLanes { return }
    guard cursor.transaction < history.log.count else { return }
    let transaction = history.log[cursor.transaction]
    if cursor.event == 0 { position = StreamPosition(commitLSN: transaction.commitLSN, ordinal: 0) }
    if cursor.event < transaction.events.count {
      position.ordinal += 1
      switch transaction.events[cursor.event] {
      case .change(let table, let change): lanes.route(change, table: table, at: position)
      case .truncate(let tables):
        if !lanes.router.isCommittedEverywhere(position) { waitingBarrier = .truncate(tables: tables, at: position) }
      }
      cursor.event += 1
    }
    if cursor.event == transaction.events.count {
      cursor = (cursor.transaction + 1, 0)
      receivedEnd = max(receivedEnd, transaction.endLSN)
    }
  }

  private func receiveAll() {
    guard !isBarrierRunning else { return }
    while cursor.transaction < history.log.count && waitingBarrier == nil && !group.isFull {
      receive()
      flush()
    }
    flush()
    group.sourceAwaitsLanes = waitingBarrier != nil || group.isFull
  }

  private var isBlocked: Bool {
    if isBarrierRunning {
      if !group.isDrained { return true }
      isBarrierRunning = false
    }
    guard let barrier = waitingBarrier else { return false }
    flush()
    if group.isDrained {
      group.begin(barrier)
      waitingBarrier = nil
      isBarrierRunning = true
    }
    return true
  }

  func flush() {
    lanes.flush()
    group.completeBefore = receivedEnd
  }

  /// Tells the source what is committed, as the stream computes it.
  func confirm() {
    var end =
      cursor.event > 0 || waitingBarrier != nil || isBarrierRunning ? min(receivedEnd, position.commitLSN) : receivedEnd
    if let oldest = lanes.router.oldestOpen { end = min(end, oldest) }
    if let oldest = group.oldestPending { end = min(end, oldest) }
    world.confirmed = max(world.confirmed, end)
  }

  /// One turn of a lane chosen by number. A failure ends the instance.
  func work(_ number: Int) {
    guard failure == nil else { return }
    do throws(Failure) {
      _ = try workers[number % workers.count].turn()
    } catch {
      failure = error
    }
  }
}
