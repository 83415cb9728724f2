/// The simple query protocol. Its statements run as Parse, Bind, Describe and Execute, so that each can be judged and
/// nothing is committed before the rules agree; the client sees the answers of a simple query.
extension Relay {
  func query(_ message: Message) throws(Disconnected) {
    try forward()
    let body = 5..<(message.range.count)
    guard let end = input.zero(in: body) else { try violation("invalid string in message") }
    let text = input.bytes(body.lowerBound..<end)
    input.consume(message.range.count)
    isInQuery = true
    defer { isInQuery = false }
    try run(script(text))
    if rules.phase == .block, outstanding == 0, !isSkipping {
      output.append(Reply.readyForQueryMessage(UInt8(ascii: "T")))
    } else {
      try endImplicit()
    }
  }

  private func run(_ script: Script) throws(Disconnected) {
    if let error = script.syntaxError { return try refuse(error) }
    if script.statements.isEmpty {
      output.append([Reply.emptyQuery, 0, 0, 0, 4])
      return
    }
    for statement in script.statements {
      if let refusal = rules.judge(statement, now: shared.clock, catalog: shared.catalog.version) {
        try refuse(refusal)
      } else if let fault = statementFault(statement) {
        try refuse(fault)
      } else {
        if statement.kind == .write { rules.add(bytes: statement.text.count) }
        try perform(statement)
      }
      if isSkipping { return }
    }
  }

  private func perform(_ statement: Statement) throws(Disconnected) {
    if statement.kind == .commit, rules.phase != .failed {
      return try commit(nil, statement)
    }
    let messages = Frontend.parseMessage(name: "", statement.text) + Frontend.runUnnamed + Frontend.flushMessage
    if statement.kind == .write || statement.kind == .lockingQuery {
      return try performWrite(statement, nil, messages, answers: 4)
    }
    if statement.kind == .definition { handle.defines() }
    try countingChanges(statement) { () throws(Disconnected) in
      outstanding += 4
      try perform(statement, messages, answers: 4)
    }
  }
}
