import CPenstockShims
import Glibc

/// One signed-in client and its backend session: passes messages on, stops at every statement to ask the rules, and puts
/// DSQL's answers where PostgreSQL's differ.
///
/// At most one statement is under way on the backend: an Execute is followed by a Flush and its answer awaited before
/// the client's next message is looked at. So each verdict knows all results before it, however much a client sends in
/// one flight, and the client's bytes can stay in its input buffer until they are wanted.
final class Relay {
  let client: ClientConnection
  let backend: BackendConnection
  let shared: EmulatorState

  /// From the client. The first `accepted` bytes are whole messages that go to the backend as they are.
  let input = ByteQueue()
  var accepted = 0
  /// Bytes after these that are done with: what they ask for goes to the backend in other words.
  var replaced = 0
  /// To the client, not yet sent.
  let output = ByteQueue()
  /// From the backend.
  let replies = ByteQueue()

  var rules: TransactionRules
  /// Answers the backend still owes for messages before the next Sync.
  var outstanding = 0
  /// After an error, a client's messages are dropped until its Sync.
  var isSkipping = false
  var statements: [String: Prepared] = [:] {
    didSet { latestPrepared = nil }
  }
  var portals: [String: Portal] = [:]
  /// The portal without a name.
  var unnamedPortal: Portal?
  /// The statement that was looked for last, and its name.
  private var latestPrepared: (name: [UInt8], prepared: Prepared)?
  /// While a simple query's statements run: the extended protocol's own answers are not passed on.
  var isInQuery = false
  /// Where in `output` the latest CommandComplete starts, while it can still be taken back.
  var completionMark: Int?
  private var verdicts: [[UInt8]: Script] = [:]
  /// The text that was judged last, and its verdict.
  private var latestVerdict: (text: [UInt8], script: Script)?
  private let openedAt: Duration

  /// What other sessions see of this one.
  let handle: SessionHandle
  /// Writes of this block that stand behind other transactions.
  var deferred: [Deferred] = []
  /// Whether the emulator's savepoint is set in this block.
  var hasSavepoint = false
  /// Writes that are under way together.
  var flight: Flight?
  /// Bytes at the front of `input` that are looked at again, after their flight was taken back.
  var carefulBytes = 0

  /// A parsed statement with its parameter types as they stood in Parse.
  final class Prepared {
    let statement: Statement
    let parameterTypes: [UInt8]

    init(_ statement: Statement, parameterTypes: [UInt8]) {
      self.statement = statement
      self.parameterTypes = parameterTypes
    }
  }
  /// A bound statement and how many bytes it would write.
  struct Portal {
    let prepared: Prepared
    let bytes: Int
    /// To bind it again, for writes in a block.
    let bindRest: [UInt8]?

    var statement: Statement { prepared.statement }
  }
  /// A whole message in `input`, header included.
  struct Message {
    let type: UInt8
    let range: Range<Int>
    var body: Range<Int> { (range.lowerBound + 5)..<range.upperBound }
  }

  /// The protocol allows more; DSQL hangs up on longer messages without a word.
  static let messageBytesMax = 10 * 1024 * 1024
  static let outputBytesKept = 64 * 1024
  /// How much is taken from the client while the backend works.
  static let inputBytesAhead = 2 * 1024 * 1024

  init(client: ClientConnection, backend: BackendConnection, shared: EmulatorState) {
    self.client = client
    self.backend = backend
    self.shared = shared
    openedAt = shared.clock
    handle = SessionHandle(processID: backend.processID)
    rules = TransactionRules(
      limits: .init(age: shared.options.transactionAgeMax), catalog: shared.catalog.version)
  }

  /// Serves the client until it says goodbye.
  /// - Throws: `Disconnected` when the session has to end without one.
  func run() throws(Disconnected) {
    shared.referee.add(handle)
    shared.referee.forgetCatalog()
    defer { shared.referee.remove(handle) }
    try prepareSavepoints()
    while true {
      let message = try nextMessage()
      if try joinsFlight(message) { continue }
      if flight != nil {
        try land()
        // What was taken back comes before it.
        continue
      }
      carefulBytes = max(0, carefulBytes - message.range.count)
      switch message.type {
      case Frontend.terminate: return
      case _ where isSkipping && message.type != Frontend.sync: try drop(message)
      case Frontend.query: try query(message)
      case Frontend.parse: try parse(message)
      case Frontend.bind: try bind(message)
      case Frontend.describe: try describe(message)
      case Frontend.execute: try execute(message)
      case Frontend.close: try close(message)
      case Frontend.flush: try flush(message)
      case Frontend.sync: try sync(message)
      case Frontend.copyData, Frontend.copyDone, Frontend.copyFail:
        // Left over from a COPY that failed.
        try drop(message)
      default: try violation("invalid frontend message type \(message.type)")
      }
    }
  }

  // MARK: Input

  /// The next message, if the whole of it has been read.
  func messageAtHand() throws(Disconnected) -> Message? {
    guard input.count >= accepted + 5 else { return nil }
    let length = Int(input.uint32(at: accepted + 1))
    guard length >= 4 else { try violation("invalid message length") }
    guard length < Self.messageBytesMax else { throw Disconnected("message of \(length) bytes") }
    guard input.count > accepted + length else { return nil }
    return Message(type: input[accepted], range: accepted..<(accepted + 1 + length))
  }

  /// The next whole message; before waiting for one, everything accepted or answered so far is sent.
  func nextMessage() throws(Disconnected) -> Message {
    while true {
      if let message = try messageAtHand() { return message }
      if try client.read(into: input) { continue }
      if flight != nil {
        try land()
        continue
      }
      try forward()
      try sendOutput()
      try waitForClient()
    }
  }

  /// Whether a whole Sync stands there.
  func isSync(at offset: Int) -> Bool {
    input.count >= offset + Frontend.syncMessage.count && input[offset] == Frontend.sync
      && input.uint32(at: offset + 1) == 4
  }

  /// Lets the message go to the backend, with its neighbours.
  func accept(_ message: Message) { accepted = message.range.upperBound }

  /// Takes the message out, once what was accepted before it has been sent.
  func drop(_ message: Message) throws(Disconnected) {
    try forward()
    input.consume(message.range.count)
  }

  /// Sends what has been accepted, then `trailer`.
  func forward(_ trailer: [UInt8] = []) throws(Disconnected) {
    try backend.send(input, accepted, trailer: trailer)
    input.consume(accepted + replaced)
    accepted = 0
    replaced = 0
  }

  private func waitForClient() throws(Disconnected) {
    while true {
      var polled = [
        pollfd(fd: client.socket, events: Int16(POLLIN), revents: 0),
        pollfd(fd: handle.wakeup, events: Int16(POLLIN), revents: 0),
        pollfd(fd: backend.socket, events: Int16(POLLIN), revents: 0),
      ]
      // With answers outstanding the backend may speak before it is asked; that is read in its turn.
      let watched = outstanding == 0 ? 3 : 1
      let ready = unsafe penstock_poll(&polled, nfds_t(watched), try millisecondsLeft())
      if ready < 0 { throw Disconnected("poll failed") }
      if polled[0].revents != 0 { return }
      if watched == 3, polled[1].revents != 0 {
        // Meanwhile the client may have sent something, which has been read.
        return try noticeDoom()
      }
      if watched == 3, polled[2].revents != 0 { try readUnasked() }
    }
  }

  /// Until this session reaches its age. A transaction begun before may still use its own.
  private func millisecondsLeft() throws(Disconnected) -> Int64 {
    var limit = shared.options.sessionAgeMax
    if rules.phase != .idle { limit += shared.options.transactionAgeMax }
    let left = (openedAt + limit - shared.clock) / shared.options.clockRate
    if left <= .zero { throw Disconnected("session age") }
    return Int64(left / .milliseconds(1)) + 1
  }

  /// Notices, settings and goodbyes that the backend sends on its own.
  private func readUnasked() throws(Disconnected) {
    try backend.read(into: replies)
    while let (type, range) = nextReply() {
      if type == Reply.error {
        output.append(replies, range)
        try sendOutput()
        throw Disconnected("backend ended the session")
      }
      output.append(replies, range)
      replies.consume(range.upperBound)
    }
    try sendOutput()
  }

  func sendOutput() throws(Disconnected) {
    completionMark = nil
    try client.write(output)
  }

  /// A simple query's last statement completes only when its transaction has committed: takes its tag back.
  func unsendCompletion() {
    if isInQuery, let completionMark { output.truncate(to: completionMark) }
    completionMark = nil
  }

  /// Type and range of the first whole message in `replies`.
  func nextReply() -> (type: UInt8, range: Range<Int>)? {
    guard replies.count >= 5 else { return nil }
    let end = 1 + Int(replies.uint32(at: 1))
    return replies.count >= end ? (replies[0], 0..<end) : nil
  }

  /// - Throws: always, after telling the client.
  func violation(_ reason: String) throws(Disconnected) -> Never {
    output.append(ServerError("08P01", reason).response(severity: "FATAL"))
    try sendOutput()
    throw Disconnected(reason)
  }

  // MARK: Names and verdicts

  func text(_ range: Range<Int>) -> String { String(decoding: input.bytes(range), as: UTF8.self) }

  /// The statement whose name stands there.
  func prepared(named range: Range<Int>) -> Prepared? {
    if let latestPrepared, input.holds(latestPrepared.name, at: range) { return latestPrepared.prepared }
    guard let prepared = statements[text(range)] else { return nil }
    latestPrepared = (input.bytes(range), prepared)
    return prepared
  }

  /// The portal whose name stands there.
  func portal(named range: Range<Int>) -> Portal? { range.isEmpty ? unnamedPortal : portals[text(range)] }

  func setPortal(_ portal: Portal?, named range: Range<Int>) {
    if range.isEmpty { unnamedPortal = portal } else { portals[text(range)] = portal }
  }

  /// The judged statements of the text that stands there.
  func script(at range: Range<Int>) -> Script {
    if let latestVerdict, input.holds(latestVerdict.text, at: range) { return latestVerdict.script }
    let text = input.bytes(range)
    let script = script(text)
    latestVerdict = (text, script)
    return script
  }

  /// The judged statements of a text, remembered per session for short ones.
  func script(_ text: [UInt8]) -> Script {
    // Hashing a long text would cost more than its tokens.
    guard text.count <= 4096 else { return StatementJudge.script(text) }
    if let known = verdicts[text] { return known }
    let script = StatementJudge.script(text)
    if verdicts.count >= 512 { verdicts.removeAll() }
    verdicts[text] = script
    return script
  }
}
