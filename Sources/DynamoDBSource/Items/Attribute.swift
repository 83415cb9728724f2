internal import ChangeModel

/// DynamoDB's types.
enum AttributeType: UInt8, CaseIterable {
  case string, number, binary, boolean, null, map, list, stringSet, numberSet, binarySet

  /// By the letter that stands before a value.
  @inline(__always)
  init?(letter: UInt8) {
    switch letter {
    case UInt8(ascii: "S"): self = .string
    case UInt8(ascii: "N"): self = .number
    case UInt8(ascii: "B"): self = .binary
    case UInt8(ascii: "M"): self = .map
    case UInt8(ascii: "L"): self = .list
    default: return nil
    }
  }

  /// By the name that stands there: `S`, `BOOL`.
  @inline(__always)
  init?(_ name: JSONText, in cursor: JSONCursor) {
    if name.hasEscapes { return nil }
    let first = cursor[name.start]
    switch (name.end - name.start, first) {
    case (1, let letter): self.init(letter: letter)
    case (2, UInt8(ascii: "S")) where cursor[name.start + 1] == UInt8(ascii: "S"): self = .stringSet
    case (2, UInt8(ascii: "N")) where cursor[name.start + 1] == UInt8(ascii: "S"): self = .numberSet
    case (2, UInt8(ascii: "B")) where cursor[name.start + 1] == UInt8(ascii: "S"): self = .binarySet
    case (4, UInt8(ascii: "B")) where name.equals("BOOL", in: cursor): self = .boolean
    case (4, UInt8(ascii: "N")) where name.equals("NULL", in: cursor): self = .null
    default: return nil
    }
  }

  /// With its article, as messages say it.
  var phrase: String {
    switch self {
    case .string: "a string"
    case .number: "a number"
    case .binary: "binary"
    case .boolean: "a boolean"
    case .null: "null"
    case .map: "a map"
    case .list: "a list"
    case .stringSet: "a set of strings"
    case .numberSet: "a set of numbers"
    case .binarySet: "a set of binaries"
    }
  }
}

/// One attribute's value in an item's bytes.
struct Attribute {
  var type: AttributeType
  /// Of a string, number or binary the inside of its quotes; of any other the whole JSON value.
  var content: JSONText
}

extension JSONCursor {
  /// Opens a typed value, such as `{"S":"a"}`: the type; the cursor is then before the content.
  @inline(__always)
  mutating func enterAttribute() throws(JSONFault) -> AttributeType {
    skipSpace()
    let start = at
    if let letter = letterBeforeValue, let type = AttributeType(letter: letter) {
      at += 5
      return type
    }
    guard try enterObject() else { throw JSONFault("has no type", at: start) }
    guard let type = AttributeType(try name(), in: self) else {
      throw JSONFault("has a type that DynamoDB does not have", at: start)
    }
    return type
  }

  @inline(__always)
  mutating func leaveAttribute() throws(JSONFault) {
    if try nextMember() { throw JSONFault("has two types", at: at) }
  }

  /// Steps over a typed value.
  @inline(__always)
  mutating func attribute() throws(JSONFault) -> Attribute {
    let type = try enterAttribute()
    let content: JSONText
    switch type {
    case .string, .number, .binary: content = try string()
    case .boolean:
      skipSpace()
      let start = at
      _ = try boolean()
      content = JSONText(start: start, end: at, hasEscapes: false)
    case .null:
      guard try boolean() else { throw JSONFault("has a NULL that is not true", at: at) }
      content = JSONText(start: at, end: at, hasEscapes: false)
    case .map, .list, .stringSet, .numberSet, .binarySet:
      skipSpace()
      guard next == (type == .map ? UInt8(ascii: "{") : UInt8(ascii: "[")) else {
        throw malformed("is \(type.phrase) in name only")
      }
      let place = try value()
      content = JSONText(start: place.lowerBound, end: place.upperBound, hasEscapes: false)
    }
    try leaveAttribute()
    return Attribute(type: type, content: content)
  }

  // MARK: As standard JSON

  /// Steps over a typed value and appends it as standard JSON, every digit and byte of it.
  ///
  /// - Throws: also for what `jsonb` can't hold: a NUL character, half a pair of surrogates.
  mutating func appendJSON(to out: inout TextBuffer, depth: Int = 0) throws(JSONFault) {
    guard depth < Self.depthMax else { throw malformed("is nested too deeply") }
    let type = try enterAttribute()
    try appendContent(type, to: &out, depth: depth)
    try leaveAttribute()
  }

  /// The same from the content on.
  mutating func appendContent(_ type: AttributeType, to out: inout TextBuffer, depth: Int = 0) throws(JSONFault) {
    switch type {
    case .string, .binary: try appendQuoted(try string(), to: &out)
    case .number: try appendNumber(try string(), to: &out)
    case .boolean: out.append(try boolean() ? "true" : "false")
    case .null:
      guard try boolean() else { throw JSONFault("has a NULL that is not true", at: at) }
      out.append("null")
    case .map: try appendMembers(to: &out, depth: depth)
    case .list:
      try appendArray(to: &out) { (cursor, out) throws(JSONFault) in try cursor.appendJSON(to: &out, depth: depth + 1) }
    case .stringSet, .binarySet:
      try appendArray(to: &out) { (cursor, out) throws(JSONFault) in
        try cursor.appendQuoted(try cursor.string(), to: &out)
      }
    case .numberSet:
      try appendArray(to: &out) { (cursor, out) throws(JSONFault) in
        try cursor.appendNumber(try cursor.string(), to: &out)
      }
    }
  }

  /// Steps over an object of attributes and appends it as a JSON object.
  mutating func appendMembers(to out: inout TextBuffer, depth: Int = 0) throws(JSONFault) {
    out.append(byte: UInt8(ascii: "{"))
    var more = try enterObject()
    while more {
      try appendQuoted(try name(), to: &out)
      out.append(byte: UInt8(ascii: ":"))
      try appendJSON(to: &out, depth: depth + 1)
      more = try nextMember()
      if more { out.append(byte: UInt8(ascii: ",")) }
    }
    out.append(byte: UInt8(ascii: "}"))
  }

  @inline(__always)
  private mutating func appendArray(
    to out: inout TextBuffer, _ element: (inout JSONCursor, inout TextBuffer) throws(JSONFault) -> Void
  ) throws(JSONFault) {
    out.append(byte: UInt8(ascii: "["))
    var more = try enterArray()
    while more {
      try element(&self, &out)
      more = try nextElement()
      if more { out.append(byte: UInt8(ascii: ",")) }
    }
    out.append(byte: UInt8(ascii: "]"))
  }

  func appendNumber(_ text: JSONText, to out: inout TextBuffer) throws(JSONFault) {
    try Decimal(self, text.start, text.end).append(from: self, to: &out)
  }

}
