/// Small writes that a client sends one behind the other go to the backend together, without waiting for each other's
/// answers. When anything goes wrong in such a flight, a block is taken back to before it, and its messages are looked at
/// again one by one, so that each gets the answer that it would have got alone. Outside of blocks nothing is taken back:
/// the first error ends the transaction anyhow.
extension Relay {
  final class Flight {
    /// Answers that messages before it have still to get.
    let earlier: Int
    /// Answers to the savepoint before it.
    let savepointAnswers: Int
    /// Whether it can be taken back.
    let isGuarded: Bool
    let startedAt: Duration
    let rules: TransactionRules
    let statements: [String: Prepared]
    let portals: [String: Portal]
    let unnamedPortal: Portal?
    /// The client's messages.
    var messages: [UInt8] = []
    var count = 0
    /// Statements that it has parsed under a name.
    var named: [String] = []
    var hasParsedUnnamed = false
    /// Whether it has used the unnamed statement of before it, which can therefore not be parsed anew within it.
    var usesEarlierStatement = false
    /// The statement it has bound last.
    var bound: Prepared?

    init(of relay: Relay, isGuarded: Bool, savepointAnswers: Int) {
      earlier = relay.outstanding
      self.savepointAnswers = savepointAnswers
      self.isGuarded = isGuarded
      startedAt = relay.shared.clock
      rules = relay.rules
      statements = relay.statements
      portals = relay.portals
      unnamedPortal = relay.unnamedPortal
    }
  }

  private static let bytesMax = 128 * 1024
  private static let countMax = 1000
  private static let smallBytesMax = 8 * 1024
  /// How much the backend is given at once.
  private static let forwardBytes = 16 * 1024
  private static let write: Statement = {
    var statement = Statement(.write, text: [])
    statement.touchesStorage = true
    return statement
  }()

  /// Takes a message into the flight, which may begin with it.
  /// - Returns: false when it has to be dealt with by itself; a flight that is under way has to land first.
  func joinsFlight(_ message: Message) throws(Disconnected) -> Bool {
    guard carefulBytes == 0, !isSkipping, message.range.count <= Self.smallBytesMax, mayFly else { return false }
    if let flight, flight.messages.count > Self.bytesMax || flight.count > Self.countMax { return false }
    let joins =
      switch message.type {
      case Frontend.parse: try joins(parse: message)
      case Frontend.bind: try joins(bind: message)
      case Frontend.describe: try joins(describe: message)
      case Frontend.execute: joins(execute: message)
      default: false
      }
    if joins, accepted > Self.forwardBytes { try forward() }
    return joins
  }

  /// Whether statements may go ahead of the answers to those before them.
  private var mayFly: Bool {
    rules.phase != .failed && deferred.isEmpty && !shared.delaysOrFailsStatements
  }

  private func isLight(_ statement: Statement) -> Bool {
    statement.kind == .write && statement.refusal == nil && !statement.isCopy && !statement.isRewritten
      && !statement.hidesRows && !statement.makesRows && !mayHideChanges(statement)
  }

  private func joins(parse message: Message) throws(Disconnected) -> Bool {
    guard let parts = twoStrings(in: message.body) else { return false }
    let script = script(at: parts.second)
    guard let statement = script.statements.first, parseRefusal(script) == nil, isLight(statement) else { return false }
    let name = text(parts.first)
    if name.isEmpty ? flight?.usesEarlierStatement == true : statements[name] != nil { return false }
    let (flight, moved) = try board(message)
    if name.isEmpty { flight.hasParsedUnnamed = true } else { flight.named.append(name) }
    try parse(moved)
    return true
  }

  private func joins(bind message: Message) throws(Disconnected) -> Bool {
    guard let parts = twoStrings(in: message.body), let prepared = prepared(named: parts.second),
      flight?.bound === prepared || isLight(prepared.statement)
    else { return false }
    let (flight, moved) = try board(message)
    flight.bound = prepared
    if parts.second.isEmpty, !flight.hasParsedUnnamed { flight.usesEarlierStatement = true }
    try bind(moved)
    return true
  }

  private func joins(describe message: Message) throws(Disconnected) -> Bool {
    if flight == nil || described(message)?.statement.hidesRows == true { return false }
    try describe(try board(message).moved)
    return true
  }

  private func joins(execute message: Message) -> Bool {
    guard let flight, let end = input.zero(in: message.body),
      let portal = portal(named: message.body.lowerBound..<end),
      flight.bound === portal.prepared || isLight(portal.statement)
    else { return false }
    var asked = rules
    let refusal = asked.judge(portal.statement, now: flight.startedAt, catalog: shared.catalog.version)
    if refusal != nil { return false }
    rules = asked
    rules.add(bytes: portal.bytes)
    outstanding += 1
    input.copy(message.range, to: &flight.messages)
    flight.count += 1
    accept(message)
    return true
  }

  /// Begins a flight if there is none, and notes a message of it.
  /// - Returns: the message where it stands now.
  private func board(_ message: Message) throws(Disconnected) -> (flight: Flight, moved: Message) {
    var moved = message
    let current: Flight
    if let flight {
      current = flight
    } else {
      let isGuarded = rules.phase == .block
      let savepoint = isGuarded ? savepoint() : (messages: [], answers: 0)
      current = Flight(of: self, isGuarded: isGuarded, savepointAnswers: savepoint.answers)
      flight = current
      outstanding += savepoint.answers
      if isGuarded {
        try forward(savepoint.messages)
        moved = Message(type: message.type, range: 0..<message.range.count)
      }
    }
    input.copy(moved.range, to: &current.messages)
    return (current, moved)
  }

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
    unnamedPortal = flown.unnamedPortal
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
