internal import Apply
package import ChangeModel
package import Lanes
internal import Runtime
internal import Synchronization

/// Puts the records of streams and the items of scans into the lanes, each body as a whole, in the order in which they come.
///
/// Every change is numbered as it arrives; the number is its position in the lanes. A page of a scan may be older than
/// changes that have arrived since it was asked for: what it says of their items is left out, for the stream says it
/// better. All else in it is as new as anything that has arrived, if the page was read consistently.
package final class ItemRouter: Sendable {
  private let state: Mutex<State>
  private let group: LaneGroup
  private let shardLog: ShardLog
  /// How old what a page says may be when it is asked for: zero for consistent reads.
  private let staleness: Duration

  struct State: ~Copyable {
    var router: ChangeRouter
    let readers: [ItemReader]
    var records = RecordsPage()
    var page = ScanPage()
    var row = ByteBuffer(capacity: 4096)
    var key = ByteBuffer(capacity: 256)
    /// What a transform has made of a row or a key.
    var made = ByteBuffer(capacity: 4096)
    /// The last change's.
    var arrival: UInt64
    /// What each lane had of each shard when the run began; only for shards that some lane was ahead in.
    var ahead: [Int: [SequenceNumber?]]
    /// By shard, the last record that was routed.
    var routed: [Int: SequenceNumber] = [:]
    var recent = RecentKeys()
    /// Pages that were asked for and have not come, by the arrival that they may be as old as.
    var asked: [UInt64: Int] = [:]
    /// Which arrival was the last at some moments, the newest that is too old included.
    var moments: [(time: Duration, arrival: UInt64)]
    var isLoading = false
  }

  /// - Parameters:
  ///   - tables: by the index of their plans.
  ///   - arrival: that of the last change of earlier runs.
  ///   - lanes: what each lane has of each shard.
  ///   - readsConsistently: whether pages of scans show all that was written before they were asked for.
  /// - Throws: when a transform can't be read.
  package init(
    group: LaneGroup, router: consuming ChangeRouter, tables: [ItemTable], shardLog: ShardLog, after arrival: UInt64,
    lanes: [ShardLog.Marks], readsConsistently: Bool
  ) throws(Failure) {
    self.group = group
    self.shardLog = shardLog
    // "Usually within one second or less" (DynamoDB Developer Guide, "Read consistency").
    staleness = readsConsistently ? .zero : .seconds(60)
    var ahead: [Int: [SequenceNumber?]] = [:]
    for shard in Set(lanes.flatMap(\.keys)) { ahead[shard] = lanes.map { $0[shard] } }
    var readers: [ItemReader] = []
    for table in tables { readers.append(try ItemReader(table)) }
    state = Mutex(
      State(
        router: router, readers: readers, arrival: arrival, ahead: ahead, moments: [(monotonicNow(), arrival)]))
  }

  /// The last change's number.
  package var arrival: UInt64 { state.withLock { $0.arrival } }

  /// Up to where every lane has everything.
  package var settled: UInt64 {
    state.withLock { state in
      let pending = [state.router.oldestOpen, group.oldestPending].compactMap { $0?.rawValue }.min()
      return pending.map { $0 - 1 } ?? state.arrival
    }
  }

  // MARK: Streams

  /// Routes the records of an answer of GetRecords.
  ///
  /// - Parameters:
  ///   - shard: its number in the state.
  ///   - earliest: records that were created before it, in milliseconds since 1970, are passed over.
  /// - Throws: when the answer can't be read, or an item can't be a row.
  package func route(
    records body: [UInt8], table: Int, shard: Int, from earliest: Int64?
  ) throws(Failure) -> RecordsSummary {
    try state.withLock { (state) throws(Failure) in
      let reader = state.readers[table]
      try unsafe body.span.bytes.withUnsafeBytes { bytes throws(Failure) in
        do throws(JSONFault) { unsafe try state.records.read(bytes) } catch {
          throw error.failure(of: "GetRecords", table: reader.table.name)
        }
        var arrivals: [UInt64] = []
        var numbers: [SequenceNumber] = []
        for record in state.records.records {
          // An answer that is given twice says nothing new.
          if let last = state.routed[shard], record.sequenceNumber <= last { continue }
          state.routed[shard] = record.sequenceNumber
          let isOld = earliest.map { record.creationTime < $0 } ?? false
          if !isOld { unsafe try state.route(record, reader, shard, bytes) }
          arrivals.append(state.arrival)
          numbers.append(record.sequenceNumber)
        }
        shardLog.append(shard: shard, arrivals: arrivals, numbers)
      }
      state.router.flush()
      group.completeBefore = LSN(state.arrival + 1)
      return RecordsSummary(state.records)
    }
  }

  // MARK: Scans

  /// Whether pages of scans will come: only then are the keys of changes remembered.
  package var isLoading: Bool {
    get { state.withLock { $0.isLoading } }
    set {
      state.withLock { state in
        state.isLoading = newValue
        if !newValue { state.recent = RecentKeys() }
      }
    }
  }

  /// A page is about to be asked for.
  /// - Returns: what `route` or `giveUp` is told of it.
  package func ask() -> UInt64 {
    state.withLock { state in
      let oldest = state.oldestShown(now: monotonicNow(), staleness)
      state.asked[oldest, default: 0] += 1
      return oldest
    }
  }

  /// The page will not come.
  package func giveUp(asked: UInt64) { state.withLock { $0.forget(asked, staleness) } }

  /// What a page of a scan has said.
  package struct PageSummary: Sendable {
    package var items: Int
    /// `LastEvaluatedKey` as JSON; `nil` at the end of the segment.
    package var lastKey: [UInt8]?
    package var capacityUnits: Double
    /// The last change's number.
    package var arrival: UInt64
  }

  /// Routes the items of an answer of Scan.
  ///
  /// - Throws: as for records.
  package func route(page body: [UInt8], table: Int, asked: UInt64) throws(Failure) -> PageSummary {
    try state.withLock { (state) throws(Failure) in
      defer { state.forget(asked, staleness) }
      let reader = state.readers[table]
      return try unsafe body.span.bytes.withUnsafeBytes { bytes throws(Failure) in
        do throws(JSONFault) { unsafe try state.page.read(bytes) } catch {
          throw error.failure(of: "Scan", table: reader.table.name)
        }
        for item in state.page.items { unsafe try state.route(item: item, reader, bytes, asked) }
        state.router.flush()
        group.completeBefore = LSN(state.arrival + 1)
        return PageSummary(
          items: state.page.items.count, lastKey: state.page.lastKey.map { unsafe [UInt8](bytes[$0]) },
          capacityUnits: state.page.capacityUnits, arrival: state.arrival)
      }
    }
  }
}

extension ItemRouter.State {
  /// The last arrival that a page which is asked for now shows for certain.
  fileprivate mutating func oldestShown(now: Duration, _ staleness: Duration) -> UInt64 {
    if staleness == .zero { return arrival }
    if let last = moments.last, now - last.time >= .seconds(1) { moments.append((now, arrival)) }
    while moments.count > 1, now - moments[1].time >= staleness { moments.removeFirst() }
    return moments[0].arrival
  }

  fileprivate mutating func forget(_ asked: UInt64, _ staleness: Duration) {
    self.asked[asked, default: 1] -= 1
    if self.asked[asked] == 0 { self.asked[asked] = nil }
    // Of reads that are not consistent, those still to come may be as old as the oldest moment.
    let oldest = staleness == .zero ? arrival : moments[0].arrival
    recent.forget(through: min(self.asked.keys.min() ?? oldest, oldest))
  }
}
