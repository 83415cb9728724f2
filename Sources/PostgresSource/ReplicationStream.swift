internal import Apply
package import ChangeModel
package import Lanes
package import Postgres
internal import Runtime
internal import SQLMapping

/// One logical replication session: pgoutput bytes in, changes in lanes out, our position back.
///
/// Runs on one thread, which never waits for a lane: when the lanes are full it leaves the socket unread and goes on
/// reporting the position, so a slow sink cannot make the server drop us.
@safe package struct ReplicationStream: ~Copyable {
  let connection: Connection
  let settings: StreamSettings
  let group: LaneGroup
  var router: ChangeRouter
  let progress: StreamProgress
  var reader = PgoutputReader()
  private var routes: [UInt32: RelationRoute?] = [:]
  /// The relation of the last change, or 0, which no relation has.
  private var lastRelation: UInt32 = 0
  // SAFETY: `routes` holds it; not counted, since it is asked at nearly every change.
  private var lastRoute: Unmanaged<RelationRoute>?
  private let tables: [TableName: UInt32]
  var row = ByteBuffer(capacity: 4096)
  var key = ByteBuffer(capacity: 256)
  /// A row as it came, for a transform.
  var input = ByteBuffer()
  var position = StreamPosition.zero
  private var isInTransaction = false
  /// The end of what has been read: a transaction's end, or what the server says it has sent.
  private var receivedEnd = LSN.zero
  private var confirmed = LSN.zero
  private var nextReport = Duration.zero
  private var reportRequested = false
  /// Messages to read before the loop looks at the clock, the lanes and the group again.
  private var untilLook = 0
  private var messagesSinceMark = 0
  private var markedAt = Duration.zero
  private var restUntil = Duration.zero
  private static let largeMessageBytes = 4 << 20
  private var waitsForLargeRow = false
  private var waitingBarrier: Barrier?
  private var isBarrierRunning = false

  /// - Parameters:
  ///   - connection: a session opened with `replication=database`.
  ///   - tables: the plan's index for each relation that may appear: tables, and leaves streamed by themselves.
  package init(
    connection: Connection, settings: StreamSettings, group: LaneGroup, router: consuming ChangeRouter,
    tables: [TableName: UInt32], progress: StreamProgress
  ) {
    self.connection = connection
    self.settings = settings
    self.group = group
    self.router = router
    self.tables = tables
    self.progress = progress
  }

  /// Streams until told to stop, until `stopAt` is committed, or until something fails.
  package mutating func run() throws(Failure) {
    let binary = settings.isBinary ? ", binary 'true'" : ""
    let publication = settings.publication.split(separator: "\"", omittingEmptySubsequences: false).joined(
      separator: "\"\"")
    let names = "\"\(publication)\"".split(separator: "'", omittingEmptySubsequences: false).joined(separator: "''")
    try connection.widenReads()
    try connection.startCopy(
      "START_REPLICATION SLOT \"\(settings.slot)\" LOGICAL 0/0 (proto_version '1', publication_names '\(names)'\(binary))"
    )
    nextReport = monotonicNow()
    while true {
      if untilLook == 0 || group.hasWideRow {
        if let failure = group.failure { throw failure }
        if group.isStopping { break }
        try reportIfDue()
        if isStopReached && isDrained { break }
        if try advanceBarrier() || isStopReached || mustWaitForLanes {
          if !(isInTransaction && router.keepsTransactions && group.bufferedBytes > 0) { flush() }
          group.sourceAwaitsLanes = !isStopReached
          try waitForLanes()
          continue
        }
        group.sourceAwaitsLanes = false
        untilLook = 64
      }
      untilLook -= 1
      messagesSinceMark += 1
      switch try connection.readCopy() {
      case .message(let message): try handle(message)
      case .empty:
        if !(isInTransaction && router.keepsTransactions) { flush() }
        try reportIfDue()
        group.sourceWakeup.clear()
        if group.failure == nil && !group.isStopping && !isStopReached {
          if !restIfBusy() { try connection.waitReadable(or: group.sourceWakeup, until: nextReport) }
        }
        untilLook = 0
      case .end:
        try connection.finishCopy()
        throw Failure(
          .source, "the server ended the replication stream", location: connection.settings.place,
          connectionLost: true, isTransient: true)
      }
    }
  }

  /// Hands over what was read. `receivedEnd` does not grow inside a transaction.
  private mutating func flush() {
    router.flush()
    group.completeBefore = receivedEnd
  }

  /// While a backlog comes in, the server hands over a few messages at a time. A millisecond later there are many,
  /// for the same price of waking up and reading.
  /// - Returns: whether it has waited.
  private mutating func restIfBusy() -> Bool {
    let now = monotonicNow()
    if messagesSinceMark >= 500 {
      if now - markedAt < .milliseconds(20) { restUntil = now + .milliseconds(20) }
      (messagesSinceMark, markedAt) = (0, now)
    } else if now - markedAt > .milliseconds(20) {
      (messagesSinceMark, markedAt) = (0, now)
    }
    if now >= restUntil { return false }
    group.endSignal.wait(for: .milliseconds(1))
    return true
  }

  /// Whether everything up to `stopAt` is read. What follows stays unread, so that once the lanes have drained the target
  /// is as the source was between two transactions.
  private var isStopReached: Bool { !isInTransaction && (settings.stopAt.map { receivedEnd >= $0 } ?? false) }

  /// Whether everything that was read is committed.
  private var isDrained: Bool { router.oldestOpen == nil && waitingBarrier == nil && group.isDrained }

  /// Tells the server what is committed, once the lanes have ended.
  package mutating func reportFinally() throws(Failure) {
    try report()
    try connection.flushCopy()
  }

  // MARK: Messages

  private mutating func handle(_ message: borrowing CopyMessage) throws(Failure) {
    try unsafe message.bytes.withUnsafeBytes { (bytes) throws(Failure) in try unsafe handle(bytes) }
  }

  private mutating func handle(_ bytes: UnsafeRawBufferPointer) throws(Failure) {
    switch unsafe bytes.first {
    case UInt8(ascii: "w") where bytes.count >= 25:
      if bytes.count > 64 << 10 { untilLook = 0 }
      if bytes.count > ReplicationStream.largeMessageBytes { waitsForLargeRow = true }
      try unsafe apply(UnsafeRawBufferPointer(rebasing: bytes[25...]))
    case UInt8(ascii: "k") where bytes.count >= 18:
      let end = unsafe LSN(bytes.bigEndian(at: 1, as: UInt64.self))
      if !isInTransaction, end > receivedEnd { receivedEnd = end }
      if unsafe bytes[17] != 0 { reportRequested = true }
      if isStopReached { untilLook = 0 }
      try reportIfDue()
    default:
      throw Failure(
        .source, "a replication message of \(bytes.count) bytes is of no known kind",
        location: connection.settings.place, hint: "Check that the source is PostgreSQL 12 to 18.")
    }
  }

  private mutating func apply(_ payload: UnsafeRawBufferPointer) throws(Failure) {
    if try unsafe applyStraight(payload) { return }
    let message: PgoutputMessage
    do throws(PgoutputError) {
      message = try unsafe reader.read(payload)
    } catch {
      throw Failure(
        .source, "a pgoutput message of \(payload.count) bytes cannot be read: \(error.reason) at byte \(error.offset)",
        location: "after \(position)", hint: "Check that the source is PostgreSQL 12 to 18.")
    }
    switch message {
    case .begin(let commitLSN, let commitTime, let transaction):
      router.transaction = transaction
      position = StreamPosition(commitLSN: commitLSN, ordinal: 0)
      isInTransaction = true
      progress.commitTime = commitTime
    case .commit(let end):
      isInTransaction = false
      receivedEnd = max(receivedEnd, end)
      progress.transactions += 1
      if isStopReached { untilLook = 0 }
    case .relation(let relation): try learn(relation)
    case .insert(let relation):
      guard let route = try route(relation) else { return }
      if let rows = route.rows { return try unsafe insert(route, rows, payload) }
      try unsafe applyInsert(route, payload)
    case .update(let relation, let old):
      guard let route = try route(relation) else { return }
      if let rows = route.rows { return try unsafe update(route, rows, old, payload) }
      try unsafe applyUpdate(route, old, payload)
    case .delete(let relation, _):
      guard let route = try route(relation) else { return }
      if let rows = route.rows { return try unsafe delete(route, rows, payload) }
      try unsafe applyDelete(route, payload)
    case .truncate(let relations): applyTruncate(relations)
    case .skipped: break
    }
  }

  /// Applies what nearly every message is, a whole row that travels on as it came, without taking it apart.
  /// - Returns: false, with nothing done, when the message must be read as any other.
  private mutating func applyStraight(_ payload: UnsafeRawBufferPointer) throws(Failure) -> Bool {
    guard payload.count > 6, unsafe payload[0] == UInt8(ascii: "I") || payload[0] == UInt8(ascii: "U"),
      unsafe payload[5] == UInt8(ascii: "N")
    else { return false }
    let relation = unsafe payload.bigEndian(at: 1, as: UInt32.self)
    if relation != lastRelation {
      guard let known = routes[relation], let known, known.rows == nil else { return false }
      lastRelation = relation
      unsafe lastRoute = .passUnretained(known)
    }
    row.removeAll(keeping: 1 << 20)
    guard let route = unsafe lastRoute else { return false }
    let tuple = unsafe UnsafeRawBufferPointer(rebasing: payload[6...])
    let table = unsafe route._withUnsafeGuaranteedRef { route in
      unsafe route.appendStraight(tuple, to: &row) ? route.plan.index : nil
    }
    guard let table else { return false }
    position.ordinal += 1
    progress.changes += 1
    router.route(.upsert, table: table, row: &row, at: position)
    return true
  }

  private mutating func learn(_ relation: RelationMessage) throws(Failure) {
    lastRelation = 0
    unsafe lastRoute = nil
    if let table = tables[relation.name] {
      routes[relation.id] = try RelationRoute(
        relation, router.plan(table), isOlder: position.commitLSN < settings.catalogLSN)
    } else {
      routes[relation.id] = .some(nil)
    }
  }

  /// The route of a relation, or `nil` when the pipeline leaves the table out.
  private mutating func route(_ relation: UInt32) throws(Failure) -> RelationRoute? {
    position.ordinal += 1
    guard let route = routes[relation] else {
      throw Failure(
        .source, "a change of relation \(relation) came before its description", location: "\(position)",
        hint: "Restart Penstock; if it happens again the source's replication output is damaged.")
    }
    progress.changes += 1
    return route
  }

  private mutating func applyInsert(_ route: RelationRoute, _ payload: UnsafeRawBufferPointer) throws(Failure) {
    row.removeAll(keeping: 1 << 20)
    let isPartial = try unsafe route.appendRow(reader.newTuple, old: [], nil, in: payload, isWhole: true, to: &row)
    let kind: ChangeKind = route.isKeyless ? .add : isPartial ? .patch : .upsert
    router.route(kind, table: route.plan.index, row: &row, at: position)
  }

  private mutating func applyUpdate(
    _ route: RelationRoute, _ old: OldTuple?, _ payload: UnsafeRawBufferPointer
  ) throws(Failure) {
    let oldTuple = old == nil ? [] : reader.oldTuple
    if route.isKeyless {
      try unsafe removeImage(route, payload)
      // A position of its own: the two may be committed in different transactions.
      position.ordinal += 1
      row.removeAll(keeping: 1 << 20)
      _ = try unsafe route.appendRow(reader.newTuple, old: oldTuple, old, in: payload, isWhole: true, to: &row)
      return router.route(.add, table: route.plan.index, row: &row, at: position)
    }
    row.removeAll(keeping: 1 << 20)
    let isPartial = try unsafe route.appendRow(
      reader.newTuple, old: oldTuple, old, in: payload, isWhole: false, to: &row)
    let movesKey = unsafe old != nil && !route.sameKey(oldTuple, reader.newTuple, in: payload)
    if movesKey {
      key.removeAll()
      try unsafe route.appendKey(oldTuple, in: payload, to: &key)
      unsafe router.routeDelete(table: route.plan.index, key: key.bytes, at: position)
      // A position of its own: the row may go to another lane, or to the same lane's next transaction.
      position.ordinal += 1
    }
    router.route(isPartial ? .patch : .upsert, table: route.plan.index, row: &row, at: position)
  }

  private mutating func applyDelete(_ route: RelationRoute, _ payload: UnsafeRawBufferPointer) throws(Failure) {
    if route.isKeyless { return try unsafe removeImage(route, payload) }
    key.removeAll()
    try unsafe route.appendKey(reader.oldTuple, in: payload, to: &key)
    unsafe router.routeDelete(table: route.plan.index, key: key.bytes, at: position)
  }

  private mutating func removeImage(_ route: RelationRoute, _ payload: UnsafeRawBufferPointer) throws(Failure) {
    row.removeAll(keeping: 1 << 20)
    _ = try unsafe route.appendRow(reader.oldTuple, old: [], nil, in: payload, isWhole: true, to: &row)
    router.route(.remove, table: route.plan.index, row: &row, at: position)
  }

  private mutating func applyTruncate(_ relations: [UInt32]) {
    position.ordinal += 1
    progress.changes += 1
    let planned = relations.compactMap { routes[$0]??.plan }
      .filter { position.commitLSN >= $0.appliesFrom }.map(\.index)
    if planned.isEmpty || router.isCommittedEverywhere(position) { return }
    waitingBarrier = .truncate(tables: planned, at: position)
    untilLook = 0
  }

  // MARK: Waiting

  /// Whether the lanes hold as much as they may: the buffer's limit, or little beside one large row, whose copies on
  /// its way to the target are the process's largest piece of memory.
  private var mustWaitForLanes: Bool {
    mutating get {
      let buffered = group.bufferedBytes
      if waitsForLargeRow && buffered + router.openBytes < ReplicationStream.largeMessageBytes {
        waitsForLargeRow = false
      }
      return waitsForLargeRow || group.isFull || group.hasWideRow
    }
  }

  /// Moves a barrier on as far as the lanes allow.
  /// - Returns: whether the stream must still wait for it.
  private mutating func advanceBarrier() throws(Failure) -> Bool {
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

  /// Waits for the lanes to move on, reporting our position meanwhile; the socket stays unread.
  private mutating func waitForLanes() throws(Failure) {
    try reportIfDue()
    group.sourceWakeup.clear()
    let waitsForAll = isBarrierRunning || waitingBarrier != nil || isStopReached
    let canGoOn = waitsForAll ? group.isDrained : !mustWaitForLanes
    if canGoOn || group.failure != nil || group.isStopping { return }
    group.sourceWakeup.wait(for: max(.milliseconds(1), nextReport - monotonicNow()))
  }

  // MARK: Position

  /// What the target holds for sure: everything before it is committed there. A barrier lies inside its transaction.
  private var committedEnd: LSN {
    var end = isInTransaction ? min(receivedEnd, position.commitLSN) : receivedEnd
    if let oldest = router.oldestOpen { end = min(end, oldest) }
    if let oldest = group.oldestPending { end = min(end, oldest) }
    return end
  }

  private mutating func reportIfDue() throws(Failure) {
    let now = monotonicNow()
    if now >= nextReport || reportRequested || isStopReached && isDrained { try report(now) }
  }

  private mutating func report(_ now: Duration = monotonicNow()) throws(Failure) {
    let committed = committedEnd
    // A stream that begins again knows nothing at first.
    progress.committed = max(progress.committed, committed)
    let end = max(confirmed, min(committed, progress.reportLimit))
    let moved = end != confirmed
    confirmed = end
    if !moved && !reportRequested && now < nextReport { return }
    nextReport = now + settings.reportInterval
    reportRequested = false
    guard end != .zero else { return }
    var update: [UInt8] = [UInt8(ascii: "r")]
    func add(_ value: UInt64) {
      for shift in stride(from: 56, through: 0, by: -8) { update.append(UInt8(truncatingIfNeeded: value >> shift)) }
    }
    add(end.rawValue)
    add(end.rawValue)
    add(end.rawValue)
    add(UInt64(bitPattern: wallClockMicroseconds() - 946_684_800_000_000))
    update.append(0)
    try connection.sendReplicationMessage(update)
    Failpoint.reach(.positionReported)
  }
}
