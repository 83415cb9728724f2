internal import ChangeModel

/// Appends the time that a number of seconds or milliseconds since 1970 means, in UTC, as PostgreSQL prints it.
///
/// - Parameter power: 0 for seconds, 3 for milliseconds. Digits below a microsecond stay, for the target to round.
/// - Throws: unless the year is 1 to 294276, which a timestamp can hold.
func appendTime(
  _ number: Decimal, per power: Int, from cursor: JSONCursor, at offset: Int, to out: inout TextBuffer
) throws(JSONFault) {
  var seconds = number.scaled(by: -power, in: cursor)
  var fraction: [UInt8] = []
  if number.hasFraction(below: power) {
    var text = TextBuffer()
    number.appendFraction(below: power, from: cursor, to: &text)
    fraction = unsafe Array(text.bytes)
    if number.isNegative {
      fraction = complement(fraction)
      seconds = seconds.subtractingReportingOverflow(1).partialValue
    }
  }
  guard (-62_135_596_800..<9_224_318_016_000).contains(seconds) else {
    throw JSONFault("is a time beyond PostgreSQL's range", at: offset)
  }
  let day = Int(seconds) / 86400 - (Int(seconds) % 86400 < 0 ? 1 : 0)
  let second = Int(seconds) - day * 86400
  let date = civilDate(day)
  appendPadded(date.year, 4, to: &out)
  out.append(byte: UInt8(ascii: "-"))
  appendPadded(date.month, 2, to: &out)
  out.append(byte: UInt8(ascii: "-"))
  appendPadded(date.day, 2, to: &out)
  out.append(byte: UInt8(ascii: " "))
  appendPadded(second / 3600, 2, to: &out)
  out.append(byte: UInt8(ascii: ":"))
  appendPadded(second / 60 % 60, 2, to: &out)
  out.append(byte: UInt8(ascii: ":"))
  appendPadded(second % 60, 2, to: &out)
  if !fraction.isEmpty {
    out.append(byte: UInt8(ascii: "."))
    out.append(fraction)
  }
  // A column without time zone drops it.
  out.append("+00")
}

/// 1 minus a fraction, both as digits after the point.
private func complement(_ digits: [UInt8]) -> [UInt8] {
  var digits = digits.map { 0x39 - $0 + 0x30 }
  var place = digits.count - 1
  while place >= 0, digits[place] == 0x39 {
    digits[place] = 0x30
    place -= 1
  }
  if place >= 0 { digits[place] += 1 }
  return digits
}

/// The date of a day since 1970-01-01, in the proleptic Gregorian calendar.
private func civilDate(_ day: Int) -> (year: Int, month: Int, day: Int) {
  // Counted from 0000-03-01, so that a leap day ends its year; 146,097 days are 400 years.
  let shifted = day + 719_468
  let era = shifted / 146_097 - (shifted % 146_097 < 0 ? 1 : 0)
  let dayOfEra = shifted - era * 146_097
  let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
  let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
  let month = (5 * dayOfYear + 2) / 153
  let isNextYear = month >= 10
  return (
    yearOfEra + era * 400 + (isNextYear ? 1 : 0), isNextYear ? month - 9 : month + 3,
    dayOfYear - (153 * month + 2) / 5 + 1
  )
}

private func appendPadded(_ value: Int, _ width: Int, to out: inout TextBuffer) {
  var digits: [UInt8] = []
  var rest = value
  repeat {
    digits.append(UInt8(0x30 + rest % 10))
    rest /= 10
  } while rest > 0
  while digits.count < width { digits.append(0x30) }
  out.append(Array(digits.reversed()))
}
