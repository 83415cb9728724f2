internal import AWS
internal import ChangeModel
internal import Runtime
internal import Synchronization

/// Reads one shard from its position to its end, call after call.
final class ShardReader: Sendable {
  enum End: Sendable {
    case ended
    case stopped
    case trimmed
    /// There is no such shard or stream any more.
    case gone
  }

  private struct State {
    /// When the last answer without records was asked for.
    var emptyAt: Duration?
    /// How many answers without records came in a row.
    var emptyCount = 0
    var hasYielded = false
    var hasIterator = false
    var newestCreation: UnixTime?
  }

  private unowned let follower: StreamFollower
  private let turn: ShardLineage.Turn
  private let state = Mutex(State())

  /// An iterator may lead through parts of a shard that hold nothing, so that one empty answer does not show that
  /// everything was read before the first record came.
  private static let emptyAnswersBeforeRecords = 4

  init(_ follower: StreamFollower, _ turn: ShardLineage.Turn) {
    self.follower = follower
    self.turn = turn
  }

  var progress: StreamProgress.Shard {
    state.withLock {
      StreamProgress.Shard(id: turn.shard, isIdle: $0.emptyCount > 0, newestCreation: $0.newestCreation)
    }
  }

  /// Whether DynamoDB has said where the reading begins.
  var hasIterator: Bool { state.withLock { $0.hasIterator } }

  /// The clocks of DynamoDB and of this machine may differ a little, and a record's time is approximate.
  private static let clockMarginSeconds: Int64 = 10

  /// A shard that is written to all the time never answers that it has nothing more: what it gives was then made later.
  func hasCaughtUp(with moment: Duration) -> Bool {
    let time = UnixTime.now + -Int64((monotonicNow() - moment).seconds)
    return state.withLock { state in
      if let newest = state.newestCreation, newest - time >= Self.clockMarginSeconds { return true }
      guard let emptyAt = state.emptyAt, emptyAt >= moment, state.emptyCount > 0 else { return false }
      return state.hasYielded || state.emptyCount >= Self.emptyAnswersBeforeRecords
    }
  }

  func run() async throws(Failure) -> End {
    if isTooOld { return .trimmed }
    try await follower.consumer.began(turn.shard, at: turn.position)
    var position = turn.position
    var iterator: String?
    var nextCall = monotonicNow()
    while !follower.isStopping {
      let wait = nextCall - monotonicNow()
      if wait > .zero { do { try await Task.sleep(for: wait) } catch { return .stopped } }
      await follower.permits.acquire()
      defer { follower.permits.release() }
      if follower.isStopping { break }
      if iterator == nil {
        switch try await renew(position) {
        case .iterator(let text):
          iterator = text
          state.withLock { $0.hasIterator = true }
        case .trimmed: return .trimmed
        case .gone: return .gone
        }
      }
      guard let current = iterator else { continue }
      let asked = monotonicNow()
      nextCall = asked + follower.settings.callInterval
      switch try await follower.service.records(
        at: current, of: follower.settings.stream, limit: follower.settings.recordsPerCall)
      {
      case .expired:
        iterator = nil
        // What came after the first iterator must not be skipped.
        if position == .latest { position = .trimHorizon }
      case .trimmed:
        // The oldest record may go before it is read, but nothing may go after one that was.
        if case .after = position { return .trimmed }
        if isTooOld { return .trimmed }
        iterator = nil
      case .gone: return .gone
      case .body(let body):
        let summary = try await follower.consumer.take(body, of: turn.shard)
        note(summary, asked)
        if let last = summary.lastSequenceNumber { position = .after(last) }
        guard let next = summary.nextIterator else { return .ended }
        iterator = next
        if summary.count == 0 { nextCall = asked + follower.settings.idleInterval }
      }
    }
    return .stopped
  }

  /// Whether records may be gone that were to be read, without an iterator that says so.
  private var isTooOld: Bool {
    if case .since(let moment) = turn.position, UnixTime.now - moment > ShardPosition.retentionSeconds { return true }
    return turn.waited > .seconds(ShardPosition.retentionSeconds)
  }

  private func renew(_ position: ShardPosition) async throws(Failure) -> IteratorAnswer {
    let start: IteratorStart =
      switch position {
      case .after(let number): .after(number)
      case .latest: .latest
      case .trimHorizon, .since, .done: .trimHorizon
      }
    return try await follower.service.shardIterator(of: turn.shard, in: follower.settings.stream, at: start)
  }

  private func note(_ summary: RecordsSummary, _ asked: Duration) {
    state.withLock { state in
      state.newestCreation = summary.newestCreation ?? state.newestCreation
      if summary.nextIterator == nil {
        // Its children may hold more.
        (state.emptyAt, state.emptyCount) = (nil, 0)
      } else if summary.count == 0 {
        state.emptyAt = asked
        state.emptyCount += 1
      } else {
        state.emptyCount = 0
        state.hasYielded = true
      }
    }
  }
}
