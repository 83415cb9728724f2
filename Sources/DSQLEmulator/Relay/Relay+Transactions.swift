import Glibc

/// Running a statement, refusing one, and the gate before every commit.
extension Relay {
  /// A statement that cannot parse analysis anywhere: it fails after 25P02 would, and aborts what it is in.
  private static let poison =
    Frontend.parseMessage(name: "dsql-emulator", Array("SELECT FROM \"dsql-emulator: refused\"".utf8))

  /// Sends what has been accepted and `trailer`, which asks for the statement's result, and sees it through.
  /// - Parameter answers: how many of the outstanding answers are the statement's.
  func perform(_ statement: Statement, _ trailer: [UInt8], answers: Int = 1) throws(Disconnected) {
    var exchange = Exchange(statement: statement)
    exchange.winsOverOthers = rules.phase != .block || statement.kind == .definition
    exchange.earlier = max(0, outstanding - answers)
    try forward(trailer)
    try pump(&exchange)
    if exchange.isCopyIn { try copyIn(&exchange) }
    try finish(&exchange, statement)
  }

  /// What follows a statement's last answer.
  func finish(_ exchange: inout Exchange, _ statement: Statement) throws(Disconnected) {
    if let refusal = exchange.refusal {
      try abortBackend()
      fail(refusal)
    } else if let error = exchange.error {
      try backendRefused(error, statement)
    } else if statement.forgetsStatements {
      try prepareSavepoints()
    }
  }

  /// Answers an error; what the client sends up to its Sync is dropped.
  func fail(_ error: ServerError) {
    output.append(error.response())
    rulesFailed()
  }

  private func rulesFailed() {
    rules.failed()
    if rules.phase == .idle { endTransaction() }
    isSkipping = true
  }

  /// The transaction is over, however it ended.
  func endTransaction() {
    rules.ended()
    handle.ended()
    deferred = []
    hasSavepoint = false
  }

  /// The backend has answered an error and ignores everything up to a Sync.
  func backendRefused(_ error: ErrorFields, _ statement: Statement) throws(Disconnected) {
    output.append(translated(error, statement).response(error))
    rulesFailed()
  }

  /// Answers a message with an error in place of running it.
  func refuse(_ message: Message, _ error: ServerError) throws(Disconnected) {
    let size = message.range.count
    try forward()
    input.consume(size)
    try refuse(error)
  }

  /// Answers an error and leaves the backend's transaction as such an error would.
  func refuse(_ error: ServerError) throws(Disconnected) {
    // Only what is not SQL at all comes before the block's own error.
    let error = rules.phase == .failed && error.sqlState != "42601" ? .abortedBlock : error
    try drain()
    // What was sent before has failed by itself, and come first.
    if isSkipping { return }
    if rules.phase == .implicit || rules.phase == .block { try abortBackend() }
    fail(error)
  }

  /// Makes the backend's transaction fail; it then ignores everything up to a Sync.
  func abortBackend() throws(Disconnected) {
    var exchange = Exchange(isSilent: true)
    outstanding += 1
    try forward(Self.poison + Frontend.flushMessage)
    try pump(&exchange)
  }

  /// Sends a Sync or Query of our own and waits for its end.
  @discardableResult
  func runSilently(_ message: [UInt8]) throws(Disconnected) -> Exchange {
    var exchange = Exchange(isSilent: true, untilReady: true)
    try forward(message)
    try pump(&exchange)
    return exchange
  }

  // MARK: Commit

  /// COMMIT of a block. One that is refused never reaches the backend.
  /// - Parameter message: the Execute message; `nil` in a simple query.
  func commit(_ message: Message?, _ statement: Statement) throws(Disconnected) {
    let changes = rules.hasWritten
    if !deferred.isEmpty || handle.takeDoom() {
      try forward()
      try drain()
      if isSkipping {
        if let message { input.consume(message.range.count) }
        return
      }
      try settle()
    }
    if rules.needsMeasuring {
      try forward()
      try measure()
      if isSkipping {
        if let message { input.consume(message.range.count) }
        return
      }
    }
    if let refusal = commitRefusal() { return try refuseCommit(message, refusal) }
    if changes, shared.faults.strikes(.cutBeforeCommit) { throw Disconnected("cut before COMMIT, as asked") }
    let definitions = rules.definitions
    handle.commits()
    if let message {
      outstanding += 1
      accept(Message(type: message.type, range: accepted..<(accepted + message.range.count)))
      if isSync(at: accepted) { return try commitAndSync(statement, changes: changes, definitions: definitions) }
      try perform(statement, Frontend.flushMessage)
    } else {
      outstanding += 4
      try perform(
        statement, Frontend.parseMessage(name: "", statement.text) + Frontend.runUnnamed + Frontend.flushMessage,
        answers: 4)
    }
    if isSkipping {
      // A constraint that waits for COMMIT has failed; there is no block any more.
      endTransaction()
      return
    }
    try committed(changes: changes, definitions: definitions)
  }

  /// COMMIT and the Sync that follows it, in one round trip.
  private func commitAndSync(_ statement: Statement, changes: Bool, definitions: Int) throws(Disconnected) {
    accepted += Frontend.syncMessage.count
    var exchange = Exchange(statement: statement, untilReady: true)
    exchange.earlier = max(0, outstanding - 1)
    try forward()
    try pump(&exchange)
    if rules.phase != .idle { endTransaction() }
    if exchange.error == nil { try committed(changes: changes, definitions: definitions) }
  }

  /// Runs what this transaction has deferred; if another was faster, it is doomed.
  private func settle() throws(Disconnected) {
    if rules.isDoomed { return }
    if case .done = try replayDeferred(winsOverOthers: true), !handle.takeDoom() { return }
    rules.doom()
  }

  private func refuseCommit(_ message: Message?, _ refusal: ServerError) throws(Disconnected) {
    try forward()
    if let message { input.consume(message.range.count) }
    try drain()
    if isSkipping { return }
    try runSilently(Frontend.queryMessage("ROLLBACK"))
    endTransaction()
    output.append(refusal.response())
    isSkipping = true
  }

  private func commitRefusal() -> ServerError? {
    if let refusal = rules.commitRefusal(now: shared.clock, catalog: shared.catalog.version) { return refusal }
    guard rules.hasWritten else { return nil }
    if shared.faults.strikes(.unavailable) { return .unavailable }
    return shared.faults.strikes(.conflict) ? .conflict : nil
  }

  /// The end of a query or of messages up to a Sync: what ran outside a block is committed here.
  func endImplicit() throws(Disconnected) {
    let changes = rules.hasWritten
    let definitions = rules.definitions
    let commits = rules.phase == .implicit
    if commits, handle.takeDoom() { rules.doom() }
    if commits, !isSkipping { try measure() }
    if commits, !isSkipping, let refusal = commitRefusal() {
      unsendCompletion()
      try refuse(refusal)
    } else if commits, changes, shared.faults.strikes(.cutBeforeCommit) {
      throw Disconnected("cut before COMMIT, as asked")
    } else if commits {
      handle.commits()
    }
    isSkipping = false
    var exchange = Exchange(untilReady: true)
    try forward(Frontend.syncMessage)
    try pump(&exchange)
    let isCommitted = commits && rules.phase == .implicit && exchange.error == nil
    if exchange.status == UInt8(ascii: "I"), rules.phase != .idle { endTransaction() }
    if isCommitted { try committed(changes: changes, definitions: definitions) }
  }

  /// A commit has taken effect on the backend; its answer is not yet sent.
  private func committed(changes: Bool, definitions: Int) throws(Disconnected) {
    if definitions > 0 { rules.sawCatalog(shared.catalog.changed()) }
    if changes, shared.faults.strikes(.cutAfterCommit) { throw Disconnected("cut after COMMIT, as asked") }
    if changes || definitions > 0 { shared.pause(shared.options.commitLatency) }
  }

  // MARK: Faults

  /// Latency of a statement, and the error it may be asked to fail with.
  func statementFault(_ statement: Statement) -> ServerError? {
    shared.pause(shared.options.statementLatency)
    guard statement.touchesStorage, shared.faults.strikes(.unavailable) else { return nil }
    return .unavailable
  }
}

extension ServerError {
  static let unavailable = ServerError("XX000", "server unavailable")
  /// The catalog has changed under a session.
  static let catalogConflict = ServerError("40001", "schema has been updated by another transaction (OC001)")
}
