extension UnixTime {
  /// Reads `2026-09-15T12:00:00Z`, also with a fraction, which is dropped, or `+00:00` or `UTC` in place of the Z, as AWS's
  /// services and its tools' cache files write it; `nil` for anything else.
  init?(iso8601 text: String) {
    var digits = text
    for zone in ["+00:00", "UTC"] where digits.hasSuffix(zone) { digits = digits.dropLast(zone.count) + "Z" }
    if let point = digits.firstIndex(of: ".") {
      let fraction = digits[digits.index(after: point)...].dropLast()
      guard !fraction.isEmpty, fraction.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
      digits = digits[..<point] + "Z"
    }
    let bytes = Array(digits.utf8)
    guard bytes.count == 20, bytes[4] == UInt8(ascii: "-"), bytes[7] == UInt8(ascii: "-"),
      bytes[13] == UInt8(ascii: ":"), bytes[16] == UInt8(ascii: ":")
    else { return nil }
    self.init(basicFormat: digits.filter { $0 != "-" && $0 != ":" })
  }

  /// `2026-09-15T12:00:00Z`.
  package var iso8601: String {
    let basic = Array(basicFormat)
    func part(_ range: Range<Int>) -> String { String(basic[range]) }
    return "\(part(0..<4))-\(part(4..<6))-\(part(6..<8))T\(part(9..<11)):\(part(11..<13)):\(part(13..<15))Z"
  }
}
