/// What the backend answers, and what the client is told.
extension Relay {
  /// One wait for answers: what it is about, and what came of it.
  struct Exchange {
    /// The statement being executed or described.
    var statement: Statement?
    /// Nothing is passed on: the client did not ask.
    var isSilent = false
    /// Wait for ReadyForQuery; errors are then passed on as they come.
    var untilReady = false
    /// Answers to messages sent before the statement's own: passed on as they are.
    var earlier = 0
    /// Answers, counted from the first, to messages of the emulator's own.
    var hidden = 0..<0
    /// Whoever holds a lock that the statement wants loses to it; else the statement gives way.
    var winsOverOthers = false

    /// Its answers stay here until all of them are good.
    var mayBeTakenBack = false
    /// Where in `output` the answers start that may be taken back.
    var mark = 0

    var answered = 0
    /// The statement was ended because it waited for these.
    var wasCancelled = false
    var blockers: [Blocker] = []
    /// The statement was ended because another session's commit has doomed its transaction.
    var isDoomed = false
    /// The first column of the first row, where nothing is passed on.
    var firstValue: String?
    /// The first error, not yet passed on.
    var error: ErrorFields?
    /// How many answers the error took with it.
    var lost = 0
    /// The rule that the finished statement broke; its own tag is not passed on.
    var refusal: ServerError?
    var isCopyIn = false
    /// Whether the rows of a COPY are kept, to be sent again at COMMIT.
    var keepsRows = false
    /// CopyData messages.
    var rows: [UInt8] = []
    /// Why the client has given up its COPY.
    var givenUp: String?
    var status: UInt8 = 0
  }

  /// Reads answers until none is outstanding, or ReadyForQuery, or COPY wants data, or an error ends it.
  func pump(_ exchange: inout Exchange) throws(Disconnected) {
    while exchange.untilReady || outstanding > 0 {
      guard let (type, range) = nextReply() else {
        if output.count > Self.outputBytesKept, !exchange.mayBeTakenBack { try sendOutput() }
        try readReplies(&exchange)
        continue
      }
      let isOver = take(type, range, &exchange)
      replies.consume(range.upperBound)
      if isOver { return }
    }
  }

  /// Waits for everything outstanding; a backend's error is passed on.
  func drain() throws(Disconnected) {
    guard outstanding > 0 else { return }
    var exchange = Exchange()
    try forward(Frontend.flushMessage)
    try pump(&exchange)
    if let error = exchange.error { try backendRefused(error, Statement(.query, text: [])) }
  }

  /// One answer; true when the wait is over.
  private func take(_ type: UInt8, _ range: Range<Int>, _ exchange: inout Exchange) -> Bool {
    if Self.endsAnswer(type) {
      exchange.answered += 1
      if exchange.hidden.contains(exchange.answered - 1) {
        outstanding -= 1
        exchange.mark = output.count
        return false
      }
      if type == Reply.commandComplete, exchange.answered <= exchange.earlier {
        outstanding -= 1
        output.append(replies, range)
        return false
      }
    }
    switch type {
    case Reply.parseComplete, Reply.bindComplete, Reply.closeComplete, Reply.noData:
      outstanding -= 1
      if isInQuery { return false }
    case Reply.rowDescription:
      outstanding -= 1
      if exchange.statement?.hidesRows == true {
        if !isInQuery { output.append([Reply.noData, 0, 0, 0, 4]) }
        return false
      }
    case Reply.dataRow where exchange.statement?.hidesRows == true: return false
    case Reply.dataRow where exchange.isSilent && exchange.firstValue == nil && range.count > 11:
      let size = Int(Int32(bitPattern: replies.uint32(at: 7)))
      if size > 0, 11 + size <= range.count {
        exchange.firstValue = String(decoding: replies.bytes(11..<(11 + size)), as: UTF8.self)
      }
    case Reply.commandComplete:
      outstanding -= 1
      completed(range, &exchange)
      return false
    case Reply.emptyQuery, Reply.portalSuspended: outstanding -= 1
    case Reply.copyInResponse: exchange.isCopyIn = true
    case Reply.error:
      exchange.lost = outstanding
      outstanding = 0
      let fields = ErrorFields(body: replies.bytes(5..<range.upperBound))
      if !exchange.untilReady {
        exchange.error = fields
        return true
      }
      if !exchange.isSilent {
        unsendCompletion()
        output.append(translated(fields, exchange.statement).response(fields))
      }
      exchange.error = fields
      return false
    case Reply.readyForQuery:
      exchange.status = replies[5]
      outstanding = 0
    default: break
    }
    if !exchange.isSilent, exchange.refusal == nil { output.append(replies, range) }
    return type == Reply.readyForQuery || type == Reply.copyInResponse
  }

  /// Whether such a message ends the answer to one of a client's.
  private static func endsAnswer(_ type: UInt8) -> Bool {
    switch type {
    case Reply.parseComplete, Reply.bindComplete, Reply.closeComplete, Reply.noData, Reply.rowDescription,
      Reply.commandComplete, Reply.emptyQuery, Reply.portalSuspended:
      true
    default: false
    }
  }

  /// A statement has finished: its rows count, its tag may be DSQL's rather than PostgreSQL's.
  private func completed(_ range: Range<Int>, _ exchange: inout Exchange) {
    if exchange.isSilent || exchange.refusal != nil { return }
    guard let kind = exchange.statement?.kind, let makesRows = exchange.statement?.makesRows else {
      output.append(replies, range)
      return
    }
    switch kind {
    case .begin: rules.began(now: shared.clock)
    case .commit, .rollback: endTransaction()
    case .write, .lockingQuery:
      // What a SELECT has changed is counted elsewhere.
      let counts = kind == .lockingQuery || replies[5] != UInt8(ascii: "S")
      let count = counts ? replies.number(before: range.upperBound - 1) ?? 0 : 0
      if let refusal = kind == .write ? rules.add(rows: count, isMade: makesRows) : rules.add(lockedRows: count) {
        exchange.refusal = refusal
        return
      }
    default: break
    }
    completionMark = output.count
    if let tag = exchange.statement?.tag {
      output.append(Reply.commandCompleteMessage(tag))
    } else {
      output.append(replies, range)
    }
  }

  /// What a backend's error becomes.
  enum Translation {
    case conflict, catalogConflict, keyTooLarge, tooMuchTemporarySpace, unchanged, withoutContext

    func response(_ fields: ErrorFields) -> [UInt8] {
      switch self {
      case .conflict: ServerError.conflict.response()
      case .catalogConflict: ServerError.catalogConflict.response()
      case .keyTooLarge: ServerError("54000", "key size too large").response()
      case .tooMuchTemporarySpace:
        ServerError("54000", "query requires more than allowed temp space of 131072 KB to execute").response()
      case .unchanged: fields.response(withoutContext: false)
      case .withoutContext: fields.response(withoutContext: true)
      }
    }
  }

  func translated(_ fields: ErrorFields, _ statement: Statement?) -> Translation {
    switch fields.sqlState {
    case "57014" where fields["M"]?.hasPrefix("COPY from stdin failed") == true: .unchanged
    case "40001", "40P01", "55P03", "57014": statement?.kind == .definition ? .catalogConflict : .conflict
    case _ where rules.isDoomed: .conflict
    case "54000" where fields["M"]?.hasPrefix("index row") == true: .keyTooLarge
    case "53400": .tooMuchTemporarySpace
    case _ where fields["W"]?.contains("function sys.") == true: .withoutContext
    default: statement?.isRewritten == true ? .withoutContext : .unchanged
    }
  }
}
