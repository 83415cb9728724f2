import COpenSSL
import Glibc

/// Writes and reads past libpq, on its TLS connection.
enum RawTLS {
  static func write(_ tls: OpaquePointer?, _ bytes: [UInt8]) -> Bool {
    SSL_write(tls, bytes, Int32(bytes.count)) == Int32(bytes.count)
  }

  /// So many bytes; fewer if there are no more to come.
  static func read(_ tls: OpaquePointer?, _ count: Int) -> [UInt8] {
    var bytes: [UInt8] = []
    while bytes.count < count {
      var part = [UInt8](repeating: 0, count: count - bytes.count)
      let size = SSL_read(tls, &part, Int32(part.count))
      if size > 0 {
        bytes += part.prefix(Int(size))
        continue
      }
      guard SSL_get_error(tls, size) == SSL_ERROR_WANT_READ else { break }
      var polled = pollfd(fd: SSL_get_fd(tls), events: Int16(POLLIN), revents: 0)
      _ = poll(&polled, 1, -1)
    }
    return bytes
  }
}
