import CPenstockShims
import COpenSSL
import Glibc

/// The peer is gone, or has to go: the session ends without a word.
struct Disconnected: Error {
  let reason: String

  init(_ reason: String) { self.reason = reason }
}

/// One client's socket with TLS on it. Owns both; used by one thread.
@safe
final class ClientConnection {
  let socket: Int32
  /// Whether nothing more will come from the client.
  private(set) var isClosed = false
  private var waits = true
  private let raw: OpaquePointer

  /// Takes the socket over and runs the server's side of the handshake.
  init(socket: Int32, context: TLSContext) throws(Disconnected) {
    self.socket = socket
    guard let session = unsafe context.makeSession() else {
      Glibc.close(socket)
      throw Disconnected("out of memory")
    }
    unsafe raw = session
    guard unsafe SSL_set_fd(session, socket) == 1, unsafe SSL_accept(session) == 1 else {
      throw Disconnected("TLS handshake failed: \(TLSContext.lastError())")
    }
  }

  /// Closing without a TLS goodbye is what a cut connection looks like; `shutdown` says goodbye first.
  deinit {
    unsafe SSL_free(raw)
    Glibc.close(socket)
  }

  /// The name the client asked for.
  var serverName: String? {
    unsafe SSL_get_servername(raw, TLSEXT_NAMETYPE_host_name).map { unsafe String(cString: $0) }
  }

  /// Whether bytes have been taken from the socket that no read has handed out yet.
  var hasPending: Bool { unsafe SSL_has_pending(raw) == 1 }

  /// From now on reads don't wait. Until then they wait as long as the socket's timeout says.
  func stopWaiting() {
    _ = fcntl(socket, F_SETFL, fcntl(socket, F_GETFL) | O_NONBLOCK)
    waits = false
  }

  /// Appends what there is.
  /// - Returns: whether there was anything.
  func read(into queue: ByteQueue) throws(Disconnected) -> Bool {
    let hasRead = readAhead(into: queue)
    if isClosed { throw Disconnected("client closed the connection") }
    return hasRead
  }

  /// Appends what there is. That the client has closed the connection is left for `read` to tell.
  /// - Returns: whether there was anything.
  @discardableResult
  func readAhead(into queue: ByteQueue) -> Bool {
    var hasRead = false
    while !isClosed, !hasRead {
      var reason = SSL_ERROR_NONE
      hasRead =
        unsafe queue.fill(room: 32 * 1024) { room in
          let count = unsafe SSL_read(raw, room.baseAddress, Int32(min(room.count, 1 << 30)))
          if count <= 0 { reason = ended(count) }
          return max(0, Int(count))
        } > 0
      if reason == SSL_ERROR_WANT_READ, !waits { return false }
      if !hasRead, reason != SSL_ERROR_WANT_WRITE || !pollForRoom() { isClosed = true }
    }
    return hasRead
  }

  /// Why a call of OpenSSL has done nothing; its reasons are forgotten.
  private func ended(_ count: Int32) -> Int32 {
    defer { ERR_clear_error() }
    return unsafe SSL_get_error(raw, count)
  }

  /// Waits until the socket takes more.
  private func pollForRoom() -> Bool {
    var polled = pollfd(fd: socket, events: Int16(POLLOUT), revents: 0)
    return unsafe penstock_poll(&polled, 1, -1) > 0
  }

  /// Sends everything that is queued.
  func write(_ queue: ByteQueue) throws(Disconnected) {
    if queue.isEmpty { return }
    try unsafe queue.withBytes(0..<queue.count) { (bytes) throws(Disconnected) in
      var sent = 0
      while sent < bytes.count {
        // SAFETY: the range is inside the lent bytes.
        let count = unsafe SSL_write(raw, bytes.baseAddress! + sent, Int32(min(bytes.count - sent, 1 << 30)))
        if count > 0 {
          sent += Int(count)
        } else if ended(count) != SSL_ERROR_WANT_WRITE || !pollForRoom() {
          throw Disconnected("client closed the connection")
        }
      }
    }
    queue.consume(queue.count)
  }

  func shutdown() { _ = unsafe SSL_shutdown(raw) }
}
