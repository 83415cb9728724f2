import CLibPQ
import Glibc

/// One session on the PostgreSQL behind. libpq connects and signs in; after that the emulator speaks the wire protocol
/// on its socket. Owns the connection; used by one thread.
@safe
final class BackendConnection {
  private let raw: OpaquePointer
  let socket: Int32
  private let nothing = ByteQueue(capacity: 16)

  /// - Parameters:
  ///   - settings: session defaults, as `-c name=value`.
  /// - Throws: `08006` with libpq's reason.
  init(conninfo: String, password: String?, settings: [(name: String, value: String)]) throws(ServerError) {
    var keywords = ["dbname", "sslmode", "gssencmode"]
    var values = [conninfo, "disable", "disable"]
    if !settings.isEmpty {
      keywords.append("options")
      values.append(settings.map { "-c \(Self.escaped($0.name))=\(Self.escaped($0.value))" }.joined(separator: " "))
    }
    if let password {
      keywords.append("password")
      values.append(password)
    }
    let raw = unsafe Self.withCStrings(keywords) { keywords in
      unsafe Self.withCStrings(values) { values in unsafe PQconnectdbParams(keywords, values, 1) }
    }
    guard let raw = unsafe raw else { throw ServerError("53200", "out of memory") }
    unsafe self.raw = raw
    socket = unsafe PQsocket(raw)
    guard unsafe PQstatus(raw) == CONNECTION_OK else {
      // `deinit` finishes it.
      let reason = unsafe String(cString: PQerrorMessage(raw))
      throw ServerError("08006", "the backend refuses connections: \(reason)")
    }
    // libpq made the socket non-blocking; the relay waits in reads and writes instead.
    _ = fcntl(socket, F_SETFL, fcntl(socket, F_GETFL) & ~O_NONBLOCK)
  }

  deinit { unsafe PQfinish(raw) }

  func parameter(_ name: String) -> String? {
    unsafe PQparameterStatus(raw, name).map { unsafe String(cString: $0) }
  }

  var processID: Int32 { unsafe PQbackendPID(raw) }

  /// Runs statements before the relay takes over; the first column of the first row, if any.
  /// - Throws: the server's error.
  @discardableResult
  func run(_ sql: String) throws(ServerError) -> String? {
    let result = unsafe PQexec(raw, sql)
    defer { unsafe PQclear(result) }
    switch unsafe PQresultStatus(result) {
    case PGRES_COMMAND_OK: return nil
    case PGRES_TUPLES_OK:
      return unsafe PQntuples(result) > 0 ? unsafe String(cString: PQgetvalue(result, 0, 0)) : nil
    default:
      let state = unsafe PQresultErrorField(result, Int32(UInt8(ascii: "C"))).map { unsafe String(cString: $0) }
      throw ServerError(state ?? "XX000", unsafe String(cString: PQerrorMessage(raw)))
    }
  }

  /// A value as an SQL literal.
  static func literal(_ text: String) -> String {
    "'" + text.split(separator: "'", omittingEmptySubsequences: false).joined(separator: "''") + "'"
  }

  /// Sends a prefix of `queue` and then `trailer`, in one call where the kernel takes it.
  func send(_ queue: ByteQueue, _ size: Int, trailer: [UInt8] = []) throws(Disconnected) {
    if size + trailer.count == 0 { return }
    var sent = unsafe queue.withBytesAndTrailer(size, trailer) { first, second in
      var parts = unsafe [
        iovec(iov_base: UnsafeMutableRawPointer(mutating: first.baseAddress), iov_len: first.count),
        iovec(iov_base: UnsafeMutableRawPointer(mutating: second.baseAddress), iov_len: second.count),
      ]
      return unsafe writev(socket, &parts, 2)
    }
    if sent < 0, errno != EINTR { throw Disconnected("backend is gone") }
    sent = max(0, sent)
    while sent < size + trailer.count {
      let more = unsafe queue.withBytesAndTrailer(size, trailer) { first, second in
        sent < size
          ? unsafe write(socket, first.baseAddress! + sent, size - sent)
          : unsafe write(socket, second.baseAddress! + (sent - size), trailer.count - (sent - size))
      }
      if more > 0 { sent += more } else if errno != EINTR { throw Disconnected("backend is gone") }
    }
  }

  func send(_ bytes: [UInt8]) throws(Disconnected) { try send(nothing, 0, trailer: bytes) }

  /// Sends what the socket takes at once of a prefix of `queue` and then `trailer`, without the first `sent` bytes.
  /// - Returns: how many bytes it was.
  func sendSome(_ queue: ByteQueue, _ size: Int, trailer: [UInt8], from sent: Int) throws(Disconnected) -> Int {
    if sent == size + trailer.count { return 0 }
    let flags = Int32(MSG_DONTWAIT) | Int32(MSG_NOSIGNAL)
    let count = unsafe queue.withBytesAndTrailer(size, trailer) { first, second in
      sent < size
        ? unsafe Glibc.send(socket, first.baseAddress! + sent, size - sent, flags)
        : unsafe Glibc.send(socket, second.baseAddress! + (sent - size), trailer.count - (sent - size), flags)
    }
    if count < 0, errno != EINTR, errno != EAGAIN { throw Disconnected("backend is gone") }
    return max(0, count)
  }

  /// Appends what there is, waiting for at least one byte.
  func read(into queue: ByteQueue) throws(Disconnected) {
    _ = try unsafe queue.fill(room: 32 * 1024) { (room) throws(Disconnected) in
      while true {
        let count = unsafe Glibc.read(socket, room.baseAddress, room.count)
        if count > 0 { return count }
        if count < 0, errno == EINTR { continue }
        throw Disconnected("backend closed the connection")
      }
    }
  }

  /// In libpq's `options`, spaces and backslashes are escaped.
  private static func escaped(_ text: String) -> String {
    var result = ""
    for character in text {
      if character == " " || character == "\\" { result.append("\\") }
      result.append(character)
    }
    return result
  }

  /// Lends a null-terminated array of C strings.
  private static func withCStrings<Result>(
    _ strings: [String], _ body: (UnsafePointer<UnsafePointer<CChar>?>?) -> Result
  ) -> Result {
    let copies = unsafe strings.map { unsafe strdup($0) }
    defer { unsafe copies.forEach { unsafe free($0) } }
    let pointers = unsafe copies.map { unsafe UnsafePointer<CChar>($0) } + [nil]
    return unsafe pointers.withUnsafeBufferPointer { unsafe body($0.baseAddress) }
  }
}

extension ByteQueue {
  /// Lends a prefix and some more bytes together.
  fileprivate func withBytesAndTrailer<Result>(
    _ size: Int, _ trailer: [UInt8], _ body: (UnsafeRawBufferPointer, UnsafeRawBufferPointer) -> Result
  ) -> Result {
    unsafe withBytes(0..<size) { first in
      unsafe trailer.withUnsafeBytes { second in unsafe body(first, second) }
    }
  }
}
