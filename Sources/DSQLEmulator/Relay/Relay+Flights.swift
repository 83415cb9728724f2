/// Small writes that a client sends one behind the other go to the backend together, without waiting for each other's
/// answers. When anything goes wrong in such a flight, a block is taken back to before it, and its messages are looked at
/// again one by one, so that each gets the answer that it would have got alone. Outside of blocks nothing is taken back:
/// the first error ends the transaction anyhow.
extension Relay {
  struct Flight {
    /// Answers that messages before it have still to get.
    let earlier: Int
    /// Answers to the savepoint before it.
    let savepointAnswers: Int
    /// Whether it can be taken back.
    let isGuarded: Bool
    let rules: TransactionRules
    let statements: [String: Prepared]
    let portals: [String: Portal]
    /// The client's messages.
    var messages: [UInt8] = []
    var count = 0
    /// Statements that it has parsed under a name.
    var named: [String] = []
    /// Whether it has used the unnamed statement of before it, which can therefore not be parsed anew within it.
    var usesEarlierStatement = false
  }

  private static let bytesMax = 128 * 1024
  private static let countMax = 1000
  private static let smallBytesMax = 8 * 1024
  private static let write: Statement = {
    var statement = Statement(.write, text: [])
    statement.touchesStorage = true
    return statement
  }()

  /// Takes a message into the flight, which may begin with it.
  /// - Returns: false when it has to be dealt with by itself; a flight that is under way has to land first.
  func joinsFlight(_ message: Message) throws(Disconnected) -> Bool {
    guard carefulBytes == 0, !isSkipping, message.range.count <= Self.smallBytesMax, mayFly else { return false }
    let isFull = flight.map { $0.messages.count > Self.bytesMax || $0.count > Self.countMax } ?? false
    if isFull { return false }
    let body = input.bytes(message.body)
    let names = body.split(separator: 0, maxSplits: 2, omittingEmptySubsequences: false)
    switch message.type {
    case Frontend.parse:
      guard names.count == 3, let statement = script(Array(names[1])).statements.first,
        parseRefusal(script(Array(names[1]))) == nil, isLight(statement)
      else { return false }
      let name = String(decoding: names[0], as: UTF8.self)
      if name.isEmpty ? flight?.usesEarlierStatement == true : statements[name] != nil { return false }
      return try take(message) { flight in if !name.isEmpty { flight.named.append(name) } }
    case Frontend.bind:
      guard names.count == 3, let prepared = statements[String(decoding: names[1], as: UTF8.self)],
        isLight(prepared.statement)
      else { return false }
      let isFirst = flight == nil
      return try take(message) { flight in if isFirst && names[1].isEmpty { flight.usesEarlierStatement = true } }
    case Frontend.describe:
      return flight == nil ? false : try take(message)
    case Frontend.execute:
      guard flight != nil, names.count > 1, let portal = portals[String(decoding: names[0], as: UTF8.self)],
        isLight(portal.statement)
      else { return false }
      var asked = rules
      guard asked.judge(portal.statement, now: shared.clock, catalog: shared.catalog.version) == nil else {
        return false
      }
      rules = asked
      rules.add(bytes: portal.bytes)
      outstanding += 1
      note(message)
      flight?.count += 1
      accept(message)
      return true
    default: return false
    }
  }

  /// Whether statements may go ahead of the answers to those before them.
  private var mayFly: Bool {
    rules.phase != .failed && deferred.isEmpty && !shared.delaysOrFailsStatements
  }

  private func isLight(_ statement: Statement) -> Bool {
    statement.kind == .write && statement.refusal == nil && !statement.isCopy && !statement.isRewritten
      && !statement.hidesRows && !statement.makesRows && !mayHideChanges(statement)
  }

  private func take(_ message: Message, _ change: (inout Flight) -> Void = { _ in }) throws(Disconnected) -> Bool {
    let size = message.range.count
    if flight == nil {
      let isGuarded = rules.phase == .block
      let savepoint = isGuarded ? savepoint() : (messages: [], answers: 0)
      var started = Flight(
        earlier: outstanding, savepointAnswers: savepoint.answers, isGuarded: isGuarded, rules: rules,
        statements: statements, portals: portals)
      change(&started)
      flight = started
      outstanding += savepoint.answers
      if isGuarded { try forward(savepoint.messages) }
    } else if var current = flight {
      flight = nil
      change(&current)
      flight = current
    }
    // What was accepted before it may have left the queue.
    let message = Message(type: message.type, range: accepted..<(accepted + size))
    note(message)
    switch message.type {
    case Frontend.parse: try parse(message)
    case Frontend.bind: try bind(message)
    default: try describe(message)
    }
    return true
  }

  private func note(_ message: Message) { flight?.messages += input.bytes(message.range) }

  /// Waits for the answers to a flight.
  func land() throws(Disconnected) {
    guard let flown = flight else { return }
    flight = nil
    var exchange = Exchange(statement: Self.write)
    exchange.winsOverOthers = !flown.isGuarded
    exchange.earlier = flown.earlier
    exchange.hidden = flown.earlier..<(flown.earlier + flown.savepointAnswers)
    exchange.mayBeTakenBack = flown.isGuarded
    exchange.mark = output.count
    try forward(Frontend.flushMessage)
    try pump(&exchange)
    if exchange.error == nil, exchange.refusal == nil { return }
    guard flown.isGuarded, exchange.answered >= exchange.hidden.upperBound else {
      return try finish(&exchange, Self.write)
    }
    output.truncate(to: exchange.mark)
    completionMark = nil
    rules = flown.rules
    statements = flown.statements
    portals = flown.portals
    if exchange.isDoomed { try loseBlock() } else { try returnToSavepoint() }
    try forget(flown.named)
    input.prepend(flown.messages)
    carefulBytes = flown.messages.count
  }

  /// The backend may have parsed these already.
  private func forget(_ names: [String]) throws(Disconnected) {
    if names.isEmpty { return }
    var messages: [UInt8] = []
    for name in names {
      var close = MessageWriter(Frontend.close)
      close.byte(UInt8(ascii: "S"))
      close.string(name)
      messages += close.finished()
    }
    var exchange = Exchange(isSilent: true)
    outstanding += names.count
    try forward(messages + Frontend.flushMessage)
    try pump(&exchange)
  }
}
