import COpenSSL

/// Writes past libpq, on its TLS connection.
enum RawTLS {
  static func write(_ tls: OpaquePointer?, _ bytes: [UInt8]) -> Bool {
    SSL_write(tls, bytes, Int32(bytes.count)) == Int32(bytes.count)
  }
}
