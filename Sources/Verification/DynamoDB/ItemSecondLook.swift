internal import ChangeModel
internal import DynamoDBSource
internal import Runtime
internal import SQLMapping

/// Looks at suspects again, until the target has had time to show what the source has.
///
/// A look reads the source, then the target, whose row must be a version that the source has shown since the second look
/// began: so a row that changes all the time is settled too. One that differs is held to differ when nothing moves any
/// more: no instance runs, or the source's row has stayed as it is for a while, and meanwhile nothing else was settled.
final class ItemSecondLook {
  /// How long keys that keep changing are looked at.
  private static let patience = Duration.seconds(120)
  /// With more keys than these, no earlier versions are remembered.
  private static let rememberingMax = 500

  private let tables: [ComparedItems]
  private let comparers: [PageComparer]
  private let source: SourceItems
  private let reader: RowReader
  private let pulse: PipelinePulse
  private let log: Log
  /// By table, the bytes of its largest item.
  private let largest: [Int]
  /// How long a row must stay as it is.
  private let stillness: Duration
  /// Why nothing more comes; `nil` while an instance works.
  private(set) var standstill: String?

  init(
    _ tables: [ComparedItems], _ source: SourceItems, _ reader: RowReader, _ pulse: PipelinePulse, largest: [Int],
    stillness: Duration, log: Log
  ) throws(Failure) {
    self.tables = tables
    self.source = source
    self.reader = reader
    self.pulse = pulse
    self.largest = largest
    self.stillness = stillness
    self.log = log
    var comparers: [PageComparer] = []
    for table in tables { comparers.append(try PageComparer(table, TargetRows(table, reader, log: log))) }
    self.comparers = comparers
  }

  /// Whether there may be changes on their way.
  func lookForInstance() throws(Failure) {
    standstill = try reader.retrying("reading the pipeline's health", log) { () throws(Failure) in
      try pulse.standstill(reader.connection(.target))
    }
  }

  /// - Returns: the suspects that do differ, with what the difference is.
  func settle(
    _ suspects: [ItemSuspect], _ progress: VerificationProgress
  ) async throws(Failure) -> [PendingItem] {
    var pending = suspects.sorted { $0.tables[0] < $1.tables[0] }.map { PendingItem($0) }
    var differing: [PendingItem] = []
    let deadline = monotonicDeadline(Self.patience)
    var settledAt = monotonicNow()
    while !pending.isEmpty {
      progress.update { [count = pending.count] in $0.lookingAgain = count }
      try lookForInstance()
      let remembers = pending.count <= Self.rememberingMax
      try await look(&pending, remembers: remembers)
      let now = monotonicNow()
      var left: [PendingItem] = []
      if pending.contains(where: { $0.difference == nil }) { settledAt = now }
      for var item in pending where item.difference != nil {
        let isStill = now - item.sameSince >= stillness
        if standstill != nil || isStill && now - settledAt >= stillness || now > deadline {
          if standstill == nil, !isStill {
            item.difference?.kind = .unsettled
            item.difference?.columns = []
          }
          differing.append(item)
        } else {
          left.append(item)
        }
      }
      pending = left
      if !pending.isEmpty { try await SourceItems.pause(remembers ? .milliseconds(100) : .seconds(1)) }
    }
    return differing
  }

  // MARK: One look

  private func look(_ pending: inout [PendingItem], remembers: Bool) async throws(Failure) {
    var start = 0
    while start < pending.count {
      let group = pending[start].suspect.tables
      // An answer of BatchGetItem must fit, even if items have grown.
      let largest = group.map { self.largest[$0] }.max() ?? 1
      let most = min(SourceItems.keysMax, max(1, (4 << 20) / max(1, largest)))
      let same = pending[start...].prefix(most).prefix { $0.suspect.tables == group }
      let slice = same.startIndex..<same.endIndex
      let versions = try await versions(of: pending[slice].map(\.suspect))
      let now = monotonicNow()
      for (index, version) in zip(slice, versions) { pending[index].saw(version, at: now, remembers: remembers) }
      try holdAgainstTarget(&pending, slice)
      for index in slice { pending[index].rest(remembers: remembers) }
      start = slice.upperBound
    }
  }

  /// What the source has now of each key, all of the same tables.
  private func versions(of suspects: [ItemSuspect]) async throws(Failure) -> [ItemVersion] {
    var versions = [ItemVersion](repeating: .absent, count: suspects.count)
    let numbers = Dictionary(zip(suspects.map(\.key), suspects.indices)) { first, _ in first }
    for table in suspects[0].tables {
      let (pair, comparer) = (tables[table].pair, comparers[table])
      let keys = suspects.indices.filter { versions[$0] == .absent }
        .compactMap { suspects[$0].key.json(pair.items.key) }
      guard !keys.isEmpty else { continue }
      try await source.items(pair.items.table.name, keys: keys) { body, page throws(Failure) in
        try unsafe body.span.bytes.withUnsafeBytes { bytes throws(Failure) in
          for item in page.items {
            guard let key = try unsafe comparer.key(of: item, bytes), let number = numbers[key] else { continue }
            versions[number] = try unsafe version(of: item, bytes, table)
          }
        }
      }
    }
    return versions
  }

  private func version(
    of item: Range<Int>, _ bytes: UnsafeRawBufferPointer, _ table: Int
  ) throws(Failure) -> ItemVersion {
    var rows = HeldRows()
    switch try unsafe comparers[table].appendRow(item, bytes, to: &rows) {
    case .refused: return .refused
    case .leftOut: return .absent
    case .row: return unsafe .row(table: table, [UInt8](rows.row(0)))
    }
  }

  /// Sets each suspect's difference, or `nil` where both sides agree.
  private func holdAgainstTarget(_ pending: inout [PendingItem], _ slice: Range<Int>) throws(Failure) {
    let group = pending[slice.lowerBound].suspect.tables
    var keys = HeldRows()
    for index in slice { keys.append { pending[index].suspect.key.appendFields(to: &$0) } }
    // By what a transform makes of a key, the item's own key finds nothing.
    let isTransformed = tables[group[0]].pair.transformed != nil
    let present = isTransformed ? slice.map { _ in nil } : try comparers[group[0]].target.find(keys)
    var equal: Set<Int> = []
    var findings: [Int: (table: Int, TargetFinding.Verdict)] = [:]
    for table in group {
      var rows = HeldRows()
      var owners: [(index: Int, isCurrent: Bool)] = []
      for index in slice {
        for version in pending[index].versions {
          guard case .row(table, let bytes) = version else { continue }
          rows.append { $0.append(bytes) }
          owners.append((index, version == pending[index].current))
        }
      }
      for (owner, finding) in zip(owners, try comparers[table].target.compare(rows)) {
        if finding.verdict == .equal { equal.insert(owner.index) }
        if owner.isCurrent { findings[owner.index] = (table, finding.verdict) }
      }
    }
    for (index, presence) in zip(slice, present) {
      let item = pending[index]
      let isThere = presence?.isThere ?? false
      let stays = tables[group[0]].pair.expiry == .keep || presence?.isMarked ?? false
      let isGone = !isThere && item.versions.contains(.absent) || isThere && item.current == .absent && stays
      pending[index].difference =
        isGone || equal.contains(index) ? nil : difference(item, isThere: isThere, findings[index])
    }
  }

  private func difference(
    _ item: PendingItem, isThere: Bool, _ finding: (table: Int, verdict: TargetFinding.Verdict)?
  ) -> RowDifference {
    let pair = tables[finding?.table ?? item.suspect.tables[0]].pair
    var difference = RowDifference(
      kind: isThere ? .different : .missing, key: item.suspect.key.parts(pair, isPrinted: item.suspect.printed != nil))
    switch (item.current, finding?.verdict) {
    case (.absent, _): difference.kind = .extra
    case (_, .different(let columns)):
      difference.kind = .different
      difference.columns = columns.map { pair.mapping.columns[$0].targetName }
    case (_, .missing): difference.kind = .missing
    default: break
    }
    return difference
  }
}
