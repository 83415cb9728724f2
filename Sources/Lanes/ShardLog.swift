package import ChangeModel
internal import Synchronization

/// Which record of which shard arrived when: tells a lane, for the transaction that commits its changes, how far it has
/// come in every shard.
///
/// Records of many shards are numbered as they arrive, and a lane's position is such a number: the lane then has every
/// change of its own that arrived up to there. Arrivals are of one run; what a lane has is remembered by shard.
package final class ShardLog: Sendable {
  /// How far, by the shard's number.
  package typealias Marks = [Int: SequenceNumber]

  /// The records of one answer. At least one.
  private struct Run {
    var shard: Int
    /// For each record, the arrival of its last change.
    var arrivals: [UInt64]
    var sequenceNumbers: [SequenceNumber]
  }

  private struct Cursor {
    var marks: Marks
    /// Runs that the marks cover wholly, counted from the first ever.
    var runs: Int
  }

  private struct State {
    var runs: [Run] = []
    /// Runs that were dropped.
    var dropped = 0
    var lanes: [Cursor]
    var all = Cursor(marks: [:], runs: 0)

    /// - Parameter wholeRuns: leave a run of which only a part is covered.
    func advance(_ cursor: Cursor, through arrival: UInt64, wholeRuns: Bool) -> Cursor {
      var cursor = cursor
      for run in runs[(cursor.runs - dropped)...] {
        guard run.arrivals[0] <= arrival else { break }
        let isWhole = run.arrivals[run.arrivals.count - 1] <= arrival
        if !isWhole && wholeRuns { break }
        // Of the records that are covered, the last.
        let covered = isWhole ? run.arrivals.count : run.arrivals.prefix { $0 <= arrival }.count
        let mark = run.sequenceNumbers[covered - 1]
        // A lane may have more than what is read again.
        if cursor.marks[run.shard].map({ $0 < mark }) ?? true { cursor.marks[run.shard] = mark }
        if isWhole { cursor.runs += 1 } else { break }
      }
      return cursor
    }
  }

  private let state: Mutex<State>

  /// - Parameter lanes: what each lane had when the run began.
  package init(lanes: [Marks]) {
    state = Mutex(State(lanes: lanes.map { Cursor(marks: $0, runs: 0) }))
  }

  /// Notes records that have arrived, in order.
  /// - Parameter arrivals: for each record, the arrival of its last change.
  package func append(shard: Int, arrivals: [UInt64], _ sequenceNumbers: [SequenceNumber]) {
    precondition(arrivals.count == sequenceNumbers.count)
    guard !arrivals.isEmpty else { return }
    state.withLock { $0.runs.append(Run(shard: shard, arrivals: arrivals, sequenceNumbers: sequenceNumbers)) }
  }

  /// What a lane will have with its changes up to `arrival`.
  /// - Parameter committed: up to where it has them now.
  package func marks(ofLane lane: Int, committed: UInt64, through arrival: UInt64) -> Marks {
    state.withLock { state in
      state.lanes[lane] = state.advance(state.lanes[lane], through: committed, wholeRuns: true)
      return state.advance(state.lanes[lane], through: arrival, wholeRuns: false).marks
    }
  }

  /// What every lane has when all of them have their changes up to `arrival`; what came before is then forgotten.
  ///
  /// - Returns: for each shard of this run's records.
  package func settle(through arrival: UInt64) -> Marks {
    state.withLock { state in
      let settled = state.advance(state.all, through: arrival, wholeRuns: false).marks
      state.all = state.advance(state.all, through: arrival, wholeRuns: true)
      for lane in state.lanes.indices {
        state.lanes[lane] = state.advance(state.lanes[lane], through: arrival, wholeRuns: true)
      }
      let passed = state.lanes.reduce(state.all.runs) { min($0, $1.runs) } - state.dropped
      state.runs.removeFirst(passed)
      state.dropped += passed
      return settled
    }
  }

  /// Forgets a shard that every lane has read to its end.
  package func forget(shard: Int) {
    state.withLock { state in
      state.all.marks[shard] = nil
      for lane in state.lanes.indices { state.lanes[lane].marks[shard] = nil }
    }
  }
}

extension ShardLog {
  /// As `penstock.lane` keeps them: `3:410000000000000000123;7:…`, by the shard's number.
  package static func text(_ marks: Marks) -> String {
    marks.sorted { $0.key < $1.key }.map { "\($0.key):\($0.value)" }.joined(separator: ";")
  }

  /// Reads `text`'s form; `nil` when it is not one.
  package static func marks(_ text: String) -> Marks? {
    var marks: Marks = [:]
    for part in text.split(separator: ";") {
      let sides = part.split(separator: ":", omittingEmptySubsequences: false)
      guard sides.count == 2, let shard = Int(sides[0]), let number = SequenceNumber(String(sides[1])) else {
        return nil
      }
      marks[shard] = number
    }
    return marks
  }
}
