/// A value that is not what its type prints. Holds no part of the value.
package struct ConversionError: Error, Hashable, Sendable, CustomStringConvertible {
  /// One line, a fact.
  package var message: String
  /// Where in the value, in bytes.
  package var offset: Int

  package init(_ message: String, offset: Int) {
    self.message = message
    self.offset = offset
  }

  package var description: String { "\(message) at byte \(offset) of the value" }
}

extension ValueConversion {
  /// Appends the target's text form of one value that is not NULL.
  ///
  /// - Parameter text: the source's text form, under `sourceSessionSettings`.
  /// - Throws: when the text is malformed; `output` may then hold a part.
  package func apply(_ text: RawSpan, into output: inout [UInt8]) throws(ConversionError) {
    switch self {
    case .none:
      output.reserveCapacity(output.count + text.byteCount)
      for index in 0..<text.byteCount { output.append(text.byte(index)) }
    case .arrayToJSON(let element, let delimiter):
      var literal = ArrayLiteral(element: element, delimiter: delimiter)
      try literal.appendJSON(of: text, to: &output)
    case .moneyToNumeric:
      try appendNumber(ofMoney: text, to: &output)
    }
  }
}

extension RawSpan {
  /// One byte, bounds checked.
  @inline(__always)
  func byte(_ index: Int) -> UInt8 {
    // SAFETY: any byte is a valid UInt8; the load checks the bounds.
    unsafe unsafeLoad(fromByteOffset: index, as: UInt8.self)
  }
}

extension UInt8 {
  var isDigit: Bool { self >= UInt8(ascii: "0") && self <= UInt8(ascii: "9") }
}

/// `-$1,234.56` or `($1,234.56)` as `-1234.56`. Signs of currency and grouping are dropped wherever they stand.
private func appendNumber(ofMoney text: RawSpan, to output: inout [UInt8]) throws(ConversionError) {
  let start = output.count
  var digits = 0
  var sawPoint = false
  var isNegative = false
  for index in 0..<text.byteCount {
    let byte = text.byte(index)
    switch byte {
    case _ where byte.isDigit:
      digits += 1
      output.append(byte)
    case UInt8(ascii: "-"), UInt8(ascii: "("):
      guard !isNegative, digits == 0 else { throw ConversionError("a sign inside an amount of money", offset: index) }
      isNegative = true
    case UInt8(ascii: "."):
      guard !sawPoint, digits > 0 else { throw ConversionError("a stray point in an amount of money", offset: index) }
      sawPoint = true
      output.append(byte)
    case UInt8(ascii: "$"), UInt8(ascii: ","), UInt8(ascii: " "), UInt8(ascii: ")"):
      break
    default:
      throw ConversionError("an amount of money not in the form of lc_monetary = 'C'", offset: index)
    }
  }
  guard digits > 0, output.last != UInt8(ascii: ".") else {
    throw ConversionError("an amount of money without digits", offset: text.byteCount)
  }
  if isNegative { output.insert(UInt8(ascii: "-"), at: start) }
}
