extension BuiltinType {
  /// Appends a value's text, as the type's output function prints it under `sourceSessionSettings`, from its binary form.
  ///
  /// Floating-point numbers are printed as short as they can be read back, if not in the server's own way.
  /// - Returns: false, with nothing appended, when the bytes are no value of the type.
  package func appendText(of value: [UInt8], to out: inout [UInt8]) -> Bool {
    guard let text = text(of: value) else { return false }
    out += text
    return true
  }

  private func text(of value: [UInt8]) -> [UInt8]? {
    switch name {
    case "text", "varchar", "bpchar", "json": return value
    case "jsonb": return value.first == 1 ? Array(value.dropFirst()) : nil
    case "bytea": return Array("\\x".utf8) + value.flatMap { [hexDigit($0 >> 4), hexDigit($0 & 15)] }
    case "bool": return value.count == 1 ? [value[0] == 0 ? UInt8(ascii: "f") : UInt8(ascii: "t")] : nil
    case "uuid": return uuidText(value)
    case "numeric": return numericText(value)
    default: break
    }
    var reader = BigEndianReader(value)
    let text: String? =
      switch name {
      case "int2": reader.next(Int16.self).map { "\($0)" }
      case "int4": reader.next(Int32.self).map { "\($0)" }
      case "int8": reader.next(Int64.self).map { "\($0)" }
      case "float4": reader.next(UInt32.self).map { floatText(Float(bitPattern: $0)) }
      case "float8": reader.next(UInt64.self).map { floatText(Double(bitPattern: $0)) }
      case "date": reader.next(Int32.self).map(dateText)
      case "time": reader.next(Int64.self).map(timeText)
      case "timetz":
        reader.next(Int64.self).flatMap { time in reader.next(Int32.self).map { timeText(time) + zoneText($0) } }
      case "timestamp": reader.next(Int64.self).map { timestampText($0, zone: "") }
      case "timestamptz": reader.next(Int64.self).map { timestampText($0, zone: "+00") }
      case "interval":
        reader.next(Int64.self).flatMap { time in
          reader.next(Int32.self).flatMap { days in reader.next(Int32.self).map { intervalText($0, days, time) } }
        }
      default: nil
      }
    return reader.isAtEnd ? text.map { Array($0.utf8) } : nil
  }
}

/// Takes integers off the front of some bytes.
private struct BigEndianReader {
  private let bytes: [UInt8]
  private var offset = 0

  init(_ bytes: [UInt8]) { self.bytes = bytes }

  var isAtEnd: Bool { offset == bytes.count }

  mutating func next<Value: FixedWidthInteger>(_ type: Value.Type) -> Value? {
    let end = offset + Value.bitWidth / 8
    guard end <= bytes.count else { return nil }
    defer { offset = end }
    return bytes[offset..<end].reduce(0) { $0 << 8 | Value(truncatingIfNeeded: $1) }
  }
}

private func uuidText(_ value: [UInt8]) -> [UInt8]? {
  guard value.count == 16 else { return nil }
  var text: [UInt8] = []
  for (index, byte) in value.enumerated() {
    if [4, 6, 8, 10].contains(index) { text.append(UInt8(ascii: "-")) }
    text += [hexDigit(byte >> 4), hexDigit(byte & 15)]
  }
  return text
}

private func floatText<Value: BinaryFloatingPoint & LosslessStringConvertible>(_ value: Value) -> String {
  if value.isNaN { return "NaN" }
  if value.isInfinite { return value < 0 ? "-Infinity" : "Infinity" }
  let text = "\(value)"
  return text.hasSuffix(".0") ? String(text.dropLast(2)) : text
}

/// Sign, digits of base 10,000 from the weight downwards, and how many decimals are shown.
private func numericText(_ value: [UInt8]) -> [UInt8]? {
  var reader = BigEndianReader(value)
  guard let count = reader.next(Int16.self), let weight = reader.next(Int16.self), let sign = reader.next(UInt16.self),
    let scale = reader.next(Int16.self), count >= 0, scale >= 0
  else { return nil }
  var digits: [Int] = []
  for _ in 0..<count {
    guard let digit = reader.next(Int16.self), (0..<10_000).contains(digit) else { return nil }
    digits.append(Int(digit))
  }
  guard reader.isAtEnd else { return nil }
  switch sign {
  case 0xC000: return Array("NaN".utf8)
  case 0xD000: return Array("Infinity".utf8)
  case 0xF000: return Array("-Infinity".utf8)
  case 0, 0x4000: break
  default: return nil
  }
  /// Four decimal digits at a power of 10,000.
  func group(_ power: Int) -> String {
    let index = Int(weight) - power
    return padded(digits.indices.contains(index) ? digits[index] : 0, 4)
  }
  var text = sign == 0x4000 ? "-" : ""
  let whole = weight < 0 ? "" : (0...Int(weight)).reversed().map(group).joined()
  let trimmed = whole.drop { $0 == "0" }
  text += trimmed.isEmpty ? "0" : trimmed
  if scale > 0 {
    let groups = (Int(scale) + 3) / 4
    text += "." + (1...groups).map { group(-$0) }.joined().prefix(Int(scale))
  }
  return Array(text.utf8)
}

private let secondMicroseconds: Int64 = 1_000_000
private let dayMicroseconds: Int64 = 86_400 * secondMicroseconds

private func padded(_ number: some BinaryInteger, _ width: Int) -> String {
  let digits = "\(number)"
  return String(repeating: "0", count: max(0, width - digits.count)) + digits
}

/// The day so many days after 2000-01-01, without its era.
private func civilText(_ days: Int64) -> (text: String, isBeforeChrist: Bool) {
  // From 0000-03-01, so that leap days end a year (the proleptic Gregorian calendar).
  let shifted = days + 730_425
  let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
  let dayOfEra = shifted - era * 146_097
  let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
  let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
  let shiftedMonth = (5 * dayOfYear + 2) / 153
  let day = dayOfYear - (153 * shiftedMonth + 2) / 5 + 1
  let month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
  let year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
  return ("\(padded(year > 0 ? year : 1 - year, 4))-\(padded(month, 2))-\(padded(day, 2))", year <= 0)
}

private func dateText(_ days: Int32) -> String {
  if days == .max { return "infinity" }
  if days == .min { return "-infinity" }
  let (text, isBeforeChrist) = civilText(Int64(days))
  return text + (isBeforeChrist ? " BC" : "")
}

/// `04:05:06.7`; hours may be more than 24.
private func timeText(_ microseconds: Int64) -> String {
  let seconds = microseconds / secondMicroseconds
  var text = "\(padded(seconds / 3600, 2)):\(padded(seconds / 60 % 60, 2)):\(padded(seconds % 60, 2))"
  let fraction = microseconds % secondMicroseconds
  if fraction > 0 {
    text += "." + padded(fraction, 6)
    while text.hasSuffix("0") { text.removeLast() }
  }
  return text
}

/// - Parameter west: seconds west of Greenwich.
private func zoneText(_ west: Int32) -> String {
  let seconds = abs(west)
  var text = (west > 0 ? "-" : "+") + padded(seconds / 3600, 2)
  if seconds % 3600 != 0 { text += ":" + padded(seconds / 60 % 60, 2) }
  if seconds % 60 != 0 { text += ":" + padded(seconds % 60, 2) }
  return text
}

private func timestampText(_ microseconds: Int64, zone: String) -> String {
  if microseconds == .max { return "infinity" }
  if microseconds == .min { return "-infinity" }
  var days = microseconds / dayMicroseconds
  var time = microseconds % dayMicroseconds
  if time < 0 { (days, time) = (days - 1, time + dayMicroseconds) }
  let (text, isBeforeChrist) = civilText(days)
  return "\(text) \(timeText(time))\(zone)" + (isBeforeChrist ? " BC" : "")
}

/// In the style `postgres`: `-1 years +2 mons 3 days -04:05:06`.
private func intervalText(_ months: Int32, _ days: Int32, _ time: Int64) -> String {
  var parts: [String] = []
  var isBefore = false
  for (value, unit) in [(months / 12, "year"), (months % 12, "mon"), (days, "day")] where value != 0 {
    parts.append("\(isBefore && value > 0 ? "+" : "")\(value) \(unit)\(value == 1 ? "" : "s")")
    isBefore = value < 0
  }
  if parts.isEmpty || time != 0 {
    let magnitude = timeText(Int64(clamping: time.magnitude))
    parts.append((time < 0 ? "-" : isBefore ? "+" : "") + magnitude)
  }
  return parts.joined(separator: " ")
}
