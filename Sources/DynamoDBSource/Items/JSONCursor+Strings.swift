internal import ChangeModel

/// A string's inside, between the quotes.
struct JSONText {
  var start: Int
  var end: Int
  /// Whether it holds a backslash, so that its bytes are not its text.
  var hasEscapes: Bool
}

/// 1 in every byte.
private let ones: UInt64 = 0x0101_0101_0101_0101

/// The high bit in bytes that end a run of plain characters: the quote, the backslash, controls. Exact for the lowest of
/// them, as a borrow runs upwards only.
@inline(__always)
private func marks(_ word: UInt64) -> UInt64 {
  let quote = word ^ (ones &* 0x22)
  let slash = word ^ (ones &* 0x5C)
  let found =
    ((quote &- ones) & ~quote) | ((slash &- ones) & ~slash) | ((word &- (ones &* 0x20)) & ~word)
  return found & (ones &* 0x80)
}

extension JSONCursor {
  /// Steps over a string; its place. Escapes are checked but for pairs of surrogates.
  @inline(__always)
  mutating func string() throws(JSONFault) -> JSONText {
    skipSpace()
    guard next == UInt8(ascii: "\"") else { throw malformed("is no JSON: expected a string") }
    at += 1
    let start = at
    at = endOfRun(from: start)
    if next == UInt8(ascii: "\"") {
      at += 1
      return JSONText(start: start, end: at - 1, hasEscapes: false)
    }
    return try stringWithEscapes(from: start)
  }

  /// The place of the next quote, backslash or control character, or the end.
  @inline(__always)
  private func endOfRun(from start: Int) -> Int {
    var place = start
    while place + 8 <= end {
      let found = marks(word(place))
      if found != 0 { return place + found.trailingZeroBitCount >> 3 }
      place += 8
    }
    while place < end {
      let byte = self[place]
      if byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") || byte < 0x20 { break }
      place += 1
    }
    return place
  }

  private mutating func stringWithEscapes(from start: Int) throws(JSONFault) -> JSONText {
    while true {
      at = endOfRun(from: at)
      switch next {
      case UInt8(ascii: "\""):
        at += 1
        return JSONText(start: start, end: at - 1, hasEscapes: true)
      case UInt8(ascii: "\\"):
        at += 1
        switch next {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"), UInt8(ascii: "b"), UInt8(ascii: "f"),
          UInt8(ascii: "n"), UInt8(ascii: "r"), UInt8(ascii: "t"):
          at += 1
        case UInt8(ascii: "u"):
          at += 1
          for _ in 0..<4 {
            guard next.hexValue != nil else { throw malformed("is no JSON: expected four hexadecimal digits") }
            at += 1
          }
        default: throw malformed("is no JSON: an unknown escape")
        }
      default: throw malformed("is no JSON: a control character in a string")
      }
    }
  }

  /// Appends a string's text as UTF-8.
  ///
  /// - Throws: when it holds what PostgreSQL's text can't: a NUL character, or half a pair of surrogates.
  func appendText(_ text: JSONText, to out: inout TextBuffer) throws(JSONFault) {
    guard text.hasEscapes else { return unsafe out.append(bytes(text.start, text.end)) }
    var place = text.start
    while place < text.end {
      let stop = endOfRun(from: place)
      unsafe out.append(bytes(place, min(stop, text.end)))
      place = stop
      guard place < text.end else { break }
      guard let scalar = try unescape(&place) else { continue }
      appendUTF8(scalar, to: &out)
    }
  }

  /// Appends a string with its quotes as JSON, escapes as they stand.
  ///
  /// - Throws: as `appendText`; `jsonb` can't hold more.
  func appendQuoted(_ text: JSONText, to out: inout TextBuffer) throws(JSONFault) {
    if text.hasEscapes {
      var place = text.start
      while place < text.end {
        place = endOfRun(from: place)
        if place < text.end { _ = try unescape(&place) }
      }
    }
    unsafe out.append(bytes(text.start - 1, text.end + 1))
  }

  /// Reads one escape at `place` and steps over it.
  @inline(__always)
  private func unescape(_ place: inout Int) throws(JSONFault) -> UInt32? {
    let start = place
    let letter = self[place + 1]
    place += 2
    switch letter {
    case UInt8(ascii: "b"): return 8
    case UInt8(ascii: "f"): return 12
    case UInt8(ascii: "n"): return 10
    case UInt8(ascii: "r"): return 13
    case UInt8(ascii: "t"): return 9
    case UInt8(ascii: "u"): break
    default: return UInt32(letter)
    }
    let unit = hexadecimal(place)
    place += 4
    if unit == 0 { throw JSONFault("holds a NUL character, which PostgreSQL can't", at: start) }
    guard unit & 0xF800 == 0xD800 else { return unit }
    guard unit < 0xDC00, self[place] == UInt8(ascii: "\\"), self[place + 1] == UInt8(ascii: "u") else {
      throw JSONFault("holds half a pair of surrogates, which is no character", at: start)
    }
    let low = hexadecimal(place + 2)
    guard low & 0xFC00 == 0xDC00 else {
      throw JSONFault("holds half a pair of surrogates, which is no character", at: start)
    }
    place += 6
    return 0x10000 + (unit & 0x3FF) << 10 + low & 0x3FF
  }

  /// Four hexadecimal digits; `string` has checked that they are.
  private func hexadecimal(_ place: Int) -> UInt32 {
    (0..<4).reduce(0) { $0 << 4 | UInt32(self[place + $1].hexValue ?? 0) }
  }
}

private func appendUTF8(_ scalar: UInt32, to out: inout TextBuffer) {
  func tail(_ shift: UInt32) -> UInt8 { UInt8(truncatingIfNeeded: 0x80 | scalar >> shift & 0x3F) }
  switch scalar {
  case ..<0x80: out.append(byte: UInt8(truncatingIfNeeded: scalar))
  case ..<0x800:
    out.append(byte: UInt8(truncatingIfNeeded: 0xC0 | scalar >> 6))
    out.append(byte: tail(0))
  case ..<0x10000:
    out.append(byte: UInt8(truncatingIfNeeded: 0xE0 | scalar >> 12))
    out.append(byte: tail(6))
    out.append(byte: tail(0))
  default:
    out.append(byte: UInt8(truncatingIfNeeded: 0xF0 | scalar >> 18))
    out.append(byte: tail(12))
    out.append(byte: tail(6))
    out.append(byte: tail(0))
  }
}

extension UInt8 {
  @inline(__always)
  var hexValue: UInt8? {
    if isDigit { return self - 0x30 }
    let letter = (self | 0x20) &- 0x61
    return letter < 6 ? letter + 10 : nil
  }
}

extension JSONText {
  /// Whether its bytes are these; of a text without escapes.
  @inline(__always)
  func equals(_ name: StaticString, in cursor: JSONCursor) -> Bool {
    guard end - start == name.utf8CodeUnitCount, !hasEscapes else { return false }
    for index in 0..<name.utf8CodeUnitCount {
      if unsafe cursor[start + index] != name.utf8Start[index] { return false }
    }
    return true
  }
}
