package import Apply
package import ChangeModel
package import Runtime
internal import Synchronization

/// Work that touches rows of every lane, done while all of them stand still.
package enum Barrier: Sendable {
  /// These tables (indexes in the plan) lose all rows.
  case truncate(tables: [UInt32], at: StreamPosition)
}

/// What a lane shall do next.
package enum LaneWork: Sendable {
  /// Changes wait: these segments, beginning with change `first` of the first one.
  case apply(segments: [ChangeSegment], first: Int)
  /// All lanes stand still; do this and report.
  case barrier(Barrier)
  /// Nothing to do: wait for the lane's wakeup.
  case idle
  /// The run ends.
  case stop
}

/// The queues between the source's thread and the lanes' threads, and what they must agree on.
///
/// Bounded by bytes: the source looks at `isFull` before it reads on. Only what a lane has committed leaves its
/// queue, so a batch can be built again after a failure, and the lowest uncommitted change is always known.
package final class LaneGroup: Sendable {
  private struct Lane {
    var segments: [ChangeSegment] = []
    /// Changes of the first segment that are committed.
    var first = 0
    /// The last change that the target has.
    var committed = StreamPosition.zero
    var isBusy = false
    var isIdleWaiting = false
  }

  private struct State {
    var lanes: [Lane]
    var bufferedBytes = 0
    var barrier: Barrier?
    var isBarrierRunning = false
    /// The lane that works alone on everything that is queued.
    var serialOwner: Int?
    var isStopping = false
    var failure: Failure?
    var endedLanes = 0
  }

  private let state: Mutex<State>
  private let completeEnd = Atomic<UInt64>(0)
  private let consistentStart: Atomic<UInt64>
  private let sourceStands = Atomic<Bool>(false)
  private let rowsAhead = Atomic<Bool>(false)
  private let bytesMax: Int
  package let laneCount: Int
  /// Signalled when a lane has new work; one for each lane.
  package let laneWakeups: [Wakeup]
  /// Signalled when the source's thread should look again: space, an ended barrier, a failure, a stop.
  package let sourceWakeup = Wakeup()
  /// Signalled once the run ends, for those who wait between two tries.
  package let endSignal = Wakeup()
  /// Signalled when the run ended long ago and a lane still waits for the target: ends that wait.
  package let cutSignal = Wakeup()
  /// For the lane that has a large row, or reads rows again that may be large; the source stands still meanwhile.
  private let wideRows = WideRowGate()
  /// Signalled when every lane has ended.
  package let lanesEnded = Wakeup()

  /// - Parameters:
  ///   - committed: what each lane has, if any of them has something.
  ///   - consistentFrom: the target is of one moment of the source once all lanes have come this far, as nothing in it is
  ///     newer.
  package init(
    laneCount: Int, bytesMax: Int, committed: [StreamPosition]? = nil, consistentFrom: LSN = LSN(.max)
  ) {
    consistentStart = Atomic(consistentFrom.rawValue)
    self.laneCount = laneCount
    self.bytesMax = bytesMax
    let committed = committed ?? Array(repeating: .zero, count: laneCount)
    state = Mutex(State(lanes: committed.map { Lane(committed: $0) }))
    laneWakeups = (0..<laneCount).map { _ in Wakeup() }
  }

  // MARK: For the source

  /// Whether the source must wait before it reads on.
  package var isFull: Bool { state.withLock { $0.bufferedBytes >= bytesMax } }

  package var bufferedBytes: Int { state.withLock { $0.bufferedBytes } }

  package var failure: Failure? { state.withLock { $0.failure } }
  package var isStopping: Bool { state.withLock { $0.isStopping } }

  /// Hands a segment to a lane.
  package func push(_ segment: ChangeSegment, to lane: Int) {
    let mustWake = state.withLock { state in
      state.lanes[lane].segments.append(segment)
      state.bufferedBytes += segment.footprint
      let waits = state.lanes[lane].isIdleWaiting
      state.lanes[lane].isIdleWaiting = false
      return waits
    }
    if mustWake { laneWakeups[lane].signal() }
  }

  /// The commit LSN of the oldest change that some lane has not committed; `nil` when everything is committed.
  package var oldestPending: LSN? {
    state.withLock { state in
      state.lanes.compactMap { lane in
        lane.segments.first.map { $0.changes[lane.first].position.commitLSN }
      }.min()
    }
  }

  /// Whether nothing waits and nobody works.
  package var isDrained: Bool {
    state.withLock { state in
      state.barrier == nil && !state.isBarrierRunning
        && state.lanes.allSatisfy { $0.segments.isEmpty && !$0.isBusy }
    }
  }

  /// Gives work to the first lane alone. Call it only when the group is drained; it is done when it is drained again.
  package func begin(_ barrier: Barrier) {
    state.withLock { $0.barrier = barrier }
    laneWakeups[0].signal()
  }

  /// Whether a lane is at a row of which there should be only one.
  package var hasWideRow: Bool { wideRows.isTaken }

  /// The source's transactions that committed before it have been handed over as wholes.
  package var completeBefore: LSN {
    get { LSN(completeEnd.load(ordering: .acquiring)) }
    set { completeEnd.store(newValue.rawValue, ordering: .releasing) }
  }

  /// Whether the source can't read on before the lanes have moved on.
  package var sourceAwaitsLanes: Bool {
    get { sourceStands.load(ordering: .acquiring) }
    set { sourceStands.store(newValue, ordering: .releasing) }
  }

  // MARK: For the lanes

  /// Whether rows were read again, so that the target may have newer ones than the stream has brought, and since when is
  /// not known yet.
  package var hasRowsAhead: Bool {
    get { rowsAhead.load(ordering: .acquiring) }
    set { rowsAhead.store(newValue, ordering: .releasing) }
  }

  /// All rows that were read again are as the source had them before `end`.
  package func raiseConsistency(to end: LSN) {
    hasRowsAhead = false
    consistentStart.max(end.rawValue, ordering: .relaxed)
  }

  /// Whether the target is of one moment once it has everything from before `end`.
  package func isConsistent(whenBefore end: LSN) -> Bool {
    !hasRowsAhead && end.rawValue >= consistentStart.load(ordering: .relaxed)
  }

  /// Waits until no other lane has a large row, or until the run ends.
  /// - Returns: whether the caller must `leaveWideRow`.
  package func enterWideRow() -> Bool { wideRows.enter(unless: endSignal) }

  package func leaveWideRow() {
    wideRows.leave()
    sourceWakeup.signal()
  }

  /// What `lane` shall do now. Work that is handed out makes it busy until `finish` is called.
  package func next(for lane: Int) -> LaneWork {
    state.withLock { state in
      if state.isStopping || state.failure != nil { return .stop }
      if let owner = state.serialOwner, owner != lane {
        state.lanes[lane].isIdleWaiting = true
        return .idle
      }
      if lane == 0, let barrier = state.barrier {
        state.barrier = nil
        state.isBarrierRunning = true
        return .barrier(barrier)
      }
      guard !state.lanes[lane].segments.isEmpty else {
        state.lanes[lane].isIdleWaiting = true
        return .idle
      }
      state.lanes[lane].isBusy = true
      return .apply(segments: state.lanes[lane].segments, first: state.lanes[lane].first)
    }
  }

  /// The lane has committed its next `changes` changes, or none of them and tries again.
  package func finish(_ lane: Int, changes: Int) {
    let (serialOwner, wakeSource) = state.withLock { state in
      state.lanes[lane].isBusy = false
      let wasFull = state.bufferedBytes >= bytesMax
      remove(changes, from: lane, &state)
      let isEmpty = state.lanes[lane].segments.isEmpty
      return (state.serialOwner, wasFull || isEmpty)
    }
    if let serialOwner { laneWakeups[serialOwner].signal() }
    if wakeSource { sourceWakeup.signal() }
  }

  private func remove(_ changes: Int, from lane: Int, _ state: inout State) {
    var rest = changes
    var dropped = 0
    while rest > 0 {
      let segment = state.lanes[lane].segments[dropped]
      let here = segment.changes.count - state.lanes[lane].first
      let taken = min(rest, here)
      state.lanes[lane].committed = segment.changes[state.lanes[lane].first + taken - 1].position
      if rest < here {
        state.lanes[lane].first += rest
        break
      }
      rest -= here
      state.bufferedBytes -= segment.footprint
      state.lanes[lane].first = 0
      dropped += 1
    }
    state.lanes[lane].segments.removeFirst(dropped)
  }

  /// The last change of a lane that the target has, as far as is known.
  package func committed(_ lane: Int) -> StreamPosition { state.withLock { $0.lanes[lane].committed } }

  /// The barrier's work is done, and all lanes are at its position.
  package func finish(_ barrier: Barrier) {
    state.withLock { state in
      state.isBarrierRunning = false
      switch barrier {
      case .truncate(_, let position): for lane in state.lanes.indices { state.lanes[lane].committed = position }
      }
    }
    sourceWakeup.signal()
  }

  /// Asks all other lanes to stand still so that `lane`, which has handed its work back, can replay what is queued
  /// in commit order.
  ///
  /// - Returns: false when another lane already works alone: hand the turn over and try again later.
  package func beginSerial(_ lane: Int) -> Bool {
    state.withLock { state in
      if let owner = state.serialOwner { return owner == lane }
      state.serialOwner = lane
      return true
    }
  }

  /// Everything that is queued, by lane, once all other lanes stand still; `nil` until then.
  package func serialWork(_ lane: Int) -> [(segments: [ChangeSegment], first: Int)]? {
    state.withLock { state in
      for (index, other) in state.lanes.enumerated() where index != lane && other.isBusy { return nil }
      return state.lanes.map { ($0.segments, $0.first) }
    }
  }

  /// The serial replay has committed this many changes of each lane; all lanes go on.
  package func endSerial(committed: [Int]) {
    state.withLock { state in
      state.serialOwner = nil
      for (lane, changes) in committed.enumerated() { remove(changes, from: lane, &state) }
    }
    for wakeup in laneWakeups { wakeup.signal() }
    sourceWakeup.signal()
  }

  // MARK: Ending

  /// Ends the run after the batches in flight; what is queued stays uncommitted and is streamed again next time.
  package func stop() {
    state.withLock { $0.isStopping = true }
    wakeAll()
  }

  /// Ends the run because of a failure; the first one counts.
  package func fail(_ failure: Failure) {
    state.withLock { if $0.failure == nil { $0.failure = failure } }
    wakeAll()
  }

  /// A lane does no more.
  package func laneEnded() {
    let ended = state.withLock { state in
      state.endedLanes += 1
      return state.endedLanes
    }
    if ended == laneCount { lanesEnded.signal() }
  }

  private func wakeAll() {
    endSignal.signal()
    for wakeup in laneWakeups { wakeup.signal() }
    sourceWakeup.signal()
  }
}
