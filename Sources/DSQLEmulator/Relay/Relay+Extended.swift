/// The extended query protocol, one message at a time.
extension Relay {
  /// Where a message's leading zero-terminated strings stand, and what follows them; `nil` when one has no end.
  func twoStrings(in body: Range<Int>) -> (first: Range<Int>, second: Range<Int>, rest: Range<Int>)? {
    guard let end = input.zero(in: body), let next = input.zero(in: (end + 1)..<body.upperBound) else { return nil }
    return (body.lowerBound..<end, (end + 1)..<next, (next + 1)..<body.upperBound)
  }

  func parse(_ message: Message) throws(Disconnected) {
    guard let parts = twoStrings(in: message.body) else { try violation("invalid string in message") }
    let name = text(parts.first)
    let script = script(at: parts.second)
    let parameterTypes = input.bytes(parts.rest)
    let statement = script.statements.first ?? Statement(.query, text: [])
    if let error = parseRefusal(script) { return try refuse(message, error) }
    statements[name] = Prepared(statement, parameterTypes: parameterTypes)
    outstanding += 1
    if statement.isRewritten {
      try forward(Frontend.parseMessage(name: name, statement.text, parameterTypes: parameterTypes))
      // `forward` has moved the queue's front up to this message.
      input.consume(message.range.count)
    } else {
      accept(message)
    }
  }

  func parseRefusal(_ script: Script) -> ServerError? {
    if let error = script.syntaxError { return error }
    if script.statements.count > 1 {
      return ServerError("42601", "cannot insert multiple commands into a prepared statement")
    }
    guard let statement = script.statements.first else { return nil }
    if rules.phase == .failed {
      let ends = statement.refusal == nil && (statement.kind == .commit || statement.kind == .rollback)
      return ends ? nil : .abortedBlock
    }
    return statement.refusal
  }

  func bind(_ message: Message) throws(Disconnected) {
    guard let parts = twoStrings(in: message.body) else { try violation("invalid string in message") }
    if let prepared = prepared(named: parts.second) {
      let bytes = hasParameters(parts.rest) ? message.range.count : prepared.statement.text.count
      let bindRest = isGuarded(prepared.statement) ? input.bytes(parts.rest) : nil
      setPortal(Portal(prepared: prepared, bytes: bytes, bindRest: bindRest), named: parts.first)
    }
    outstanding += 1
    accept(message)
  }

  /// - Parameter rest: a Bind message from its parameter formats on.
  private func hasParameters(_ rest: Range<Int>) -> Bool {
    guard rest.count >= 4 else { return false }
    let formats = Int(input[rest.lowerBound]) << 8 | Int(input[rest.lowerBound + 1])
    let at = rest.lowerBound + 2 + 2 * formats
    guard at + 2 <= rest.upperBound else { return false }
    return input[at] != 0 || input[at + 1] != 0
  }

  /// The statement that a Describe message asks about.
  func described(_ message: Message) -> Prepared? {
    guard message.body.count >= 2 else { return nil }
    let name = (message.body.lowerBound + 1)..<(message.body.upperBound - 1)
    let isPortal = input[message.body.lowerBound] == UInt8(ascii: "P")
    return isPortal ? portal(named: name)?.prepared : prepared(named: name)
  }

  func describe(_ message: Message) throws(Disconnected) {
    outstanding += 1
    let described = described(message)
    accept(message)
    guard let statement = described?.statement, statement.hidesRows else { return }
    var exchange = Exchange(statement: statement)
    exchange.earlier = outstanding - 1
    try forward(Frontend.flushMessage)
    try pump(&exchange)
    if let error = exchange.error { try backendRefused(error, statement) }
  }

  func execute(_ message: Message) throws(Disconnected) {
    guard let end = input.zero(in: message.body) else { try violation("invalid string in message") }
    guard let portal = portal(named: message.body.lowerBound..<end) else {
      // The backend knows no such portal either, and says so.
      outstanding += 1
      accept(message)
      return
    }
    let statement = portal.statement
    if let refusal = rules.judge(statement, now: shared.clock, catalog: shared.catalog.version) {
      return try refuse(message, refusal)
    }
    if let fault = statementFault(statement) { return try refuse(message, fault) }
    if statement.kind == .write { rules.add(bytes: portal.bytes) }
    if statement.kind == .commit, rules.phase != .failed {
      return try commit(message, statement)
    }
    if statement.kind == .write || statement.kind == .lockingQuery {
      let own = input.bytes(message.range)
      replaced = own.count
      return try performWrite(statement, portal, own + Frontend.flushMessage, answers: 1)
    }
    if statement.kind == .definition { handle.defines() }
    if mayHideChanges(statement) {
      let own = input.bytes(message.range)
      replaced = own.count
      return try countingChanges(statement) { () throws(Disconnected) in
        outstanding += 1
        try perform(statement, own + Frontend.flushMessage)
      }
    }
    outstanding += 1
    accept(message)
    if statement.kind == .begin, !rules.isInBlock {
      // Nothing can go wrong with it, so nobody waits for its answer.
      return rules.began(now: shared.clock)
    }
    try perform(statement, Frontend.flushMessage)
  }

  /// Executes a statement that writes or locks rows.
  /// - Parameter answers: how many answers the messages have; the last is the statement's own.
  func performWrite(
    _ statement: Statement, _ portal: Portal?, _ messages: [UInt8], answers: Int
  ) throws(Disconnected) {
    try countingChanges(statement) { () throws(Disconnected) in
      if isGuarded(statement) { return try performGuarded(statement, portal, messages, answers: answers) }
      outstanding += answers
      try perform(statement, messages, answers: answers)
    }
  }

  /// Whether a statement may meet another transaction's write without its block ending there.
  func isGuarded(_ statement: Statement) -> Bool {
    rules.phase == .block && statement.isCopy == statement.isCopyIn
      && (statement.kind == .write || statement.kind == .lockingQuery)
  }

  func close(_ message: Message) throws(Disconnected) {
    if message.body.count >= 2 {
      let name = (message.body.lowerBound + 1)..<(message.body.upperBound - 1)
      let isPortal = input[message.body.lowerBound] == UInt8(ascii: "P")
      if isPortal { setPortal(nil, named: name) } else { statements[text(name)] = nil }
    }
    outstanding += 1
    accept(message)
  }

  func flush(_ message: Message) throws(Disconnected) {
    accept(message)
    try forward()
    try drain()
    try sendOutput()
  }

  func sync(_ message: Message) throws(Disconnected) {
    if rules.phase == .block, outstanding == 0, accepted == 0, !isSkipping {
      // The backend has answered everything, and would only say that its block goes on.
      try drop(message)
      output.append(Reply.readyForQueryMessage(UInt8(ascii: "T")))
      return
    }
    try drop(message)
    try endImplicit()
  }
}
