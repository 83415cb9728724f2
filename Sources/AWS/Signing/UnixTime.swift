import Glibc

/// A moment as whole seconds since 1970-01-01T00:00:00Z, leap seconds left out. AWS's signatures have no finer grain.
package struct UnixTime: Hashable, Comparable, Sendable {
  package var seconds: Int64

  package init(seconds: Int64) { self.seconds = seconds }

  /// The system's clock.
  package static var now: UnixTime { UnixTime(seconds: Int64(time(nil))) }

  package static func < (left: UnixTime, right: UnixTime) -> Bool { left.seconds < right.seconds }
  package static func + (time: UnixTime, seconds: Int64) -> UnixTime { UnixTime(seconds: time.seconds + seconds) }
  static func - (time: UnixTime, seconds: Int64) -> UnixTime { UnixTime(seconds: time.seconds - seconds) }
  /// The seconds between two moments; negative when the first is the earlier one.
  package static func - (a: UnixTime, b: UnixTime) -> Int64 { a.seconds - b.seconds }

  /// `20260915T120000Z`, as `X-Amz-Date` wants it. Years 0 to 9999.
  package var basicFormat: String {
    let secondOfDay = seconds - 86400 * day
    return basicDate + "T" + padded(secondOfDay / 3600, 2) + padded(secondOfDay / 60 % 60, 2)
      + padded(secondOfDay % 60, 2) + "Z"
  }

  /// `20260915`, the date of a credential scope.
  package var basicDate: String {
    let (year, month, dayOfMonth) = civil
    return padded(year, 4) + padded(month, 2) + padded(dayOfMonth, 2)
  }

  /// Reads `20260915T120000Z`; `nil` for anything else, impossible dates included.
  package init?(basicFormat text: String) {
    let bytes = Array(text.utf8)
    guard bytes.count == 16, bytes[8] == UInt8(ascii: "T"), bytes[15] == UInt8(ascii: "Z") else { return nil }
    func number(_ range: Range<Int>) -> Int64? {
      var value: Int64 = 0
      for byte in bytes[range] {
        guard byte >= UInt8(ascii: "0"), byte <= UInt8(ascii: "9") else { return nil }
        value = value * 10 + Int64(byte - UInt8(ascii: "0"))
      }
      return value
    }
    guard let year = number(0..<4), let month = number(4..<6), let dayOfMonth = number(6..<8),
      let hour = number(9..<11), let minute = number(11..<13), let second = number(13..<15),
      hour < 24, minute < 60, second < 60
    else { return nil }
    seconds = Self.days(year, month, dayOfMonth) * 86400 + hour * 3600 + minute * 60 + second
    guard civil == (year, month, dayOfMonth) else { return nil }
  }

  /// Days since the epoch, rounded towards the past.
  private var day: Int64 { seconds >= 0 ? seconds / 86400 : -((86399 - seconds) / 86400) }

  /// Year, month and day of the proleptic Gregorian calendar: 400-year eras that begin on 1 March.
  private var civil: (Int64, Int64, Int64) {
    let shifted = day + 719_468
    let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
    let dayOfEra = shifted - era * 146_097
    let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36524 - dayOfEra / 146_096) / 365
    let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let monthFromMarch = (5 * dayOfYear + 2) / 153
    let month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9
    return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, dayOfYear - (153 * monthFromMarch + 2) / 5 + 1)
  }

  private static func days(_ year: Int64, _ month: Int64, _ dayOfMonth: Int64) -> Int64 {
    let year = month <= 2 ? year - 1 : year
    let era = (year >= 0 ? year : year - 399) / 400
    let yearOfEra = year - era * 400
    let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + dayOfMonth - 1
    return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
  }
}

private func padded(_ value: Int64, _ width: Int) -> String {
  let digits = String(value)
  return String(repeating: "0", count: max(0, width - digits.utf8.count)) + digits
}
