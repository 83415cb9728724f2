import CPenstockShims
import Glibc

/// DSQL's optimistic concurrency over PostgreSQL's locks: nobody waits, statements succeed, the first to commit wins.
///
/// A write in a block that would wait for another transaction is cancelled, answered as if it had succeeded, and run
/// again at COMMIT. If the other has committed by then, it fails, and so does the COMMIT. If the other is still open,
/// it is the other that has lost: it is rolled back at once and told at its own COMMIT.
extension Relay {
  /// A write that stands in line behind another transaction.
  struct Deferred {
    let statement: Statement
    /// What follows the names in the Bind message.
    let bindRest: [UInt8]?
    let parameterTypes: [UInt8]
    /// CopyData messages of a COPY.
    let rows: [UInt8]
    let blockers: [Blocker]
  }

  /// How long a statement may be silent before somebody looks whether it waits for a lock.
  private static let patienceMilliseconds: Int64 = 20
  /// How long a commit waits for those that it dooms.
  private static let refereeLimit = Duration.seconds(10)

  // MARK: Waiting

  /// Reads from the backend, once it says something.
  func readReplies(_ exchange: inout Exchange) throws(Disconnected) {
    _ = try awaitBackend(Int16(POLLIN), &exchange)
    try backend.read(into: replies)
  }

  /// Waits for the backend's socket. Meanwhile it takes what the client sends ahead, and sees that nobody waits for a lock.
  /// - Returns: the events that have come.
  func awaitBackend(_ events: Int16, _ exchange: inout Exchange) throws(Disconnected) -> Int16 {
    var patience = Self.patienceMilliseconds
    let limit = shared.now + Self.refereeLimit
    var nextLook = shared.now + .milliseconds(patience)
    while true {
      let watches = exchange.statement?.touchesStorage == true && !exchange.wasCancelled
      let readsAhead = !client.isClosed && input.count < Self.inputBytesAhead
      if readsAhead, client.hasPending, client.readAhead(into: input) { continue }
      var polled = [
        pollfd(fd: backend.socket, events: events, revents: 0),
        pollfd(fd: watches ? handle.wakeup : -1, events: Int16(POLLIN), revents: 0),
        pollfd(fd: readsAhead ? client.socket : -1, events: Int16(POLLIN), revents: 0),
      ]
      let wait = watches ? max(0, Int64((nextLook - shared.now) / .milliseconds(1)) + 1) : -1
      if unsafe penstock_poll(&polled, 3, wait) < 0 { throw Disconnected("poll failed") }
      if polled[2].revents != 0 { client.readAhead(into: input) }
      if polled[0].revents != 0 { return polled[0].revents }
      guard watches, polled[1].revents != 0 || shared.now >= nextLook else { continue }
      if polled[1].revents != 0 { penstock_eventfd_clear(handle.wakeup) }
      patience = lookForLocks(&exchange, limit: limit) ? Self.patienceMilliseconds : min(patience * 2, 200)
      nextLook = shared.now + .milliseconds(patience)
    }
  }

  /// Ends the statement if its transaction is doomed or it has to give way, and dooms those that have to give way to it.
  /// - Parameter limit: until when it stands in line without giving way.
  /// - Returns: false when it does not wait for a lock.
  private func lookForLocks(_ exchange: inout Exchange, limit: Duration) -> Bool {
    if handle.takeDoom() {
      exchange.isDoomed = true
      cancel(&exchange)
      return true
    }
    guard let blockers = shared.referee.blockers(of: handle) else { return false }
    let isDefinition = blockers.contains { $0.session.isDefining } && exchange.statement?.kind != .definition
    if isDefinition, shared.now < limit { return true }
    if exchange.winsOverOthers, shared.now <= limit {
      for blocker in blockers { blocker.session.doom(blocker.transaction) }
    } else {
      exchange.blockers = blockers
      cancel(&exchange)
    }
    return true
  }

  private func cancel(_ exchange: inout Exchange) {
    shared.referee.cancel(handle)
    exchange.wasCancelled = true
  }

  // MARK: In a block

  /// Runs a write, or a read that locks, in a block.
  /// - Parameters:
  ///   - messages: what asks the backend to run it, Flush included; the last answer it brings is the statement's own.
  ///   - answers: how many answers these messages have.
  func performGuarded(
    _ statement: Statement, _ portal: Portal?, _ messages: [UInt8], answers: Int
  ) throws(Disconnected) {
    // A COPY says only when it runs what its rows have to look like.
    if !deferred.isEmpty, !rules.isDoomed, !statement.isCopyIn {
      try drain()
      if isSkipping { return }
      switch try replayDeferred(winsOverOthers: false) {
      case .done: break
      case .lost: rules.doom()
      case .blocked(let blockers): return try answer(statement, portal, deferredBehind: blockers)
      }
    }
    let start = output.count
    let savepoint = savepoint()
    var exchange = Exchange(statement: statement)
    exchange.earlier = outstanding
    exchange.hidden = outstanding..<(outstanding + savepoint.answers)
    outstanding += savepoint.answers + answers
    try forward(savepoint.messages + messages)
    try pump(&exchange)
    if exchange.isCopyIn {
      exchange.keepsRows = true
      try copyIn(&exchange)
    }
    guard let error = exchange.error else { return try finish(&exchange, statement) }
    if let reason = exchange.givenUp, translated(error, statement) == .conflict {
      return fail(ServerError("57014", "COPY from stdin failed: \(reason)"))
    }
    let isOwn = exchange.lost == 1
    if isOwn, exchange.isDoomed {
      try loseBlock()
      return plausible(statement)
    }
    if isOwn, exchange.wasCancelled {
      try returnToSavepoint()
      // Rows that came before it had to wait are not an answer.
      if output.count >= start { takeBackRows(from: start) }
      return try answer(statement, portal, rows: exchange.rows, deferredBehind: exchange.blockers)
    }
    if isOwn, try isConflict(error) {
      rules.doom()
      return plausible(statement)
    }
    try backendRefused(error, statement)
  }

  /// Whether an error means that a transaction committed since this one's snapshot has written the same rows. If so, the
  /// block is back before the statement.
  private func isConflict(_ error: ErrorFields) throws(Disconnected) -> Bool {
    switch error.sqlState {
    case "40001", "40P01", "55P03":
      try returnToSavepoint()
      return true
    case "23505":
      // Only a row that this transaction can see is a duplicate; one that it cannot see is a conflict.
      guard let probe = Self.probe(forDuplicate: error) else { return false }
      try returnToSavepoint()
      let answer = try runSilently(Frontend.queryMessage(probe))
      if answer.error == nil, answer.firstValue == "f" { return true }
      try abortBackend()
      return false
    default: return false
    }
  }

  /// A question whether the row of a duplicate key is visible: from `Key (a, b)=(1, x) already exists.`
  static func probe(forDuplicate error: ErrorFields) -> String? {
    guard let schema = error["s"], let table = error["t"], let detail = error["D"], detail.hasPrefix("Key ("),
      detail.hasSuffix(") already exists."), let middle = detail.firstRange(of: ")=(")
    else { return nil }
    let columns = detail[detail.index(detail.startIndex, offsetBy: 5)..<middle.lowerBound]
    let values = detail[middle.upperBound...].dropLast(") already exists.".count)
    let count = columns.split(separator: ", ").count
    let parts = count == 1 ? [values] : values.split(separator: ", ", omittingEmptySubsequences: false)
    guard parts.count == count else { return nil }
    func quoted(_ name: String) -> String {
      "\"" + name.split(separator: "\"", omittingEmptySubsequences: false).joined(separator: "\"\"") + "\""
    }
    let literals = parts.map { BackendConnection.literal(String($0)) }.joined(separator: ", ")
    return "SELECT EXISTS (SELECT FROM \(quoted(schema)).\(quoted(table)) WHERE (\(columns)) = (\(literals)))"
  }

  /// The answer to a statement that will be run at COMMIT.
  private func answer(
    _ statement: Statement, _ portal: Portal?, rows: [UInt8] = [], deferredBehind blockers: [Blocker]
  ) throws(Disconnected) {
    deferred.append(
      Deferred(
        statement: statement, bindRest: portal?.bindRest, parameterTypes: portal?.prepared.parameterTypes ?? [0, 0],
        rows: rows, blockers: blockers))
    guard statement.kind == .lockingQuery, let unlocked = LockingClause.removed(from: statement.text) else {
      return plausible(statement)
    }
    // What it reads, it reads without waiting.
    var exchange = Exchange(statement: Statement(.query, text: unlocked))
    let savepoint = savepoint()
    exchange.hidden = outstanding..<(outstanding + savepoint.answers + Self.ownAnswers - 1)
    outstanding += savepoint.answers + Self.ownAnswers
    let parameterTypes = portal?.prepared.parameterTypes ?? [0, 0]
    try forward(
      savepoint.messages
        + Self.ownStatement(unlocked, parameterTypes: parameterTypes, bindRest: portal?.bindRest)
        + Frontend.flushMessage)
    try pump(&exchange)
    if let error = exchange.error { try backendRefused(error, statement) }
  }

  /// Takes back rows of an answer that did not end.
  private func takeBackRows(from start: Int) {
    var end = start
    // Answers that belong to Parse, Bind and Describe stay.
    while end + 5 <= output.count, output[end] != UInt8(ascii: "D") { end += 1 + Int(output.uint32(at: end + 1)) }
    if end <= output.count { output.truncate(to: end) }
  }

  private func plausible(_ statement: Statement) {
    output.append(Reply.commandCompleteMessage(Self.plausibleTag(statement)))
  }

  /// The tag of a write of one row; how many it would have been is not known.
  private static func plausibleTag(_ statement: Statement) -> String {
    guard statement.kind == .write else { return "SELECT 0" }
    for token in SQLLexer(statement.text) where token.kind == .word {
      switch DSQLWords.upper(statement.text, token) {
      case "COPY": return "COPY 1"
      case "UPDATE": return "UPDATE 1"
      case "DELETE": return "DELETE 1"
      case "INSERT": return "INSERT 0 1"
      default: continue
      }
    }
    return "INSERT 0 1"
  }

  /// Another transaction has committed first: the block goes on in a transaction that will not be committed.
  func loseBlock() throws(Disconnected) {
    try runSilently(Frontend.syncMessage)
    try runSilently(Frontend.queryMessage("ROLLBACK"))
    try runSilently(Frontend.queryMessage("BEGIN ISOLATION LEVEL REPEATABLE READ"))
    hasSavepoint = false
    deferred = []
    rules.doom()
  }

  /// Looks whether another session's commit has doomed this transaction while its client was silent.
  func noticeDoom() throws(Disconnected) {
    penstock_eventfd_clear(handle.wakeup)
    guard handle.takeDoom() else { return }
    switch rules.phase {
    case .block: try loseBlock()
    case .implicit:
      try abortBackend()
      fail(.conflict)
    case .idle, .failed: return
    }
  }

  // MARK: At COMMIT

  enum Replay {
    case done, lost
    case blocked([Blocker])
  }

  /// Runs what was deferred, in its order.
  /// - Parameter winsOverOthers: at COMMIT: whoever is still in the way has lost.
  func replayDeferred(winsOverOthers: Bool) throws(Disconnected) -> Replay {
    while let next = deferred.first {
      if next.blockers.contains(where: { $0.session.hasCommitted($0.transaction) }) { return .lost }
      var exchange = Exchange(statement: next.statement, isSilent: true)
      exchange.winsOverOthers = winsOverOthers
      let savepoint = savepoint()
      outstanding += savepoint.answers + Self.ownAnswers
      try forward(
        savepoint.messages
          + Self.ownStatement(
            next.statement.text, parameterTypes: next.parameterTypes, bindRest: next.bindRest)
          + Frontend.flushMessage)
      try pump(&exchange)
      if exchange.isCopyIn {
        try forwardRows(&exchange, next.rows + Frontend.copyDoneMessage + Frontend.flushMessage)
        try pump(&exchange)
      }
      if exchange.error != nil {
        try returnToSavepoint()
        return exchange.wasCancelled && !exchange.isDoomed ? .blocked(exchange.blockers) : .lost
      }
      deferred.removeFirst()
    }
    return .done
  }
}

/// `FOR UPDATE` and its kin, taken off the end of a query.
enum LockingClause {
  /// `nil` when the text has none outside parentheses.
  static func removed(from text: [UInt8]) -> [UInt8]? {
    var depth = 0
    var candidate: Int?
    for token in SQLLexer(text) {
      if token.kind == .symbol {
        if text[token.range.lowerBound] == UInt8(ascii: "(") { depth += 1 }
        if text[token.range.lowerBound] == UInt8(ascii: ")") { depth -= 1 }
      }
      guard token.kind == .word, depth == 0, DSQLWords.upper(text, token) == "FOR" else { continue }
      if candidate == nil { candidate = token.range.lowerBound }
    }
    return candidate.map { Array(text[..<$0]) }
  }
}
