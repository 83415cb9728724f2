internal import AWS
internal import ChangeModel
internal import DSQLSink
internal import DynamoDBSource
internal import Lanes
internal import PostgresSource
internal import Runtime
internal import Synchronization

/// Takes the records of one table's stream into the lanes.
final class TableFollower: ShardConsumer {
  /// A shard that is being read.
  private struct OpenShard {
    var number: Int
    /// Records that were created before it don't count, in milliseconds since 1970.
    var earliest: Int64?
  }

  /// Records' times are approximate, and our clock is not DynamoDB's.
  private static let timeMargin: Int64 = 300

  private let table: Int
  private let name: String
  private let stream: String
  private let router: ItemRouter
  private let group: LaneGroup
  private let keeper: ShardKeeper
  private let progress: PostgresSource.StreamProgress
  private let write: @Sendable ([ShardState]) throws(Failure) -> Void
  private let open = Mutex<[String: OpenShard]>([:])

  /// - Parameter write: writes new shards to the state.
  init(
    table: Int, name: String, stream: String, _ router: ItemRouter, _ group: LaneGroup, _ keeper: ShardKeeper,
    _ progress: PostgresSource.StreamProgress, write: @escaping @Sendable ([ShardState]) throws(Failure) -> Void
  ) {
    self.table = table
    self.name = name
    self.stream = stream
    self.router = router
    self.group = group
    self.keeper = keeper
    self.progress = progress
    self.write = write
  }

  func began(_ shard: String, at position: ShardPosition) async throws(Failure) {
    let start: ShardState.Start =
      switch position {
      case .latest: .since(UnixTime.now.seconds)
      case .since(let time): .since(time.seconds)
      case .trimHorizon, .after, .done: .trimHorizon
      }
    let state = try keeper.open(shard, of: stream, table: name, start: start, write)
    var earliest: Int64?
    if case .since(let seconds) = state.start { earliest = (seconds - Self.timeMargin) * 1000 }
    open.withLock { $0[shard] = OpenShard(number: state.number, earliest: earliest) }
  }

  func take(_ body: [UInt8], of shard: String) async throws(Failure) -> RecordsSummary {
    guard let known = open.withLock({ $0[shard] }) else { preconditionFailure("a shard is taken before it began") }
    while group.isFull, !group.isStopping, group.failure == nil {
      // A cancelled sleep is seen by the follower.
      try? await Task.sleep(for: .milliseconds(2))
    }
    let summary = try router.route(records: body, table: table, shard: known.number, from: known.earliest)
    progress.changes += summary.count
    return summary
  }

  func ended(_ shard: String) async throws(Failure) {
    if let known = open.withLock({ $0.removeValue(forKey: shard) }) { keeper.end(known.number) }
  }

  func forgot(_ shard: String) async throws(Failure) {
    let state = try keeper.open(shard, of: stream, table: name, start: .trimHorizon, write)
    keeper.forget(state.number)
  }
}
