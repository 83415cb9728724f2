/// A JSON value, read from libpg_query's output.
indirect enum JSON: Equatable {
  case null
  case bool(Bool)
  case number(Int)
  case string(String)
  case array([JSON])
  case object([String: JSON])

  /// A member; `null` when there is none, so that looking deeper needs no unwrapping.
  subscript(_ name: String) -> JSON {
    if case .object(let members) = self { return members[name] ?? .null }
    return .null
  }

  var string: String? {
    if case .string(let value) = self { return value }
    return nil
  }
  var int: Int? {
    if case .number(let value) = self { return value }
    return nil
  }
  var isTrue: Bool { self == .bool(true) }
  var isPresent: Bool { self != .null }
  var array: [JSON] {
    if case .array(let elements) = self { return elements }
    return []
  }
  /// The only member of an object: libpg_query wraps each node as `{"NodeName": {…}}`.
  var node: (name: String, body: JSON)? {
    if case .object(let members) = self, members.count == 1, let only = members.first { return (only.key, only.value) }
    return nil
  }

  /// Calls `visit` for every member of every object below here, outermost first.
  func forEachMember(_ visit: (String, JSON) -> Void) {
    switch self {
    case .array(let elements): for element in elements { element.forEachMember(visit) }
    case .object(let members):
      for (name, value) in members {
        visit(name, value)
        value.forEachMember(visit)
      }
    default: return
    }
  }

  /// Reads one document; `nil` when it is not JSON, has a fraction, or is nested deeper than 4,000 levels.
  init?(_ text: [UInt8]) {
    var reader = JSONReader(text)
    guard let value = reader.value(depth: 0), reader.isAtEnd else { return nil }
    self = value
  }
}

private struct JSONReader {
  private let text: [UInt8]
  private var offset = 0

  init(_ text: [UInt8]) { self.text = text }

  var isAtEnd: Bool {
    mutating get {
      skipSpace()
      return offset == text.count
    }
  }

  mutating func value(depth: Int) -> JSON? {
    guard depth < 4000 else { return nil }
    skipSpace()
    guard offset < text.count else { return nil }
    switch text[offset] {
    case UInt8(ascii: "{"): return object(depth: depth)
    case UInt8(ascii: "["): return array(depth: depth)
    case UInt8(ascii: "\""): return string().map(JSON.string)
    case UInt8(ascii: "t"): return literal("true", .bool(true))
    case UInt8(ascii: "f"): return literal("false", .bool(false))
    case UInt8(ascii: "n"): return literal("null", .null)
    default: return number()
    }
  }

  private mutating func skipSpace() {
    while offset < text.count, text[offset] == 32 || (text[offset] >= 9 && text[offset] <= 13) { offset += 1 }
  }

  /// Moves past one byte, after white space, if it is the expected one.
  private mutating func take(_ byte: UInt8) -> Bool {
    skipSpace()
    guard offset < text.count, text[offset] == byte else { return false }
    offset += 1
    return true
  }

  private mutating func literal(_ word: String, _ value: JSON) -> JSON? {
    guard text[offset...].starts(with: word.utf8) else { return nil }
    offset += word.utf8.count
    return value
  }

  private mutating func number() -> JSON? {
    let start = offset
    if offset < text.count, text[offset] == UInt8(ascii: "-") { offset += 1 }
    while offset < text.count, text[offset] >= 48, text[offset] <= 57 { offset += 1 }
    return Int(String(decoding: text[start..<offset], as: UTF8.self)).map(JSON.number)
  }

  private mutating func array(depth: Int) -> JSON? {
    offset += 1
    var elements: [JSON] = []
    if take(UInt8(ascii: "]")) { return .array([]) }
    repeat {
      guard let element = value(depth: depth + 1) else { return nil }
      elements.append(element)
    } while take(UInt8(ascii: ","))
    return take(UInt8(ascii: "]")) ? .array(elements) : nil
  }

  private mutating func object(depth: Int) -> JSON? {
    offset += 1
    var members: [String: JSON] = [:]
    if take(UInt8(ascii: "}")) { return .object([:]) }
    repeat {
      skipSpace()
      guard let name = string(), take(UInt8(ascii: ":")), let member = value(depth: depth + 1) else { return nil }
      members[name] = member
    } while take(UInt8(ascii: ","))
    return take(UInt8(ascii: "}")) ? .object(members) : nil
  }

  private mutating func string() -> String? {
    guard offset < text.count, text[offset] == UInt8(ascii: "\"") else { return nil }
    offset += 1
    var bytes: [UInt8] = []
    while offset < text.count {
      let byte = text[offset]
      offset += 1
      if byte == UInt8(ascii: "\"") { return String(decoding: bytes, as: UTF8.self) }
      guard byte == UInt8(ascii: "\\") else {
        bytes.append(byte)
        continue
      }
      guard offset < text.count else { return nil }
      let escape = text[offset]
      offset += 1
      switch escape {
      case UInt8(ascii: "n"): bytes.append(10)
      case UInt8(ascii: "t"): bytes.append(9)
      case UInt8(ascii: "r"): bytes.append(13)
      case UInt8(ascii: "b"): bytes.append(8)
      case UInt8(ascii: "f"): bytes.append(12)
      case UInt8(ascii: "u"):
        // libpg_query escapes single control and markup characters this way, never surrogate pairs.
        guard offset + 4 <= text.count,
          let code = UInt32(String(decoding: text[offset..<(offset + 4)], as: UTF8.self), radix: 16),
          let scalar = Unicode.Scalar(code)
        else { return nil }
        offset += 4
        bytes += Array(String(Character(scalar)).utf8)
      default: bytes.append(escape)
      }
    }
    return nil
  }
}
