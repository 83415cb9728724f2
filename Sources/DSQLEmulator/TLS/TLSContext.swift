import COpenSSL

/// Sole owner of the server's certificate, key and TLS settings.
///
/// Sendable: an `SSL_CTX` is only read after `init`, and OpenSSL counts its references with atomics.
@safe
final class TLSContext: @unchecked Sendable {
  fileprivate let raw: OpaquePointer

  /// - Throws: a description naming the file, when certificate or key cannot be used.
  init(certificateFile: String, keyFile: String) throws(SetupProblem) {
    guard let context = unsafe SSL_CTX_new(TLS_server_method()) else { throw SetupProblem("TLS cannot be set up") }
    unsafe raw = context
    guard unsafe SSL_CTX_use_certificate_chain_file(context, certificateFile) == 1 else {
      throw SetupProblem("certificate \(certificateFile) cannot be read: \(Self.lastError())")
    }
    guard unsafe SSL_CTX_use_PrivateKey_file(context, keyFile, SSL_FILETYPE_PEM) == 1 else {
      throw SetupProblem("key \(keyFile) cannot be read: \(Self.lastError())")
    }
    guard unsafe SSL_CTX_check_private_key(context) == 1 else {
      throw SetupProblem("key \(keyFile) does not belong to certificate \(certificateFile)")
    }
    unsafe SSL_CTX_set_options(context, SSL_OP_CIPHER_SERVER_PREFERENCE_BIT)
    _ = unsafe SSL_CTX_set_ciphersuites(context, "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384")
    unsafe SSL_CTX_set_read_ahead_on(context)
    // Several records with one call.
    unsafe SSL_CTX_set_default_read_buffer_len(context, 128 * 1024)
    unsafe SSL_CTX_set_alpn_select_cb(context, selectPostgreSQL, nil)
  }
  deinit { unsafe SSL_CTX_free(raw) }

  /// The latest reason OpenSSL gave on this thread.
  static func lastError() -> String {
    let code = ERR_get_error()
    guard code != 0, let reason = unsafe ERR_reason_error_string(code) else { return "unknown reason" }
    return unsafe String(cString: reason)
  }

  func makeSession() -> OpaquePointer? { unsafe SSL_new(raw) }
}

/// Values of OpenSSL macros that take a shift, which Swift does not import.
private let SSL_OP_CIPHER_SERVER_PREFERENCE_BIT: UInt64 = 1 << 22

/// `SSL_CTX_set_read_ahead` is a macro over `SSL_CTX_ctrl`.
private func SSL_CTX_set_read_ahead_on(_ context: OpaquePointer) {
  _ = unsafe SSL_CTX_ctrl(context, SSL_CTRL_SET_READ_AHEAD, 1, nil)
}

/// ALPN: a client with direct TLS must ask for `postgresql`.
private func selectPostgreSQL(
  _: OpaquePointer?, _ chosen: UnsafeMutablePointer<UnsafePointer<UInt8>?>?,
  _ chosenLength: UnsafeMutablePointer<UInt8>?, _ offered: UnsafePointer<UInt8>?, _ offeredLength: UInt32,
  _: UnsafeMutableRawPointer?
) -> Int32 {
  var at = 0
  let wanted = Array("postgresql".utf8)
  while let offered = unsafe offered, at < Int(offeredLength) {
    let length = unsafe Int(offered[at])
    guard at + 1 + length <= Int(offeredLength) else { break }
    // SAFETY: inside the offered list, which OpenSSL keeps during the handshake.
    let name = unsafe UnsafeBufferPointer(start: offered + at + 1, count: length)
    if unsafe name.elementsEqual(wanted) {
      unsafe chosen?.pointee = offered + at + 1
      unsafe chosenLength?.pointee = UInt8(length)
      return SSL_TLSEXT_ERR_OK
    }
    at += 1 + length
  }
  return SSL_TLSEXT_ERR_ALERT_FATAL
}

/// Why the emulator cannot start, in words for its operator.
package struct SetupProblem: Error, CustomStringConvertible {
  package let description: String

  package init(_ description: String) { self.description = description }
}
