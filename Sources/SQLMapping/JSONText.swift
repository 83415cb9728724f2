/// Appends a JSON string as `jsonb` prints it: UTF-8 as it is, escapes only for quotes, backslashes and controls.
package func appendJSONString(_ bytes: [UInt8], to output: inout [UInt8]) {
  output.append(UInt8(ascii: "\""))
  for byte in bytes {
    switch byte {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"):
      output.append(UInt8(ascii: "\\"))
      output.append(byte)
    case 0x08: output.append(contentsOf: #"\b"#.utf8)
    case 0x0C: output.append(contentsOf: #"\f"#.utf8)
    case 0x0A: output.append(contentsOf: #"\n"#.utf8)
    case 0x0D: output.append(contentsOf: #"\r"#.utf8)
    case 0x09: output.append(contentsOf: #"\t"#.utf8)
    case 0..<0x20:
      output.append(contentsOf: #"\u00"#.utf8)
      output.append(hexDigit(byte >> 4))
      output.append(hexDigit(byte & 15))
    default: output.append(byte)
    }
  }
  output.append(UInt8(ascii: "\""))
}

func hexDigit(_ value: UInt8) -> UInt8 {
  value < 10 ? UInt8(ascii: "0") + value : UInt8(ascii: "a") + value - 10
}

/// The largest exponent of a `float8`'s text, and more than enough for one digit string to expand by.
private let exponentMax = 400

/// Appends a number as `jsonb` prints it, which is as a `numeric`: no exponent, no negative zero, trailing zeros kept.
///
/// - Parameter offset: where the number stands in the value, for the error.
func appendJSONNumber(_ bytes: [UInt8], to output: inout [UInt8], offset: Int) throws(ConversionError) {
  var at = 0
  func peek() -> UInt8? { at < bytes.count ? bytes[at] : nil }
  let isNegative = peek() == UInt8(ascii: "-")
  if isNegative { at += 1 }
  let wholeStart = at
  while let byte = peek(), byte.isDigit { at += 1 }
  let whole = bytes[wholeStart..<at]
  var fraction: ArraySlice<UInt8> = []
  if peek() == UInt8(ascii: ".") {
    at += 1
    let start = at
    while let byte = peek(), byte.isDigit { at += 1 }
    fraction = bytes[start..<at]
    guard !fraction.isEmpty else { throw ConversionError("a number without its decimals", offset: offset) }
  }
  guard !whole.isEmpty else { throw ConversionError("a number without digits", offset: offset) }
  var exponent = 0
  if peek() == UInt8(ascii: "e") {
    at += 1
    let isDown = peek() == UInt8(ascii: "-")
    if isDown || peek() == UInt8(ascii: "+") { at += 1 }
    let start = at
    while let byte = peek(), byte.isDigit, exponent <= exponentMax {
      exponent = exponent * 10 + Int(byte - UInt8(ascii: "0"))
      at += 1
    }
    guard at > start, exponent <= exponentMax else {
      throw ConversionError("a number with a bad exponent", offset: offset)
    }
    if isDown { exponent = -exponent }
  }
  guard at == bytes.count else { throw ConversionError("an element that is not a number", offset: offset) }
  appendDecimal(whole: whole, fraction: fraction, exponent: exponent, isNegative: isNegative, to: &output)
}

/// Writes digits with the point moved by `exponent`.
private func appendDecimal(
  whole: ArraySlice<UInt8>, fraction: ArraySlice<UInt8>, exponent: Int, isNegative: Bool, to output: inout [UInt8]
) {
  let zero = UInt8(ascii: "0")
  let digits = Array(whole + fraction)
  // How many of `digits` stand before the point; may be negative or beyond their end.
  let point = whole.count + exponent
  if isNegative, digits.contains(where: { $0 != zero }) { output.append(UInt8(ascii: "-")) }
  let integer = digits.prefix(max(0, point)).drop { $0 == zero }
  let padding = max(0, point - digits.count)
  output.append(contentsOf: integer)
  if !integer.isEmpty { output.append(contentsOf: repeatElement(zero, count: padding)) }
  if integer.isEmpty { output.append(zero) }
  let scale = max(0, fraction.count - exponent)
  guard scale > 0 else { return }
  output.append(UInt8(ascii: "."))
  let decimals = digits.dropFirst(max(0, point))
  output.append(contentsOf: repeatElement(zero, count: scale - decimals.count))
  output.append(contentsOf: decimals)
}
