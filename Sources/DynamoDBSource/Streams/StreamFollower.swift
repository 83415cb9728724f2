package import AWS
package import ChangeModel
internal import Runtime
internal import Synchronization

/// Follows one stream from given positions, and hands over what its shards hold.
///
/// Each shard has one reader, which calls at most five times a second; a child's begins when its parent's has ended.
package final class StreamFollower: Sendable {
  package struct Settings: Hashable, Sendable {
    package var stream: String
    /// Its table's name.
    package var table: String
    /// Of the shards that were begun before, as stored; empty for a stream that is new here.
    package var positions: [String: ShardPosition]
    /// When the positions were the newest there were; `nil` when that is not known.
    package var positionsAsOf: UnixTime?
    /// Where a stream begins that is new here: `.trimHorizon`, `.latest` or `.since`.
    package var start: ShardPosition
    /// Shards whose answers are asked for or taken at the same time; all of them have their turn.
    package var readersMax = 16
    /// 1,000 at most.
    package var recordsPerCall = 1000
    /// Between two calls for a shard that has records: AWS allows five a second.
    package var callInterval = Duration.milliseconds(200)
    /// After an answer without records.
    package var idleInterval = Duration.milliseconds(225)
    /// Where nothing else asks for a listing of the shards.
    package var listingInterval = Duration.seconds(30)
    /// How long a stop, or a failure, waits for the calls under way.
    package var drainLimit = Duration.seconds(10)

    package init(
      stream: String, table: String, positions: [String: ShardPosition] = [:], positionsAsOf: UnixTime? = nil,
      start: ShardPosition = .trimHorizon
    ) {
      self.stream = stream
      self.table = table
      self.positions = positions
      self.positionsAsOf = positionsAsOf
      self.start = start
    }
  }

  enum Outcome: Sendable {
    case end(StreamEnd)
    case failure(Failure)
  }

  struct State: Sendable {
    var lineage: ShardLineage
    var readers: [String: ShardReader] = [:]
    var isListing = false
    var outcome: Outcome?
    var isStopping: Bool { outcome != nil }
  }

  let settings: Settings
  let service: DynamoDBService
  let consumer: any ShardConsumer
  let permits: ReadPermits
  private let bell = Bell()
  private let state: Mutex<State>

  /// Asks for nothing yet.
  package init(_ service: DynamoDBService, _ settings: Settings, consumer: any ShardConsumer) {
    self.service = service
    self.settings = settings
    self.consumer = consumer
    permits = ReadPermits(settings.readersMax)
    state = Mutex(
      State(
        lineage: ShardLineage(
          positions: settings.positions, start: settings.start, listingInterval: settings.listingInterval)))
  }

  /// Reads until stopped, or until the stream can't be followed any further. Once only.
  /// - Throws: what the consumer throws, and what DynamoDB refuses for longer than the service's budget.
  package func run() async throws(Failure) -> StreamEnd {
    if let asOf = settings.positionsAsOf, !settings.positions.isEmpty,
      UnixTime.now - asOf > ShardPosition.retentionSeconds
    {
      return .trimmed(shard: settings.positions.keys.min() ?? "")
    }
    await withDiscardingTaskGroup { group in
      while !isStopping {
        if takeListing() { group.addTask { [self] in await list() } }
        while let turn = nextTurn() { group.addTask { [self] in await read(turn) } }
        if !isStopping { await bell.wait(atMost: timeToListing) }
        if Task.isCancelled { settle(.end(.stopped)) }
      }
      let limit = monotonicDeadline(settings.drainLimit)
      while state.withLock({ !$0.readers.isEmpty }), monotonicNow() < limit, !Task.isCancelled {
        await bell.wait(atMost: limit - monotonicNow())
      }
      group.cancelAll()
    }
    switch state.withLock({ $0.outcome }) {
    case .failure(let failure): throw failure
    case .end(let end): return end
    case nil: return .stopped
    }
  }

  /// Lets `run` end when the calls under way have been answered and taken.
  package func stop() { settle(.end(.stopped)) }

  var isStopping: Bool { state.withLock { $0.isStopping } }

  /// The first outcome counts.
  private func settle(_ outcome: Outcome) {
    state.withLock { $0.outcome = $0.outcome ?? outcome }
    bell.ring()
  }

  // MARK: Shards

  /// Whether a listing is due, which then counts as under way.
  private func takeListing() -> Bool {
    state.withLock { state in
      guard !state.isListing, monotonicNow() >= state.lineage.listingDue else { return false }
      state.isListing = true
      return true
    }
  }

  private var timeToListing: Duration {
    state.withLock { state in
      // The end of the one under way rings.
      state.isListing ? settings.listingInterval : max(.milliseconds(1), state.lineage.listingDue - monotonicNow())
    }
  }

  private func list() async {
    defer {
      state.withLock { $0.isListing = false }
      bell.ring()
    }
    do throws(Failure) {
      let asked = monotonicNow()
      guard let stream = try await service.describeStream(settings.stream) else {
        return settle(.end(.gone(replacement: try await replacement())))
      }
      let (forgotten, gap, isFinished) = state.withLock { state in
        let news = state.lineage.learn(stream.shards, isDisabled: stream.isDisabled, now: asked)
        return (news.forgotten, news.gap, state.lineage.isFinished)
      }
      for shard in forgotten { try await consumer.forgot(shard) }
      switch gap {
      case .vanished(let shard), .unconnected(let shard), .late(let shard):
        return settle(.end(.trimmed(shard: shard)))
      case nil: break
      }
      if isFinished { settle(.end(.disabled(replacement: try await replacement()))) }
    } catch { settle(.failure(error)) }
  }

  /// The stream that the table has now, if it is another one.
  private func replacement() async throws(Failure) -> String? {
    let table = try await service.describeTable(settings.table)
    guard let latest = table?.latestStreamARN, latest != settings.stream else { return nil }
    return latest
  }

  private func nextTurn() -> ShardLineage.Turn? {
    state.withLock { state in
      guard !state.isStopping, let turn = state.lineage.begin(now: monotonicNow()) else { return nil }
      state.readers[turn.shard] = ShardReader(self, turn)
      return turn
    }
  }

  private func read(_ turn: ShardLineage.Turn) async {
    guard let reader = state.withLock({ $0.readers[turn.shard] }) else { return }
    do throws(Failure) {
      switch try await reader.run() {
      case .ended:
        try await consumer.ended(turn.shard)
        let isFinished = state.withLock { state in
          state.lineage.end(turn.shard)
          return state.lineage.isFinished
        }
        if isFinished { settle(.end(.disabled(replacement: try await replacement()))) }
      case .stopped: break
      case .trimmed: settle(.end(.trimmed(shard: turn.shard)))
      case .gone:
        // The shard alone, with records that were not read, or the whole stream.
        let stream = try await service.describeStream(settings.stream)
        settle(.end(stream == nil ? .gone(replacement: try await replacement()) : .trimmed(shard: turn.shard)))
      }
    } catch { settle(.failure(error)) }
    state.withLock { $0.readers[turn.shard] = nil }
    bell.ring()
  }

  // MARK: Progress

  package var progress: StreamProgress {
    state.withLock { state in
      StreamProgress(
        reading: state.readers.values.map(\.progress).sorted { $0.id < $1.id }, pending: state.lineage.count(.pending),
        ended: state.lineage.count(.ended))
    }
  }

  /// Whether every shard there is has an iterator, so that nothing can be missed that is written from now on.
  package var hasBegun: Bool {
    state.withLock { state in
      !state.lineage.expectsChildren && state.lineage.count(.pending) == 0
        && state.lineage.count(.reading) == state.readers.count && state.readers.values.allSatisfy(\.hasIterator)
    }
  }

  /// Whether everything has been taken that was written before a moment, but for what DynamoDB had not put into the stream
  /// yet: every open shard has answered, when asked later, that it has nothing more. Ask again until it is so: a listing that
  /// is too old for the answer is made anew.
  ///
  /// - Parameter moment: on the monotonic clock.
  package func hasCaughtUp(with moment: Duration) -> Bool {
    let (hasCaughtUp, needsListing) = state.withLock { state in
      guard state.readers.values.allSatisfy({ $0.hasCaughtUp(with: moment) }) else { return (false, false) }
      if state.lineage.isComplete(since: moment) {
        return (state.lineage.count(.reading) == state.readers.count, false)
      }
      state.lineage.askForListing()
      return (false, true)
    }
    if needsListing { bell.ring() }
    return hasCaughtUp
  }
}

/// How far a stream has been read.
package struct StreamProgress: Hashable, Sendable {
  package struct Shard: Hashable, Sendable {
    package let id: String
    /// The last answer held no records.
    package let isIdle: Bool
    /// Of the last record taken; `nil` before the first.
    package let newestCreation: UnixTime?

    /// How long ago the oldest record may have been created that was not read; 0 when there is none. After 24 hours it is
    /// gone.
    package func unreadSeconds(now: UnixTime) -> Int64 {
      isIdle ? 0 : newestCreation.map { max(0, now - $0) } ?? 0
    }
  }

  /// The shards that are being read, by id.
  package let reading: [Shard]
  /// Shards that wait for their parents.
  package let pending: Int
  package let ended: Int

  /// Of the shard that is furthest behind: seconds until records that were not read are gone.
  package func secondsLeft(now: UnixTime) -> Int64 {
    ShardPosition.retentionSeconds - (reading.map { $0.unreadSeconds(now: now) }.max() ?? 0)
  }
}
