internal import CLibPQ
internal import CPenstockShims
package import ChangeModel
internal import Glibc
package import Runtime

/// One PostgreSQL session: the sole owner of a `PGconn`, used by one task on a thread that may block.
///
/// Every wait has our own deadline or none, watches `interrupt` beside the socket, and never sits inside libpq.
@safe package final class Connection {
  /// Valid until `deinit`, which closes it; another one only while connecting.
  private(set) var raw: OpaquePointer
  package let settings: ConnectionSettings
  /// Signalled by others to make a wait end with a failure that says `interrupted`.
  package var interrupt: Wakeup?
  /// When the session was opened, on the monotonic clock.
  package private(set) var openedAt: Duration
  /// Names of the statements prepared in this session, by their texts.
  package var preparedStatements: [String: String] = [:]
  /// How many statements were given a name in this session, so that none gets it twice.
  package var preparedCount = 0

  /// Bytes queued since the last answer, and the most there have been: libpq keeps the memory of that for as long as the
  /// session lives.
  var queuedBytes = 0 {
    didSet { largestSend = max(largestSend, queuedBytes) }
  }
  package private(set) var largestSend = 0

  /// Opens a session.
  ///
  /// - Throws: a transient `Failure` when the server can't be reached or refuses for now, a lasting one when it
  ///   refuses us.
  package init(_ settings: ConnectionSettings, interrupt: Wakeup? = nil) throws(Failure) {
    self.settings = settings
    self.interrupt = interrupt
    var password = try settings.password()
    unsafe raw = try Connection.start(password, settings)
    openedAt = monotonicNow()
    var isSecond = false
    while true {
      do throws(Failure) {
        try finishConnecting()
        break
      } catch {
        guard let refused = password, let other = try settings.renewedPassword?(refused, error), !isSecond
        else {
          throw error
        }
        let next = unsafe try Connection.start(other, settings)
        unsafe PQfinish(raw)
        unsafe raw = next
        (password, isSecond, openedAt) = (other, true, monotonicNow())
      }
    }
    unsafe PQsetnonblocking(raw, 1)
    unsafe PQsetNoticeReceiver(raw, { _, _ in }, nil)
  }

  private func finishConnecting() throws(Failure) {
    let deadline = openedAt + settings.connectTimeout
    while true {
      let polled = unsafe PQconnectPoll(raw)
      if polled == PGRES_POLLING_OK { return }
      if polled == PGRES_POLLING_FAILED { throw connectFailure() }
      let events = polled == PGRES_POLLING_READING ? POLLIN : POLLOUT
      if try !wait(events: Int16(events), until: deadline) {
        throw Failure(
          settings.role, "no answer within \(settings.connectTimeout) while connecting", location: settings.place,
          hint: "Check that the host and port are right and that a firewall lets us through.",
          connectionLost: true, isTransient: true)
      }
    }
  }

  deinit { unsafe PQfinish(raw) }

  private static func start(
    _ password: String?, _ settings: ConnectionSettings
  ) throws(Failure) -> OpaquePointer {
    var parameters = try SystemCertificates.resolve(settings)
    if let password { parameters.append(("password", password)) }
    parameters.append(("client_encoding", "UTF8"))
    let keywords = unsafe parameters.map { unsafe strdup($0.keyword) } + [nil]
    let values = unsafe parameters.map { unsafe strdup($0.value) } + [nil]
    defer { unsafe (keywords + values).forEach { unsafe free($0) } }
    let raw = unsafe keywords.map { unsafe UnsafePointer($0) }.withUnsafeBufferPointer { keywords in
      unsafe values.map { unsafe UnsafePointer($0) }.withUnsafeBufferPointer { values in
        unsafe PQconnectStartParams(keywords.baseAddress, values.baseAddress, 0)
      }
    }
    guard let raw = unsafe raw else {
      throw Failure(settings.role, "libpq has no memory for another connection", location: settings.place)
    }
    return unsafe raw
  }

  /// The server's version as libpq counts it, such as 150018.
  package var serverVersion: Int { Int(unsafe PQserverVersion(raw)) }

  /// The server process, for `pg_terminate_backend` and messages.
  package var backendPID: Int { Int(unsafe PQbackendPID(raw)) }

  package var isInTransaction: Bool { unsafe PQtransactionStatus(raw) != PQTRANS_IDLE }

  /// Whether libpq still holds the connection for usable.
  package var isAlive: Bool { unsafe PQstatus(raw) == CONNECTION_OK }

  /// Whether the server has said nothing that we have not read, such as why it ends the session; for idle sessions.
  package var isQuiet: Bool {
    guard isAlive else { return false }
    var entry = pollfd(fd: unsafe PQsocket(raw), events: Int16(POLLIN), revents: 0)
    return unsafe penstock_poll(&entry, 1, 0) == 0
  }

  package func serverParameter(_ name: String) -> String? {
    guard let value = unsafe PQparameterStatus(raw, name) else { return nil }
    return unsafe String(cString: value)
  }

  // MARK: Waiting

  /// Waits until the socket can be read or written.
  ///
  /// - Parameter deadline: on the monotonic clock; `nil` waits for ever.
  /// - Returns: false when the deadline passed first.
  func wait(events: Int16, until deadline: Duration?) throws(Failure) -> Bool {
    try waitForSocket(events: events, or: nil, until: deadline) == .socket
  }

  enum WaitEnd { case socket, wakeup, deadline }

  func waitForSocket(events: Int16, or wakeup: Wakeup?, until deadline: Duration?) throws(Failure) -> WaitEnd {
    var entries: InlineArray<3, pollfd> = [
      pollfd(fd: unsafe PQsocket(raw), events: events, revents: 0),
      pollfd(fd: interrupt?.descriptor ?? -1, events: Int16(POLLIN), revents: 0),
      pollfd(fd: wakeup?.descriptor ?? -1, events: Int16(POLLIN), revents: 0),
    ]
    let limit = deadline.map { max(0, ($0 - monotonicNow()).wholeMilliseconds) } ?? -1
    var span = entries.mutableSpan
    let ready = unsafe span.withUnsafeMutableBufferPointer { unsafe penstock_poll($0.baseAddress, 3, limit) }
    if ready < 0 {
      throw Failure(settings.role, "poll failed with errno \(errno)", location: settings.place, connectionLost: true)
    }
    if entries[1].revents != 0 {
      throw Failure(settings.role, "interrupted", location: settings.place, connectionLost: true)
    }
    if entries[0].revents != 0 { return .socket }
    return entries[2].revents != 0 ? .wakeup : .deadline
  }

  /// Sends what libpq holds back, reading meanwhile so that neither side waits for the other for ever.
  func flush(until deadline: Duration? = nil) throws(Failure) {
    while true {
      let rest = unsafe PQflush(raw)
      if rest == 0 { return }
      if rest < 0 { throw lostFailure() }
      guard try wait(events: Int16(POLLIN | POLLOUT), until: deadline) else { throw timeoutFailure() }
      if unsafe PQconsumeInput(raw) == 0 { throw lostFailure() }
    }
  }

  /// The next result, waited for without blocking in libpq; `nil` ends the current command.
  func nextResult(until deadline: Duration? = nil) throws(Failure) -> QueryResult? {
    try flush(until: deadline)
    while unsafe PQisBusy(raw) != 0 {
      guard try wait(events: Int16(POLLIN), until: deadline) else { throw timeoutFailure() }
      if unsafe PQconsumeInput(raw) == 0 { throw lostFailure() }
    }
    guard let result = unsafe PQgetResult(raw) else { return nil }
    return unsafe QueryResult(adopting: result)
  }
}
