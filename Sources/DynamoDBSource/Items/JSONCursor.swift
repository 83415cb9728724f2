/// Walks over JSON in memory: validates as it goes, builds nothing, allocates nothing.
///
/// Objects and arrays are read by `while more { …; more = try next() }`, where `more` comes first from `enterObject` or
/// `enterArray`. Every read is bounds-checked against `end`; past it there is the byte 0, which no JSON begins with.
@safe struct JSONCursor {
  /// DynamoDB nests 32 levels, each of two in JSON.
  static let depthMax = 200

  private let base: UnsafeRawPointer
  let end: Int
  var at: Int

  /// - Parameter bytes: outlive the cursor.
  init(_ bytes: UnsafeRawBufferPointer) {
    unsafe self.init(bytes, 0..<bytes.count)
  }

  /// A cursor over a part of the bytes; offsets stay those of the whole.
  init(_ bytes: UnsafeRawBufferPointer, _ part: Range<Int>) {
    precondition(part.lowerBound >= 0 && part.upperBound <= bytes.count)
    // Without bytes nothing is ever read there.
    unsafe base = bytes.baseAddress ?? UnsafeRawPointer(bitPattern: 8)!
    end = part.upperBound
    at = part.lowerBound
  }

  /// The byte at the cursor; 0 at the end.
  var next: UInt8 {
    @inline(__always) get { self[at] }
  }

  /// The byte at an offset; 0 at the end and beyond.
  @inline(__always)
  subscript(offset: Int) -> UInt8 {
    // SAFETY: below `end`, which is inside the bytes; offsets only grow from the part's beginning.
    offset < end ? unsafe base.load(fromByteOffset: offset, as: UInt8.self) : 0
  }

  /// Eight bytes; the caller has checked that they are there.
  @inline(__always)
  func word(_ offset: Int) -> UInt64 {
    assert(offset >= 0 && offset + 8 <= end)
    return unsafe UInt64(littleEndian: base.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
  }

  /// The bytes of a range that a cursor over the same bytes has given.
  @inline(__always)
  func bytes(_ start: Int, _ stop: Int) -> UnsafeRawBufferPointer {
    assert(start >= 0 && start <= stop && stop <= end)
    return unsafe UnsafeRawBufferPointer(start: base + start, count: stop - start)
  }

  func malformed(_ reason: String) -> JSONFault {
    at >= end ? JSONFault("ends too early", at: end, isMalformed: true) : JSONFault(reason, at: at, isMalformed: true)
  }

  // MARK: Marks and literals

  @inline(__always)
  mutating func skipSpace() {
    while next <= 0x20, at < end, next == 0x20 || next == 0x0A || next == 0x0D || next == 0x09 { at += 1 }
  }

  /// Steps over a byte, and blanks before it, if it comes next.
  @inline(__always)
  mutating func take(_ byte: UInt8) -> Bool {
    skipSpace()
    guard next == byte else { return false }
    at += 1
    return true
  }

  @inline(__always)
  mutating func expect(_ byte: UInt8, _ name: StaticString) throws(JSONFault) {
    guard take(byte) else { throw malformed("is no JSON: expected \(name)") }
  }

  mutating func literal(_ text: StaticString) throws(JSONFault) {
    for index in 0..<text.utf8CodeUnitCount {
      guard unsafe next == text.utf8Start[index] else { throw malformed("is no JSON: expected \(text)") }
      at += 1
    }
  }

  // MARK: Objects and arrays

  /// Steps over the opening brace; whether there is a member.
  @inline(__always)
  mutating func enterObject() throws(JSONFault) -> Bool {
    try expect(UInt8(ascii: "{"), "an object")
    return !take(UInt8(ascii: "}"))
  }

  /// The letter when the next five bytes are an object's beginning with a name of one letter, such as `{"S":`. Half of
  /// all bytes that are no text are such, so that they are worth a shorter way.
  @inline(__always)
  var letterBeforeValue: UInt8? {
    guard at + 8 <= end else { return nil }
    let bytes = word(at)
    let letter = UInt8(truncatingIfNeeded: bytes >> 16)
    guard bytes & 0xFF_FF00_FFFF == 0x3A_2200_227B, letter.isLetter else { return nil }
    return letter
  }

  /// A member's name, up to and with the colon.
  @inline(__always)
  mutating func name() throws(JSONFault) -> JSONText {
    let name = try string()
    try expect(UInt8(ascii: ":"), "a colon")
    return name
  }

  /// After a member's value: whether another one follows.
  @inline(__always)
  mutating func nextMember() throws(JSONFault) -> Bool {
    if take(UInt8(ascii: ",")) { return true }
    try expect(UInt8(ascii: "}"), "a comma or a closing brace")
    return false
  }

  @inline(__always)
  mutating func enterArray() throws(JSONFault) -> Bool {
    try expect(UInt8(ascii: "["), "an array")
    return !take(UInt8(ascii: "]"))
  }

  @inline(__always)
  mutating func nextElement() throws(JSONFault) -> Bool {
    if take(UInt8(ascii: ",")) { return true }
    try expect(UInt8(ascii: "]"), "a comma or a closing bracket")
    return false
  }

  // MARK: Values

  /// Steps over any value.
  mutating func skipValue(depth: Int = 0) throws(JSONFault) {
    skipSpace()
    switch next {
    case UInt8(ascii: "\""): _ = try string()
    case UInt8(ascii: "{"):
      guard depth < Self.depthMax else { throw malformed("is nested too deeply") }
      var more = true
      if letterBeforeValue != nil {
        at += 5
        try skipValue(depth: depth + 1)
        more = try nextMember()
      } else {
        more = try enterObject()
      }
      while more {
        _ = try name()
        try skipValue(depth: depth + 1)
        more = try nextMember()
      }
    case UInt8(ascii: "["):
      guard depth < Self.depthMax else { throw malformed("is nested too deeply") }
      var more = try enterArray()
      while more {
        try skipValue(depth: depth + 1)
        more = try nextElement()
      }
    case UInt8(ascii: "t"): try literal("true")
    case UInt8(ascii: "f"): try literal("false")
    case UInt8(ascii: "n"): try literal("null")
    case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): _ = try number()
    default: throw malformed("is no JSON: expected a value")
    }
  }

  /// Steps over a value; its place.
  @inline(__always)
  mutating func value() throws(JSONFault) -> Range<Int> {
    skipSpace()
    let start = at
    try skipValue()
    return start..<at
  }

  mutating func boolean() throws(JSONFault) -> Bool {
    skipSpace()
    switch next {
    case UInt8(ascii: "t"):
      try literal("true")
      return true
    case UInt8(ascii: "f"):
      try literal("false")
      return false
    default: throw malformed("is no JSON: expected true or false")
    }
  }

  /// Whether `null` comes next; it is then behind the cursor.
  mutating func takeNull() throws(JSONFault) -> Bool {
    skipSpace()
    guard next == UInt8(ascii: "n") else { return false }
    try literal("null")
    return true
  }

  /// A number's place; of JSON's grammar.
  mutating func number() throws(JSONFault) -> Range<Int> {
    skipSpace()
    let start = at
    if next == UInt8(ascii: "-") { at += 1 }
    let isZero = next == UInt8(ascii: "0")
    let whole = at
    try digits()
    if isZero, at > whole + 1 { throw malformed("is no JSON: a number begins with 0") }
    if next == UInt8(ascii: ".") {
      at += 1
      try digits()
    }
    if next | 0x20 == UInt8(ascii: "e") {
      at += 1
      if next == UInt8(ascii: "+") || next == UInt8(ascii: "-") { at += 1 }
      try digits()
    }
    return start..<at
  }

  private mutating func digits() throws(JSONFault) {
    let start = at
    while next.isDigit { at += 1 }
    if at == start { throw malformed("is no JSON: expected a digit") }
  }
}

extension UInt8 {
  @inline(__always)
  var isDigit: Bool { self &- 0x30 < 10 }

  @inline(__always)
  var isLetter: Bool { (self | 0x20) &- 0x61 < 26 }
}
