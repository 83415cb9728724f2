/// Where a record stands in its shard, or a shard in its stream: DynamoDB's number of up to 40 decimal digits.
///
/// Two are equal when their numbers are; the text keeps its leading zeros.
package struct SequenceNumber: Hashable, Comparable, Sendable, CustomStringConvertible {
  /// The digits above the lowest 38.
  private let high: UInt8
  /// The lowest 38 digits.
  private let low: UInt128
  /// How many digits the text has.
  private let digits: UInt8

  /// Reads a decimal number; `nil` unless it is 1 to 40 digits.
  package init?(_ text: some Collection<UInt8>) {
    guard (1...40).contains(text.count) else { return nil }
    var high: UInt8 = 0
    var low: UInt128 = 0
    // At most 38 digits fit without overflow.
    for (index, byte) in text.enumerated() {
      guard (0x30...0x39).contains(byte) else { return nil }
      let digit = byte - 0x30
      if text.count - index > 38 { high = high * 10 + digit } else { low = low * 10 + UInt128(digit) }
    }
    self.high = high
    self.low = low
    digits = UInt8(text.count)
  }

  package init?(_ text: String) { self.init(Array(text.utf8)) }

  /// The number, unless it is of 128 bits no more: of 38 digits each one is, and DynamoDB gives fewer than 30.
  package var rawValue: UInt128? {
    let (product, overflows) = UInt128(high).multipliedReportingOverflow(
      by: 100_000_000_000_000_000_000_000_000_000_000_000_000)
    let (sum, overflowsToo) = product.addingReportingOverflow(low)
    return overflows || overflowsToo ? nil : sum
  }

  package var description: String {
    let text = high == 0 ? "\(low)" : "\(high)" + Self.padded("\(low)", to: 38)
    return Self.padded(text, to: Int(digits))
  }

  private static func padded(_ text: String, to count: Int) -> String {
    String(repeating: "0", count: max(0, count - text.utf8.count)) + text
  }

  package static func < (a: Self, b: Self) -> Bool { (a.high, a.low) < (b.high, b.low) }

  package static func == (a: Self, b: Self) -> Bool { a.high == b.high && a.low == b.low }

  package func hash(into hasher: inout Hasher) {
    hasher.combine(high)
    hasher.combine(low)
  }
}
