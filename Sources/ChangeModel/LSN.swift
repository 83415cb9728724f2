/// A PostgreSQL log sequence number: a byte position in the write-ahead log.
package struct LSN: Hashable, Comparable, Sendable, CustomStringConvertible {
  package var rawValue: UInt64

  package init(_ rawValue: UInt64) { self.rawValue = rawValue }

  /// Reads PostgreSQL's text form, two hexadecimal halves such as `16/B374D848`. `nil` when it is not one.
  package init?(text: some StringProtocol) {
    let halves = text.split(separator: "/", omittingEmptySubsequences: false)
    guard halves.count == 2, (1...8).contains(halves[0].utf8.count), (1...8).contains(halves[1].utf8.count),
      let high = UInt32(halves[0], radix: 16), let low = UInt32(halves[1], radix: 16)
    else { return nil }
    rawValue = UInt64(high) << 32 | UInt64(low)
  }

  package static let zero = LSN(0)

  package static func < (a: LSN, b: LSN) -> Bool { a.rawValue < b.rawValue }

  package var description: String {
    String(rawValue >> 32, radix: 16, uppercase: true) + "/"
      + String(rawValue & 0xFFFF_FFFF, radix: 16, uppercase: true)
  }
}

/// Where a change stands in the stream: its transaction's commit LSN, then its number in that transaction from 1.
///
/// pgoutput sends transactions in commit order and each whole, so positions only grow. A position with
/// ordinal `UInt64.max` means the whole transaction.
package struct StreamPosition: Hashable, Comparable, Sendable, CustomStringConvertible {
  package var commitLSN: LSN
  package var ordinal: UInt64

  package init(commitLSN: LSN, ordinal: UInt64) {
    self.commitLSN = commitLSN
    self.ordinal = ordinal
  }

  package static let zero = StreamPosition(commitLSN: .zero, ordinal: 0)

  package static func < (a: StreamPosition, b: StreamPosition) -> Bool {
    a.commitLSN == b.commitLSN ? a.ordinal < b.ordinal : a.commitLSN < b.commitLSN
  }

  package var description: String { "\(commitLSN)#\(ordinal)" }

  /// Reads `description`'s form, such as `16/B374D848#12`.
  package init?(text: some StringProtocol) {
    let parts = text.split(separator: "#", omittingEmptySubsequences: false)
    guard parts.count == 2, let lsn = LSN(text: parts[0]), let ordinal = UInt64(parts[1]) else { return nil }
    self.init(commitLSN: lsn, ordinal: ordinal)
  }
}
