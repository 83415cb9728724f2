/// Reads PostgreSQL's array literals, such as `[0:1]={{1,NULL},{"a b",3}}`, and writes them as `jsonb` prints arrays.
struct ArrayLiteral {
  let element: JSONElement
  let delimiter: UInt8
  private var at = 0
  /// The element being read, without quotes and escapes.
  private var item: [UInt8] = []

  /// PostgreSQL's `MAXDIM`.
  private static let dimensionsMax = 6

  init(element: JSONElement, delimiter: UInt8) {
    self.element = element
    self.delimiter = delimiter
  }

  /// Appends the JSON of one whole literal.
  mutating func appendJSON(of text: RawSpan, to output: inout [UInt8]) throws(ConversionError) {
    try skipBounds(text)
    guard peek(text) == UInt8(ascii: "{") else { throw ConversionError("an array without its brace", offset: at) }
    var depth = 0
    // Whether an element or a closing brace may come next: `{1,}` and `{,1}` are no arrays.
    var expectsItem = true
    var isFirst = true
    repeat {
      guard let byte = peek(text) else { throw ConversionError("an array that does not end", offset: at) }
      switch byte {
      case UInt8(ascii: "{"):
        guard expectsItem else { throw ConversionError("an array inside an element", offset: at) }
        depth += 1
        guard depth <= Self.dimensionsMax else { throw ConversionError("an array of too many dimensions", offset: at) }
        at += 1
        output.append(UInt8(ascii: "["))
        isFirst = true
      case UInt8(ascii: "}"):
        guard !expectsItem || isFirst else { throw ConversionError("an array without its last element", offset: at) }
        depth -= 1
        at += 1
        output.append(UInt8(ascii: "]"))
        expectsItem = false
        isFirst = false
      case delimiter:
        guard !expectsItem else { throw ConversionError("an array with a missing element", offset: at) }
        at += 1
        output.append(UInt8(ascii: ","))
        output.append(UInt8(ascii: " "))
        expectsItem = true
        isFirst = false
      default:
        guard expectsItem else { throw ConversionError("two elements without a delimiter", offset: at) }
        try appendItem(text, to: &output)
        expectsItem = false
        isFirst = false
      }
    } while depth > 0
    guard at == text.byteCount else { throw ConversionError("text after an array's end", offset: at) }
  }

  private func peek(_ text: RawSpan) -> UInt8? { at < text.byteCount ? text.byte(at) : nil }

  /// `[2:3][-1:0]=` before the brace.
  private mutating func skipBounds(_ text: RawSpan) throws(ConversionError) {
    guard peek(text) == UInt8(ascii: "[") else { return }
    while let byte = peek(text) {
      at += 1
      switch byte {
      case UInt8(ascii: "="): return
      case UInt8(ascii: "["), UInt8(ascii: "]"), UInt8(ascii: ":"), UInt8(ascii: "-"), UInt8(ascii: "+"): continue
      case _ where byte.isDigit: continue
      default: throw ConversionError("array bounds that are not numbers", offset: at - 1)
      }
    }
    throw ConversionError("array bounds without an array", offset: at)
  }

  /// One element, quoted or bare.
  private mutating func appendItem(_ text: RawSpan, to output: inout [UInt8]) throws(ConversionError) {
    item.removeAll(keepingCapacity: true)
    let start = at
    let isQuoted = peek(text) == UInt8(ascii: "\"")
    if isQuoted { at += 1 }
    var isClosed = false
    while let byte = peek(text) {
      if isQuoted {
        if byte == UInt8(ascii: "\"") {
          at += 1
          isClosed = true
          break
        }
      } else if byte == delimiter || byte == UInt8(ascii: "}") {
        isClosed = true
        break
      } else if byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "{") {
        throw ConversionError("a quote or brace inside a bare element", offset: at)
      }
      at += 1
      guard byte == UInt8(ascii: "\\") else {
        item.append(byte)
        continue
      }
      guard let escaped = peek(text) else { throw ConversionError("an escape without its character", offset: at) }
      item.append(escaped)
      at += 1
    }
    guard isClosed else { throw ConversionError("an element that does not end", offset: start) }
    if !isQuoted, isNull(item) {
      output.append(contentsOf: "null".utf8)
    } else {
      try appendValue(to: &output, at: start)
    }
  }

  private func isNull(_ bytes: [UInt8]) -> Bool {
    bytes.count == 4 && bytes.elementsEqual("NULL".utf8) { $0 & 0xDF == $1 }
  }

  private func appendValue(to output: inout [UInt8], at offset: Int) throws(ConversionError) {
    switch element {
    case .string:
      appendJSONString(item, to: &output)
    case .json:
      guard !item.isEmpty else { throw ConversionError("an empty JSON element", offset: offset) }
      output.append(contentsOf: item)
    case .boolean:
      switch item {
      case [UInt8(ascii: "t")]: output.append(contentsOf: "true".utf8)
      case [UInt8(ascii: "f")]: output.append(contentsOf: "false".utf8)
      default: throw ConversionError("a boolean that is neither t nor f", offset: offset)
      }
    case .number:
      if item.elementsEqual("NaN".utf8) || item.elementsEqual("Infinity".utf8) || item.elementsEqual("-Infinity".utf8) {
        appendJSONString(item, to: &output)
      } else {
        try appendJSONNumber(item, to: &output, offset: offset)
      }
    }
  }
}
