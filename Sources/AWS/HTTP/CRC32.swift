/// The checksum of `x-amz-crc32`: CRC-32 as in gzip and Ethernet, eight bytes at a time.
enum CRC32 {
  /// `tables[256 * n + byte]`: what a byte does to the checksum n bytes later.
  private static let tables: [UInt32] = {
    var tables = [UInt32](repeating: 0, count: 8 * 256)
    for byte in 0..<256 {
      var value = UInt32(byte)
      for _ in 0..<8 { value = value & 1 == 1 ? value >> 1 ^ 0xEDB8_8320 : value >> 1 }
      tables[byte] = value
    }
    for index in 256..<tables.count {
      let before = tables[index - 256]
      tables[index] = before >> 8 ^ tables[Int(before & 0xFF)]
    }
    return tables
  }()

  static func checksum(_ bytes: [UInt8]) -> UInt32 {
    let tables = tables
    return unsafe bytes.withUnsafeBytes { bytes in
      var checksum: UInt32 = 0xFFFF_FFFF
      var index = 0
      while index + 8 <= bytes.count {
        // SAFETY: eight bytes are left.
        let word =
          unsafe UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: index, as: UInt64.self))
          ^ UInt64(checksum)
        checksum = 0
        for place in 0..<8 {
          checksum ^= tables[256 * (7 - place) + Int(truncatingIfNeeded: word >> (8 * place) & 0xFF)]
        }
        index += 8
      }
      while index < bytes.count {
        checksum = checksum >> 8 ^ tables[Int((checksum ^ UInt32(unsafe bytes[index])) & 0xFF)]
        index += 1
      }
      return ~checksum
    }
  }
}
