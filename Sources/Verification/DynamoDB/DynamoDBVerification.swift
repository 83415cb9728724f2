package import AWS
package import ChangeModel
package import DSQLSink
internal import DynamoDBSource
internal import Postgres
package import Runtime
internal import SQLMapping
internal import Synchronization

/// Compares every item of every table of a DynamoDB source with its row in the target, while both live.
///
/// Items become rows just as the pipeline makes them, and the target compares them in its own types. A target's rows
/// without an item are found by hashes of the keys that the items have.
package final class DynamoDBVerification: Sendable {
  package struct Options: Hashable, Sendable {
    /// Whether the first look sees every write that was acknowledged before it.
    package var readsConsistently: Bool
    /// Parts of a table that are scanned at once.
    package var segments: Int
    /// Most items of a page; `nil` for as many as 1 MB holds.
    package var pageItems: Int?
    /// Read units of a table that may be used in a second; `nil` for all there are.
    package var readCapacity: Int?
    /// Pages compared at a time, each in a session of the target.
    package var workers: Int
    /// Whether the pipeline brings changes into the target.
    package var follows: Bool
    /// What the keys of one target table may take, while its rows without items are looked for.
    package var memoryBytes = 64 << 20
    /// Keys of the target that are read at a time.
    package var keysPerPage = 20_000
    /// How long a row must stay as it is before it is held to differ, while the pipeline runs.
    package var stillness = Duration.seconds(15)

    package init(
      readsConsistently: Bool, segments: Int, pageItems: Int?, readCapacity: Int?, workers: Int, follows: Bool
    ) {
      self.readsConsistently = readsConsistently
      self.segments = segments
      self.pageItems = pageItems
      self.readCapacity = readCapacity
      self.workers = workers
      self.follows = follows
    }
  }

  /// Suspect keys that are remembered.
  static let suspectsMax = 100_000

  package let progress = VerificationProgress()
  let source: SourceItems
  let servers: VerificationServers
  let options: Options
  let log: Log
  private let pairs: [ItemPair]
  let pulse: PipelinePulse
  let state = Mutex(State())

  struct State {
    var tables: [VerificationReport.Table] = []
    var startedAt: [Int: Duration] = [:]
    var suspects: Set<ItemSuspect> = []
    /// By table, the bytes of its largest item.
    var largest: [Int: Int] = [:]
  }

  /// - Parameter pipeline: whose health tells whether anything is on its way.
  package init(
    _ pairs: [ItemPair], _ service: DynamoDBService, sink: SinkOptions, pipeline: String, _ options: Options, log: Log
  ) {
    self.pairs = pairs
    self.options = options
    self.log = log
    source = SourceItems(service, options)
    // There is no server to ask on the source's side, and nothing here asks one.
    servers = VerificationServers(source: sink.connection, sink: sink)
    pulse = PipelinePulse(pipeline: pipeline, follows: options.follows)
  }

  /// Compares. Blocks the calling thread between its suspensions.
  ///
  /// - Throws: when a side can't be read, or a table is not there.
  package func run() async throws(Failure) -> VerificationReport {
    let started = monotonicNow()
    let reader = RowReader(servers)
    let isDSQL = servers.sink.dialect == .dsql
    var tables: [ComparedItems] = []
    for pair in pairs {
      let columns = try reader.retrying("reading the catalog", log) { () throws(Failure) in
        try StoredColumn.read(pair.mapping.target, reader.connection(.target), isDSQL: isDSQL)
      }
      tables.append(try ComparedItems(pair, target: columns, isDSQL: isDSQL, keysPerPage: options.keysPerPage))
    }
    progress.update { [segments = tables.count * options.segments] in
      $0.rangesTotal = segments
      $0.startedAt = started
    }
    state.withLock { [pairs] state in
      state.tables = pairs.map { .init(source: $0.mapping.source.name, target: $0.mapping.target) }
    }
    // One target at a time, so that memory holds the keys of one only.
    for group in groups { try await look(at: group, tables, reader) }
    let standstill = try await lookAgain(tables, reader)
    return VerificationReport(
      tables: state.withLock { $0.tables }, elapsed: monotonicNow() - started, standstill: standstill)
  }

  /// The tables' indexes, those of one target together.
  private var groups: [[Int]] {
    let byTarget = Dictionary(grouping: pairs.indices) { pairs[$0].mapping.target }
    return byTarget.values.sorted { $0[0] < $1[0] }
  }

  // MARK: First look

  private func look(at group: [Int], _ tables: [ComparedItems], _ reader: RowReader) async throws(Failure) {
    let known = KnownKeys(memoryBytes: options.memoryBytes)
    try await scan(group, tables, known)
    let first = tables[group[0]]
    // Where expired rows stay, a row without an item is as it should be.
    guard first.pair.expiry != .keep else { return state.withLock { state in group.forEach { state.end($0) } } }
    let extra = try await extraKeys(group, tables, TargetRows(first, reader, log: log), known)
    state.withLock { state in
      for key in extra {
        state.add(ItemSuspect(tables: group, key: ItemKey(printed: key, first.pair.items.key), printed: key))
      }
      group.forEach { state.end($0) }
    }
  }

  /// The texts of the target's keys that no item has.
  ///
  /// - Parameter known: the items' keys; when memory did not hold them, they are read again in parts.
  func extraKeys(
    _ group: [Int], _ tables: [ComparedItems], _ rows: TargetRows, _ known: KnownKeys
  ) async throws(Failure) -> [[String]] {
    if let extra = try extraKeys(rows, known) { return extra }
    var parts: UInt64 = 1
    while true {
      parts *= 2
      log.info("\(pairs[group[0]].mapping.target) has more keys than memory holds: reading them in \(parts) parts")
      if let extra = try await extraKeys(group, tables, rows, parts: parts) { return extra }
    }
  }

  /// - Returns: `nil` when memory did not hold a part.
  private func extraKeys(
    _ group: [Int], _ tables: [ComparedItems], _ rows: TargetRows, parts: UInt64
  ) async throws(Failure) -> [[String]]? {
    var extra: [[String]] = []
    for part in 0..<parts {
      let known = KnownKeys(memoryBytes: options.memoryBytes, part: part, of: parts)
      try await scan(group, tables, known, keysOnly: true)
      guard let found = try extraKeys(rows, known) else { return nil }
      extra += found
    }
    return extra
  }

  private func extraKeys(_ rows: TargetRows, _ known: KnownKeys) throws(Failure) -> [[String]]? {
    if known.isFull { return nil }
    var extra: [[String]] = []
    try rows.forEachKeyPage { page throws(Failure) in
      for key in page where extra.count < Self.suspectsMax && known.lacks(rows.keyHash(printed: key)) {
        extra.append(key)
      }
    }
    return extra
  }
}

extension DynamoDBVerification.State {
  mutating func add(_ suspect: ItemSuspect) {
    if suspects.contains(suspect) { return }
    if suspects.count < DynamoDBVerification.suspectsMax {
      suspects.insert(suspect)
    } else {
      tables[suspect.tables[0]].overlooked += 1
    }
  }

  mutating func end(_ table: Int) { tables[table].elapsed = monotonicNow() - (startedAt[table] ?? monotonicNow()) }
}

/// The keys that items have, of all tables of one target: one part of them, or all.
final class KnownKeys: Sendable {
  private let hashes: Mutex<KeyHashes>
  private let part: UInt64
  private let parts: UInt64

  init(memoryBytes: Int, part: UInt64 = 0, of parts: UInt64 = 1) {
    hashes = Mutex(KeyHashes(memoryBytes: memoryBytes))
    self.part = part
    self.parts = parts
  }

  var isFull: Bool { hashes.withLock(\.isFull) }

  private func holds(_ hash: UInt64) -> Bool { (hash >> 32) % parts == part }

  func insert(_ all: [UInt64]) {
    hashes.withLock { hashes in for hash in all where holds(hash) { hashes.insert(hash) } }
  }

  /// Whether the key is of this part and no item has it.
  func lacks(_ hash: UInt64) -> Bool { holds(hash) && !hashes.withLock { $0.contains(hash) } }
}
