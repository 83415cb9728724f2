internal import ChangeModel

/// A number of DynamoDB's or of JSON's, read in place: a sign, the run of its significant digits, and their magnitude.
struct Decimal {
  let isNegative: Bool
  /// Significant digits, from the first that is not 0 to the last that is not; 0 of them for zero.
  let count: Int
  /// The power of ten that the first significant digit counts.
  let magnitude: Int
  /// The place of the first significant digit. Among the digits after it there may be a point.
  private let first: Int

  /// - Parameter isLimited: whether DynamoDB's limits hold: 38 digits, 1E-130 to 9.9…E+125.
  /// - Throws: when the text is no number, or beyond the limits.
  init(_ cursor: JSONCursor, _ start: Int, _ stop: Int, isLimited: Bool = true) throws(JSONFault) {
    var place = start
    let sign = start < stop ? cursor[place] : 0
    if sign == UInt8(ascii: "-") || sign == UInt8(ascii: "+") { place += 1 }
    var (digits, whole, first, firstIndex, lastIndex) = (0, -1, start, 0, -1)
    while place < stop {
      let byte = cursor[place]
      if byte.isDigit {
        if byte != UInt8(ascii: "0") {
          if lastIndex < 0 { (first, firstIndex) = (place, digits) }
          lastIndex = digits
        }
        digits += 1
      } else if byte == UInt8(ascii: "."), whole < 0 {
        whole = digits
      } else {
        break
      }
      place += 1
    }
    guard digits > 0 else { throw JSONFault("is no number", at: start) }
    var exponent = 0
    if place < stop, cursor[place] | 0x20 == UInt8(ascii: "e") {
      exponent = try Self.exponent(cursor, &place, stop)
    }
    guard place == stop else { throw JSONFault("is no number", at: start) }
    self.first = first
    count = lastIndex < 0 ? 0 : lastIndex - firstIndex + 1
    magnitude = count == 0 ? 0 : (whole < 0 ? digits : whole) - firstIndex - 1 + exponent
    isNegative = sign == UInt8(ascii: "-") && count > 0
    guard isLimited else { return }
    if count > 38 { throw JSONFault("is a number of more than 38 digits", at: start) }
    if magnitude < -130 || magnitude > 125 { throw JSONFault("is a number beyond DynamoDB's range", at: start) }
  }

  /// Beyond a million the value is no matter.
  private static func exponent(_ cursor: JSONCursor, _ place: inout Int, _ stop: Int) throws(JSONFault) -> Int {
    place += 1
    let isDown = place < stop && cursor[place] == UInt8(ascii: "-")
    if isDown || place < stop && cursor[place] == UInt8(ascii: "+") { place += 1 }
    let start = place
    var exponent = 0
    while place < stop, cursor[place].isDigit {
      exponent = min(1_000_000, exponent * 10 + Int(cursor[place] - 0x30))
      place += 1
    }
    if place == start { throw JSONFault("is no number", at: start) }
    return isDown ? -exponent : exponent
  }

  /// Appends the number without exponent, leading zeros, or zeros at the end of a fraction: one text for each value.
  func append(from cursor: JSONCursor, to out: inout TextBuffer) {
    guard count > 0 else { return out.append(byte: UInt8(ascii: "0")) }
    if isNegative { out.append(byte: UInt8(ascii: "-")) }
    if magnitude < 0 {
      out.append(byte: UInt8(ascii: "0"))
      out.append(byte: UInt8(ascii: "."))
      for _ in 1..<(-magnitude) { out.append(byte: UInt8(ascii: "0")) }
    }
    var place = first
    for index in 0..<count {
      if index == magnitude + 1, magnitude >= 0 { out.append(byte: UInt8(ascii: ".")) }
      out.append(byte: digit(from: cursor, &place))
    }
    if magnitude >= count { for _ in count...magnitude { out.append(byte: UInt8(ascii: "0")) } }
  }

  /// The digit at `place`, or after a point there; the place moves on.
  @inline(__always)
  private func digit(from cursor: JSONCursor, _ place: inout Int) -> UInt8 {
    if cursor[place] == UInt8(ascii: ".") { place += 1 }
    place += 1
    return cursor[place - 1]
  }

  var isWhole: Bool { count == 0 || magnitude >= count - 1 }

  /// The number if it is whole and of 64 bits.
  func integer(in cursor: JSONCursor) -> Int64? {
    guard count > 0 else { return 0 }
    guard isWhole, magnitude <= 18 else { return nil }
    return Int64(exactly: (isNegative ? -1 : 1) * Int128(leading(magnitude + 1, in: cursor)))
  }

  /// The number times a power of ten, without its fraction; beyond 64 bits the nearest of 64 bits.
  func scaled(by power: Int, in cursor: JSONCursor) -> Int64 {
    guard count > 0, magnitude + power >= 0 else { return 0 }
    guard magnitude + power <= 18 else { return isNegative ? .min : .max }
    let value = Int128(leading(magnitude + power + 1, in: cursor))
    return Int64(clamping: isNegative ? -value : value)
  }

  /// Whether it has digits below 10^power.
  func hasFraction(below power: Int) -> Bool { count > 0 && magnitude - count + 1 < power }

  /// Appends the digits below 10^power, zeros in front of them included, down to the last that is not 0.
  func appendFraction(below power: Int, from cursor: JSONCursor, to out: inout TextBuffer) {
    var place = first
    for index in 0..<count {
      let exponent = magnitude - index
      let byte = digit(from: cursor, &place)
      if exponent >= power { continue }
      if index == 0 || exponent == power - 1 {
        for _ in 0..<(power - 1 - exponent) { out.append(byte: UInt8(ascii: "0")) }
      }
      out.append(byte: byte)
    }
  }

  /// The first digits, zeros behind the last one included, as one number; at most 19.
  private func leading(_ digits: Int, in cursor: JSONCursor) -> UInt64 {
    var value: UInt64 = 0
    var place = first
    for index in 0..<digits {
      value *= 10
      if index < count { value += UInt64(digit(from: cursor, &place) - 0x30) }
    }
    return value
  }
}
