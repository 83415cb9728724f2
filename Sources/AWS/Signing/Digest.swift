import COpenSSL

/// SHA-256, HMAC-SHA256, and the SHA-1 that names cache files, by OpenSSL.
enum Digest {
  /// The 32 bytes of a message's SHA-256.
  static func sha256(_ message: [UInt8]) -> [UInt8] {
    var digest = [UInt8](repeating: 0, count: 32)
    // SAFETY: OpenSSL reads `message.count` bytes and writes exactly 32.
    unsafe message.withUnsafeBufferPointer { input in
      unsafe digest.withUnsafeMutableBufferPointer { output in
        _ = unsafe SHA256(input.baseAddress, input.count, output.baseAddress)
      }
    }
    return digest
  }

  /// The 20 bytes of a message's SHA-1.
  static func sha1(_ message: [UInt8]) -> [UInt8] {
    var digest = [UInt8](repeating: 0, count: 20)
    // SAFETY: OpenSSL reads `message.count` bytes and writes exactly 20.
    unsafe message.withUnsafeBufferPointer { input in
      unsafe digest.withUnsafeMutableBufferPointer { output in
        _ = unsafe SHA1(input.baseAddress, input.count, output.baseAddress)
      }
    }
    return digest
  }

  /// The 32 bytes of HMAC-SHA256.
  static func hmac(key: [UInt8], _ message: [UInt8]) -> [UInt8] {
    var digest = [UInt8](repeating: 0, count: 32)
    // SAFETY: OpenSSL reads the two counted buffers and writes exactly 32 bytes.
    unsafe key.withUnsafeBufferPointer { key in
      unsafe message.withUnsafeBufferPointer { input in
        unsafe digest.withUnsafeMutableBufferPointer { output in
          _ = unsafe HMAC(
            EVP_sha256(), key.baseAddress, Int32(key.count), input.baseAddress, input.count, output.baseAddress, nil)
        }
      }
    }
    return digest
  }

  /// Lower-case hexadecimal digits.
  static func hexadecimal(_ bytes: [UInt8]) -> String {
    let digits = Array("0123456789abcdef".utf8)
    var text: [UInt8] = []
    text.reserveCapacity(bytes.count * 2)
    for byte in bytes {
      text.append(digits[Int(byte >> 4)])
      text.append(digits[Int(byte & 15)])
    }
    return String(decoding: text, as: UTF8.self)
  }
}
