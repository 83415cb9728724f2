internal import CLibPQ
package import ChangeModel
internal import Glibc
package import Runtime

/// One CopyData message that libpq allocated: a row of COPY, or a replication message. Sole owner.
@safe package struct CopyMessage: ~Copyable {
  private let base: UnsafeMutablePointer<CChar>
  package let count: Int

  init(adopting base: UnsafeMutablePointer<CChar>, count: Int) {
    unsafe self.base = base
    self.count = count
  }
  deinit { unsafe PQfreemem(base) }

  /// The message's bytes, valid while this value lives.
  package var bytes: RawSpan {
    @_lifetime(borrow self) get {
      // SAFETY: libpq's allocation lives until PQfreemem in deinit; the span cannot outlive `self`.
      unsafe _overrideLifetime(
        RawSpan(_unsafeStart: UnsafeRawPointer(base), byteCount: count), borrowing: self)
    }
  }
}

/// What a look for the next CopyData found.
package enum CopyRead: ~Copyable {
  case message(CopyMessage)
  /// Nothing is here yet.
  case empty
  /// The server ended the copy.
  case end
}

extension Connection {
  /// Starts `COPY … TO STDOUT`, `COPY … FROM STDIN` or `START_REPLICATION`.
  package func startCopy(_ sql: String) throws(Failure) {
    if unsafe PQsendQuery(raw, sql) == 0 { throw lostFailure() }
    guard let result = try nextResult() else { throw lostFailure() }
    switch result.status {
    case PGRES_COPY_OUT, PGRES_COPY_IN, PGRES_COPY_BOTH: return
    default:
      let failed = failure(in: result)
      while try nextResult() != nil {}
      throw failed
    }
  }

  /// Lets one read of the socket bring up to 64 KiB, in place of libpq's 16 KiB at first.
  ///
  /// libpq has no setting for it. Its buffer doubles until the largest message of the session has room in it and a read of
  /// 8 KiB besides, and stays so.
  package func widenReads() throws(Failure) { try query("SELECT pg_catalog.repeat('x', 50000)") }

  /// The next message if one is already complete in memory; reads the socket once if not.
  package func readCopy() throws(Failure) -> CopyRead {
    var buffer: UnsafeMutablePointer<CChar>? = nil
    var count = unsafe PQgetCopyData(raw, &buffer, 1)
    if count == 0 {
      if unsafe PQconsumeInput(raw) == 0 { throw lostFailure() }
      count = unsafe PQgetCopyData(raw, &buffer, 1)
    }
    if count > 0, let buffer = unsafe buffer {
      return .message(unsafe CopyMessage(adopting: buffer, count: Int(count)))
    }
    if count == 0 { return .empty }
    if count == -2 { throw lostFailure() }
    return .end
  }

  /// The next message of a COPY TO, waited for; `nil` at its end.
  package func nextCopyRow() throws(Failure) -> CopyMessage? {
    while true {
      switch try readCopy() {
      case .message(let message): return message
      case .end:
        try finishCopy()
        return nil
      case .empty: _ = try wait(events: Int16(POLLIN), until: nil)
      }
    }
  }

  /// Reads the results after a COPY's end, throwing the server's error if it ended badly.
  /// - Returns: the rows of the command tag.
  @discardableResult
  package func finishCopy() throws(Failure) -> Int {
    var failed: Failure?
    var rows = 0
    while let result = try nextResult() {
      switch result.status {
      case PGRES_COMMAND_OK: rows = result.affectedRows
      case PGRES_COPY_BOTH, PGRES_COPY_OUT, PGRES_COPY_IN: return rows
      default: if failed == nil { failed = failure(in: result) }
      }
    }
    if let failed { throw failed }
    return rows
  }

  /// Hands bytes of a COPY FROM to the server, waiting while more than `limit` bytes are unsent.
  ///
  /// The bytes may be any part of the stream: the protocol does not care where rows end.
  package func sendCopy(_ bytes: UnsafeRawBufferPointer) throws(Failure) {
    guard unsafe !bytes.isEmpty else { return }
    queuedBytes = bytes.count
    let base = unsafe bytes.baseAddress!.assumingMemoryBound(to: CChar.self)
    while true {
      let sent = unsafe PQputCopyData(raw, base, Int32(bytes.count))
      if sent == 1 { break }
      if sent < 0 { throw lostFailure() }
      try flush()
    }
    try flush()
  }

  /// Ends a COPY FROM and waits for the server's verdict.
  /// - Parameter abort: makes the server discard the copy, with this text in its error.
  /// - Returns: the rows that the server counted.
  package func endCopy(abort: String? = nil) throws(Failure) -> Int {
    while true {
      let sent =
        if let abort { unsafe PQputCopyEnd(raw, abort) } else { unsafe PQputCopyEnd(raw, nil) }
      if sent == 1 { break }
      if sent < 0 { throw lostFailure() }
      try flush()
    }
    return try finishCopy()
  }

  /// Waits for the socket to have something to read, for `wakeup`, or for the deadline, whichever is first.
  package func waitReadable(or wakeup: Wakeup?, until deadline: Duration?) throws(Failure) {
    _ = try waitForSocket(events: Int16(POLLIN), or: wakeup, until: deadline)
  }

  /// Sends one small CopyData message at once, such as a standby status update.
  package func sendReplicationMessage(_ bytes: [UInt8]) throws(Failure) {
    let sent: Result<Void, Failure> = unsafe bytes.withUnsafeBytes { bytes in
      Result { () throws(Failure) in try unsafe sendCopy(bytes) }
    }
    try sent.get()
  }

  /// Ends our side of a replication stream, so that what was reported last arrives before the session closes.
  package func flushCopy() throws(Failure) {
    _ = unsafe PQputCopyEnd(raw, nil)
    try flush(until: monotonicDeadline(.seconds(5)))
  }
}
