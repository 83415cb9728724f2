internal import ChangeModel
internal import SQLMapping

extension JSONCursor {
  /// What stands at a path inside an attribute; `nil` when there is nothing.
  ///
  /// Sets have no order, so that no index leads into them.
  func value(at steps: [AttributePath.Step], of attribute: Attribute) throws(JSONFault) -> Attribute? {
    var value = attribute
    for step in steps {
      var cursor = self
      cursor.at = value.content.start
      switch (step, value.type) {
      case (.member(let name), .map):
        guard let member = try cursor.member(name) else { return nil }
        value = member
      case (.element(let index), .list):
        guard let element = try cursor.element(index) else { return nil }
        value = element
      default: return nil
      }
    }
    return value
  }

  private mutating func member(_ wanted: String) throws(JSONFault) -> Attribute? {
    var result: Attribute?
    var more = try enterObject()
    while more {
      if try isText(try name(), wanted) { result = try attribute() } else { try skipValue() }
      more = try nextMember()
    }
    return result
  }

  private mutating func element(_ wanted: Int) throws(JSONFault) -> Attribute? {
    var index = 0
    var more = try enterArray()
    while more {
      if index == wanted { return try attribute() }
      try skipValue()
      index += 1
      more = try nextElement()
    }
    return nil
  }

  private func isText(_ text: JSONText, _ wanted: String) throws(JSONFault) -> Bool {
    if !text.hasEscapes { return unsafe bytes(text.start, text.end).elementsEqual(wanted.utf8) }
    var buffer = TextBuffer()
    try appendText(text, to: &buffer)
    return unsafe buffer.bytes.elementsEqual(wanted.utf8)
  }

  /// Appends a value, which is not null, in the text that a column takes; `false` when it takes no such value.
  func append(_ value: Attribute, as form: ValueForm, to out: inout TextBuffer) throws(JSONFault) -> Bool {
    switch (form, value.type) {
    case (.json, let type):
      var cursor = self
      // A scalar's content is the inside of its quotes.
      let isQuoted = type == .string || type == .number || type == .binary
      cursor.at = value.content.start - (isQuoted ? 1 : 0)
      try cursor.appendContent(type, to: &out)
    case (.bytes, .string): return false
    case (_, .string): try appendText(value.content, to: &out)
    case (.text, .number), (.number, .number): try appendNumber(value.content, to: &out)
    case (.integer(let range), .number): try appendInteger(value.content, in: range, to: &out)
    case (.other(let epoch?), .number):
      let number = try Decimal(self, value.content.start, value.content.end)
      try appendTime(
        number, per: epoch == .seconds ? 0 : 3, from: self, at: value.content.start, to: &out)
    case (.bytes, .binary): try appendHexadecimal(value.content, to: &out)
    case (.boolean, .boolean): out.append(byte: self[value.content.start])
    case (.text, .boolean): unsafe out.append(bytes(value.content.start, value.content.end))
    default: return false
    }
    return true
  }

  private func appendInteger(
    _ text: JSONText, in range: ClosedRange<Int64>, to out: inout TextBuffer
  ) throws(JSONFault) {
    let number = try Decimal(self, text.start, text.end)
    guard number.isWhole else { throw JSONFault("is no whole number", at: text.start) }
    guard let value = number.integer(in: self), range.contains(value) else {
      throw JSONFault("is beyond \(range.lowerBound) to \(range.upperBound)", at: text.start)
    }
    number.append(from: self, to: &out)
  }

  /// Base64 as `bytea`'s text.
  private func appendHexadecimal(_ text: JSONText, to out: inout TextBuffer) throws(JSONFault) {
    out.append(byte: UInt8(ascii: "\\"))
    out.append(byte: UInt8(ascii: "x"))
    guard text.hasEscapes else { return try appendDecoded(text.start, text.end, to: &out) }
    // Some writers put a backslash before each slash.
    var plain = TextBuffer()
    try appendText(text, to: &plain)
    let cursor = unsafe JSONCursor(plain.bytes)
    do throws(JSONFault) { try cursor.appendDecoded(0, plain.count, to: &out) } catch {
      throw JSONFault(error.reason, at: text.start)
    }
  }

  private func appendDecoded(_ start: Int, _ end: Int, to out: inout TextBuffer) throws(JSONFault) {
    let wrong = JSONFault("is no base64", at: start)
    guard (end - start) % 4 == 0 else { throw wrong }
    var place = start
    while place < end {
      let isLast = place + 4 == end
      let padding = !isLast || self[end - 1] != UInt8(ascii: "=") ? 0 : self[end - 2] != UInt8(ascii: "=") ? 1 : 2
      var group: UInt32 = 0
      for index in 0..<4 {
        if index >= 4 - padding {
          group <<= 6
          continue
        }
        guard let bits = self[place + index].base64Value else { throw wrong }
        group = group << 6 | UInt32(bits)
      }
      // What the padding hides must be 0, so that each value has one text.
      if group & (1 << UInt32(8 * padding) - 1) != 0 { throw wrong }
      for byte in 0..<(3 - padding) {
        let value = UInt8(truncatingIfNeeded: group >> UInt32(16 - 8 * byte))
        out.append(byte: hexadecimalDigit(value >> 4))
        out.append(byte: hexadecimalDigit(value & 15))
      }
      place += 4
    }
  }

  // MARK: For messages

  /// A text for people, whatever it holds.
  func shownText(_ text: JSONText) -> String {
    var buffer = TextBuffer()
    do throws(JSONFault) { try appendText(text, to: &buffer) } catch {
      buffer.removeAll()
      unsafe buffer.append(bytes(text.start, text.end))
    }
    return unsafe String(decoding: buffer.bytes, as: UTF8.self)
  }

  /// The key's attributes with their values as far as the item can be read: `pk=a, sk=7`.
  func shownKey(_ names: [String]) -> String {
    names.compactMap { name in
      var cursor = self
      guard let value = try? cursor.member(name), [.string, .number, .binary].contains(value.type) else { return nil }
      return "\(name)=\(shownText(value.content))"
    }.joined(separator: ", ")
  }
}

private func hexadecimalDigit(_ value: UInt8) -> UInt8 { value < 10 ? 0x30 + value : 0x57 + value }

extension UInt8 {
  fileprivate var base64Value: UInt8? {
    switch self {
    case UInt8(ascii: "A")...UInt8(ascii: "Z"): self - UInt8(ascii: "A")
    case UInt8(ascii: "a")...UInt8(ascii: "z"): self - UInt8(ascii: "a") + 26
    case UInt8(ascii: "0")...UInt8(ascii: "9"): self - UInt8(ascii: "0") + 52
    case UInt8(ascii: "+"): 62
    case UInt8(ascii: "/"): 63
    default: nil
    }
  }
}
