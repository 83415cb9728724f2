import Glibc

/// One token of SQL text, by where it stands.
struct SQLToken: Equatable {
  enum Kind { case word, quotedIdentifier, string, number, parameter, symbol }
  let kind: Kind
  let range: Range<Int>
}

/// PostgreSQL's lexical structure ("Lexical Structure" of its manual), as far as finding words and statement ends needs:
/// comments, every form of string and quoted identifier are passed over whole. Any bytes are accepted; what ends too
/// early ends with the text.
struct SQLLexer: Sequence, IteratorProtocol {
  private let text: [UInt8]
  private var offset: Int

  init(_ text: [UInt8], from offset: Int = 0) {
    self.text = text
    self.offset = offset
  }

  mutating func next() -> SQLToken? {
    skipSpaceAndComments()
    guard let byte = peek() else { return nil }
    let start = offset
    func token(_ kind: SQLToken.Kind) -> SQLToken { SQLToken(kind: kind, range: start..<offset) }
    switch byte {
    case UInt8(ascii: "'"):
      skipQuoted(byte, backslashes: false)
      return token(.string)
    case UInt8(ascii: "\""):
      skipQuoted(byte, backslashes: false)
      return token(.quotedIdentifier)
    case UInt8(ascii: "$"):
      if skipDollarQuoted() { return token(.string) }
      offset += 1
      while let next = peek(), isDigit(next) { offset += 1 }
      return token(offset - start > 1 ? .parameter : .symbol)
    case _ where isDigit(byte):
      while let next = peek(), isWordPart(next) || next == UInt8(ascii: ".") { offset += 1 }
      return token(.number)
    case _ where isWordStart(byte):
      return word(start)
    default:
      offset += 1
      return token(.symbol)
    }
  }

  /// A word, or the string or identifier that a prefix such as `E` or `U&` belongs to.
  private mutating func word(_ start: Int) -> SQLToken {
    while let next = peek(), isWordPart(next) { offset += 1 }
    let prefix = text[start] | 0x20
    if offset - start == 1, let next = peek() {
      if next == UInt8(ascii: "'"),
        prefix == UInt8(ascii: "e") || prefix == UInt8(ascii: "b")
          || prefix == UInt8(ascii: "x") || prefix == UInt8(ascii: "n")
      {
        skipQuoted(next, backslashes: prefix == UInt8(ascii: "e"))
        return SQLToken(kind: .string, range: start..<offset)
      }
      if prefix == UInt8(ascii: "u"), next == UInt8(ascii: "&"), let quote = peek(1),
        quote == UInt8(ascii: "'") || quote == UInt8(ascii: "\"")
      {
        offset += 1
        skipQuoted(quote, backslashes: false)
        return SQLToken(kind: quote == UInt8(ascii: "'") ? .string : .quotedIdentifier, range: start..<offset)
      }
    }
    return SQLToken(kind: .word, range: start..<offset)
  }

  /// The next place of a byte.
  private func find(_ byte: UInt8) -> Int? {
    // SAFETY: the search stays inside the text's bytes.
    unsafe text.withUnsafeBytes { bytes in
      guard let start = bytes.baseAddress, offset < bytes.count,
        let found = unsafe memchr(start + offset, Int32(byte), bytes.count - offset)
      else { return nil }
      return unsafe UnsafeRawPointer(found) - start
    }
  }

  private func peek(_ ahead: Int = 0) -> UInt8? {
    offset + ahead < text.count ? text[offset + ahead] : nil
  }

  private mutating func skipSpaceAndComments() {
    while let byte = peek() {
      if byte == UInt8(ascii: " ") || (byte >= 9 && byte <= 13) {
        offset += 1
      } else if byte == UInt8(ascii: "-"), peek(1) == byte {
        while let next = peek(), next != 10, next != 13 { offset += 1 }
      } else if byte == UInt8(ascii: "/"), peek(1) == UInt8(ascii: "*") {
        skipBlockComment()
      } else {
        return
      }
    }
  }

  /// Block comments nest.
  private mutating func skipBlockComment() {
    var depth = 0
    while let byte = peek() {
      if byte == UInt8(ascii: "/"), peek(1) == UInt8(ascii: "*") {
        depth += 1
        offset += 2
      } else if byte == UInt8(ascii: "*"), peek(1) == UInt8(ascii: "/") {
        depth -= 1
        offset += 2
        if depth == 0 { return }
      } else {
        offset += 1
      }
    }
  }

  /// From the opening quote to past the closing one; a doubled quote is part of the content.
  private mutating func skipQuoted(_ quote: UInt8, backslashes: Bool) {
    offset += 1
    if !backslashes {
      while let end = find(quote) {
        offset = end + 1
        if peek() != quote { return }
        offset += 1
      }
      offset = text.count
      return
    }
    while let byte = peek() {
      if byte == UInt8(ascii: "\\") {
        offset = Swift.min(offset + 2, text.count)
      } else if byte != quote {
        offset += 1
      } else if peek(1) == quote {
        offset += 2
      } else {
        offset += 1
        return
      }
    }
  }

  /// `$$…$$` or `$tag$…$tag$`; answers false, having moved nothing, when this `$` opens no string.
  private mutating func skipDollarQuoted() -> Bool {
    var end = offset + 1
    while end < text.count, isWordPart(text[end]), text[end] != UInt8(ascii: "$") { end += 1 }
    guard end < text.count, text[end] == UInt8(ascii: "$"), !(end > offset + 1 && isDigit(text[offset + 1])) else {
      return false
    }
    let delimiter = text[offset...end]
    var at = end + 1
    while at + delimiter.count <= text.count {
      if text[at] == UInt8(ascii: "$"), text[at..<(at + delimiter.count)].elementsEqual(delimiter) {
        offset = at + delimiter.count
        return true
      }
      at += 1
    }
    offset = text.count
    return true
  }

  private func isDigit(_ byte: UInt8) -> Bool { byte >= UInt8(ascii: "0") && byte <= UInt8(ascii: "9") }
  private func isWordStart(_ byte: UInt8) -> Bool {
    let lower = byte | 0x20
    return (lower >= UInt8(ascii: "a") && lower <= UInt8(ascii: "z")) || byte == UInt8(ascii: "_") || byte >= 0x80
  }
  private func isWordPart(_ byte: UInt8) -> Bool { isWordStart(byte) || isDigit(byte) || byte == UInt8(ascii: "$") }
}
