internal import AWS
internal import ChangeModel
internal import DSQLSink
internal import DynamoDBSource
internal import FullLoad
internal import Lanes
internal import Postgres
internal import Synchronization

/// Keeps the state of a source with shards: which there are and how far every lane has come in them, and how far the
/// segments of the load are.
final class ShardKeeper: Sendable {
  private struct State {
    var shards: [Int: ShardState]
    var numbers: [Place: Int] = [:]
    var next: Int
    /// Shards that were read to their ends, and the last arrival then.
    var ended: [Int: UInt64] = [:]
    /// Rows that differ from those in the target.
    var changed: Set<Int> = []
    var forgotten: [Int] = []
  }

  private struct Place: Hashable {
    var stream: String
    var shard: String
  }

  private let state: Mutex<State>
  private let store: StateStore
  private let identity: WriterIdentity
  private let router: ItemRouter
  private let shardLog: ShardLog
  private let segments: SegmentLedger
  private let scan: ScanProgress
  private let progress: LoadProgress

  init(
    _ shards: [ShardState], _ store: StateStore, _ identity: WriterIdentity, _ router: ItemRouter, _ shardLog: ShardLog,
    _ segments: SegmentLedger, _ scan: ScanProgress, _ progress: LoadProgress
  ) {
    self.store = store
    self.identity = identity
    self.router = router
    self.shardLog = shardLog
    self.segments = segments
    self.scan = scan
    self.progress = progress
    var numbers: [Place: Int] = [:]
    for shard in shards { numbers[Place(stream: shard.stream, shard: shard.shard)] = shard.number }
    state = Mutex(
      State(
        shards: Dictionary(shards.map { ($0.number, $0) }) { first, _ in first }, numbers: numbers,
        next: (shards.map(\.number).max() ?? 0) + 1))
  }

  /// The shard's number and where its reading begins; a new one is written down first.
  func open(
    _ shard: String, of stream: String, table: String, start: ShardState.Start,
    _ write: ([ShardState]) throws(Failure) -> Void
  ) throws(Failure) -> ShardState {
    let (known, isNew) = state.withLock { state in
      let place = Place(stream: stream, shard: shard)
      if let number = state.numbers[place], let known = state.shards[number] { return (known, false) }
      let fresh = ShardState(number: state.next, sourceTable: table, stream: stream, shard: shard, start: start)
      state.next += 1
      state.numbers[place] = fresh.number
      state.shards[fresh.number] = fresh
      return (fresh, true)
    }
    if isNew { try write([known]) }
    return known
  }

  /// The shard is read to its end, all of it routed.
  func end(_ number: Int) {
    let arrival = router.arrival
    state.withLock { $0.ended[number] = arrival }
  }

  /// The source lists the shard no more.
  func forget(_ number: Int) { state.withLock { $0.forgotten.append(number) } }

  /// Writes down what every lane has by now.
  func settle(_ connection: Connection) throws(Failure) {
    let settled = router.settled
    let marks = shardLog.settle(through: settled)
    let (changed, forgotten) = state.withLock { state in
      for (number, mark) in marks where state.shards[number]?.committed != mark && state.shards[number] != nil {
        state.shards[number]?.committed = mark
        state.changed.insert(number)
      }
      for (number, arrival) in state.ended where arrival <= settled {
        state.shards[number]?.isEnded = true
        state.changed.insert(number)
        state.ended[number] = nil
      }
      return (state.changed.sorted().compactMap { state.shards[$0] }, state.forgotten)
    }
    if !changed.isEmpty { try store.write(changed, identity, connection) }
    if !forgotten.isEmpty { try store.forget(shards: forgotten, identity, connection) }
    state.withLock { state in
      for shard in changed where state.shards[shard.number] == shard { state.changed.remove(shard.number) }
      for shard in changed where shard.isEnded { shardLog.forget(shard: shard.number) }
      for number in forgotten {
        if let shard = state.shards.removeValue(forKey: number) {
          state.numbers[Place(stream: shard.stream, shard: shard.shard)] = nil
        }
      }
      state.forgotten.removeFirst(forgotten.count)
    }
    for (segment, isDone) in scan.settle(through: settled) {
      try segments.write(segment, isDone: isDone, store, identity, connection)
      if isDone { progress.finishPart(ofTable: segment.table) }
    }
  }
}
