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

  /// Whether bytes have been read from the socket that `read` has not handed out yet.
  var hasPending: Bool { unsafe SSL_has_pending(raw) == 1 }

  /// Appends what there is, waiting for at least one byte.
  func read(into queue: ByteQueue) throws(Disconnected) {
    _ = try unsafe queue.fill(room: 32 * 1024) { (room) throws(Disconnected) in
      let count = unsafe SSL_read(raw, room.baseAddress, Int32(min(room.count, 1 << 30)))
      if count > 0 { return Int(count) }
      ERR_clear_error()
      throw Disconnected("client closed the connection")
    }
  }

  /// Sends everything that is queued.
  func write(_ queue: ByteQueue) throws(Disconnected) {
    if queue.isEmpty { return }
    try unsafe queue.withBytes(0..<queue.count) { (bytes) throws(Disconnected) in
      var sent = 0
      while sent < bytes.count {
        // SAFETY: the range is inside the lent bytes.
        let count = unsafe SSL_write(raw, bytes.baseAddress! + sent, Int32(min(bytes.count - sent, 1 << 30)))
        guard count > 0 else {
          ERR_clear_error()
          throw Disconnected("client closed the connection")
        }
        sent += Int(count)
      }
    }
    queue.consume(queue.count)
  }

  func shutdown() { _ = unsafe SSL_shutdown(raw) }
}
