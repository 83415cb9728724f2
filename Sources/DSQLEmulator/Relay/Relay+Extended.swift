/// The extended query protocol, one message at a time.
extension Relay {
  /// Splits a message body's leading zero-terminated strings off; `nil` when one has no end.
  private func strings(_ count: Int, in body: Range<Int>) -> (ranges: [Range<Int>], rest: Range<Int>)? {
    var ranges: [Range<Int>] = []
    var start = body.lowerBound
    for _ in 0..<count {
      guard let end = input.zero(in: start..<body.upperBound) else { return nil }
      ranges.append(start..<end)
      start = end + 1
    }
    return (ranges, start..<body.upperBound)
  }

  private func text(_ range: Range<Int>) -> String { String(decoding: input.bytes(range), as: UTF8.self) }

  func parse(_ message: Message) throws(Disconnected) {
    guard let (parts, rest) = strings(2, in: message.body) else { try violation("invalid string in message") }
    let name = text(parts[0])
    let script = script(input.bytes(parts[1]))
    let parameterTypes = input.bytes(rest)
    let statement = script.statements.first ?? Statement(.query, text: [])
    if let error = parseRefusal(script) { return try refuse(message, error) }
    statements[name] = Prepared(statement: statement, parameterTypes: parameterTypes)
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
    guard let (parts, rest) = strings(2, in: message.body) else { try violation("invalid string in message") }
    if let prepared = statements[text(parts[1])] {
      let statement = prepared.statement
      portals[text(parts[0])] = Portal(
        statement: statement, bytes: hasParameters(rest) ? message.range.count : statement.text.count,
        bindRest: isGuarded(statement) ? input.bytes(rest) : nil, parameterTypes: prepared.parameterTypes)
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

  func describe(_ message: Message) throws(Disconnected) {
    outstanding += 1
    guard message.body.count >= 2 else {
      accept(message)
      return
    }
    let name = text((message.body.lowerBound + 1)..<(message.body.upperBound - 1))
    let isPortal = input[message.body.lowerBound] == UInt8(ascii: "P")
    accept(message)
    guard let statement = isPortal ? portals[name]?.statement : statements[name]?.statement,
      statement.hidesRows
    else { return }
    var exchange = Exchange(statement: statement)
    exchange.earlier = outstanding - 1
    try forward(Frontend.flushMessage)
    try pump(&exchange)
    if let error = exchange.error { try backendRefused(error, statement) }
  }

  func execute(_ message: Message) throws(Disconnected) {
    guard let (parts, _) = strings(1, in: message.body) else { try violation("invalid string in message") }
    guard let portal = portals[text(parts[0])] else {
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
    rules.phase == .block && !statement.isCopy && (statement.kind == .write || statement.kind == .lockingQuery)
  }

  func close(_ message: Message) throws(Disconnected) {
    if message.body.count >= 2 {
      let name = text((message.body.lowerBound + 1)..<(message.body.upperBound - 1))
      if input[message.body.lowerBound] == UInt8(ascii: "P") { portals[name] = nil } else { statements[name] = nil }
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
      drop(message)
      output.append(Reply.readyForQueryMessage(UInt8(ascii: "T")))
      return
    }
    try forward()
    drop(Message(type: message.type, range: 0..<message.range.count))
    try endImplicit()
  }
}
