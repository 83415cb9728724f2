package import ChangeModel

/// The type of a computed column, and how a value of it is printed: as PostgreSQL prints it, so that what is written
/// and what is read back are the same bytes.
package enum OutputType: Hashable, Sendable {
  case text
  case varchar(Int)
  case boolean
  /// In bytes.
  case integer(Int)
  case double
  case numeric(precision: Int, scale: Int)
  case date
  case timestamp(hasZone: Bool)
  case uuid
  case bytes
  case json

  /// What `init` takes, for messages.
  package static let spellings =
    "text, varchar(n), boolean, smallint, integer, bigint, double precision, numeric(p,s), date, timestamp, timestamptz, "
    + "uuid, bytea or json"

  /// - Parameter text: PostgreSQL's name of the type, with its modifier.
  package init?(_ text: String) {
    let lowered = text.lowercased().split(separator: " ").joined(separator: " ")
    let name = lowered.prefix { $0 != "(" }.split(separator: " ").joined(separator: " ")
    var modifiers: [Int] = []
    if name.utf8.count < lowered.utf8.count {
      guard let open = lowered.firstIndex(of: "("), lowered.hasSuffix(")") else { return nil }
      let list = lowered[lowered.index(after: open)...].dropLast().split(
        separator: ",", omittingEmptySubsequences: false)
      modifiers = list.compactMap { Int($0.split(separator: " ").joined()) }
      guard modifiers.count == list.count else { return nil }
    }
    switch (name, modifiers.count) {
    case ("text", 0): self = .text
    case ("varchar", 1), ("character varying", 1):
      guard (1...10_485_760).contains(modifiers[0]) else { return nil }
      self = .varchar(modifiers[0])
    case ("boolean", 0), ("bool", 0): self = .boolean
    case ("smallint", 0), ("int2", 0): self = .integer(2)
    case ("integer", 0), ("int", 0), ("int4", 0): self = .integer(4)
    case ("bigint", 0), ("int8", 0): self = .integer(8)
    case ("double precision", 0), ("float8", 0): self = .double
    case ("numeric", 1...2), ("decimal", 1...2):
      let scale = modifiers.count > 1 ? modifiers[1] : 0
      guard (1...1000).contains(modifiers[0]), (0...modifiers[0]).contains(scale) else { return nil }
      self = .numeric(precision: modifiers[0], scale: scale)
    case ("date", 0): self = .date
    case ("timestamp", 0), ("timestamp without time zone", 0): self = .timestamp(hasZone: false)
    case ("timestamptz", 0), ("timestamp with time zone", 0): self = .timestamp(hasZone: true)
    case ("uuid", 0): self = .uuid
    case ("bytea", 0): self = .bytes
    case ("json", 0): self = .json
    default: return nil
    }
  }

  /// The name in `pg_type`.
  package var typeName: String {
    switch self {
    case .text: "text"
    case .varchar: "varchar"
    case .boolean: "bool"
    case .integer(let width): "int\(width)"
    case .double: "float8"
    case .numeric: "numeric"
    case .date: "date"
    case .timestamp(let hasZone): hasZone ? "timestamptz" : "timestamp"
    case .uuid: "uuid"
    case .bytes: "bytea"
    case .json: "json"
    }
  }

  /// A column of this type, as a catalog would have it.
  package func column(named name: String, number: Int) -> SourceColumn {
    let builtin = BuiltinType.named(typeName)
    var (modifier, suffix): (Int32, String) = (-1, "")
    switch self {
    case .varchar(let length): (modifier, suffix) = (Int32(length) + 4, "(\(length))")
    case .numeric(let precision, let scale):
      (modifier, suffix) = (Int32(precision << 16 | scale) + 4, "(\(precision),\(scale))")
    default: break
    }
    return SourceColumn(
      name: name, number: number, typeOID: builtin?.oid ?? BuiltinType.textOID, typeName: typeName, modifier: modifier,
      formattedType: (builtin?.castName ?? "text") + suffix)
  }

  /// Whether equal values have equal texts, so that the column can name a row.
  package var isKey: Bool {
    switch self {
    case .text, .varchar, .boolean, .integer, .uuid, .date, .timestamp: true
    case .double, .numeric, .bytes, .json: false
    }
  }
}

extension OutputType {
  /// The text of an integer; `nil` when the type does not hold it.
  package func text(of value: Int64) -> [UInt8]? {
    switch self {
    case .text, .varchar, .json, .double: return Array("\(value)".utf8)
    case .boolean: return value == 0 ? [UInt8(ascii: "f")] : value == 1 ? [UInt8(ascii: "t")] : nil
    case .integer(let width):
      let isHeld = width == 8 || (width == 4 ? Int32(exactly: value) != nil : Int16(exactly: value) != nil)
      return isHeld ? Array("\(value)".utf8) : nil
    case .numeric(let precision, let scale): return decimal(Array("\(value)".utf8), precision, scale)
    case .date, .timestamp, .uuid, .bytes: return nil
    }
  }

  /// The text of a floating-point number; `nil` when the type does not hold it.
  package func text(of value: Double) -> [UInt8]? {
    switch self {
    case .text, .varchar, .double: return Array(floatText(value).utf8)
    case .json: return value.isFinite ? Array(floatText(value).utf8) : nil
    case .numeric(let precision, let scale):
      guard value.isFinite, abs(value) < 1e15, abs(value) >= 1e-4 || value == 0 else { return nil }
      return decimal(Array(floatText(value).utf8), precision, scale)
    case .boolean, .integer, .date, .timestamp, .uuid, .bytes: return nil
    }
  }

  /// The type's own text of a text; `nil` when it is no value of the type.
  package func text(of value: UnsafeRawBufferPointer) -> [UInt8]? {
    let bytes = unsafe [UInt8](value)
    switch self {
    case .text, .varchar, .json: return bytes
    case .numeric(let precision, let scale): return decimal(bytes, precision, scale)
    case .date: return isDate(bytes[...]) ? bytes : nil
    case .timestamp(let hasZone): return timestampText(bytes, hasZone: hasZone)
    case .uuid: return uuidText(bytes)
    case .boolean, .integer, .double, .bytes: return nil
    }
  }

  /// The text of bytes; `nil` unless the type is `bytea`.
  package func text(ofBytes value: UnsafeRawBufferPointer) -> [UInt8]? {
    guard self == .bytes else { return nil }
    return unsafe Array("\\x".utf8) + value.flatMap { [hexDigit($0 >> 4), hexDigit($0 & 15)] }
  }
}

/// As PostgreSQL prints `double precision`: the fewest digits, with an exponent below 1e-4 and from 1e15 on.
private func floatText(_ value: Double) -> String {
  if value.isNaN { return "NaN" }
  if value.isInfinite { return value < 0 ? "-Infinity" : "Infinity" }
  let sign = value.sign == .minus ? "-" : ""
  if value == 0 { return sign + "0" }
  let parts = "\(value.magnitude)".split(separator: "e")
  let point = parts[0].split(separator: ".", omittingEmptySubsequences: false)
  let whole = String(point[0])
  let all = whole + (point.count > 1 ? String(point[1]) : "")
  let leading = all.prefix { $0 == "0" }.count
  var digits = String(all.dropFirst(leading))
  while digits.last == "0" { digits.removeLast() }
  let exponent = whole.count - 1 - leading + (parts.count > 1 ? Int(parts[1]) ?? 0 : 0)
  if (-4..<15).contains(exponent) {
    if exponent < 0 { return sign + "0." + String(repeating: "0", count: -exponent - 1) + digits }
    let missing = exponent + 1 - digits.count
    if missing >= 0 { return sign + digits + String(repeating: "0", count: missing) }
    return sign + digits.prefix(exponent + 1) + "." + digits.dropFirst(exponent + 1)
  }
  let fraction = digits.count > 1 ? "." + digits.dropFirst() : ""
  let magnitude = abs(exponent) < 10 ? "0\(abs(exponent))" : "\(abs(exponent))"
  return "\(sign)\(digits.prefix(1))\(fraction)e\(exponent < 0 ? "-" : "+")\(magnitude)"
}

/// Digits with exactly `scale` decimals; `nil` when digits would be lost, or there are too many.
private func decimal(_ text: [UInt8], _ precision: Int, _ scale: Int) -> [UInt8]? {
  let isNegative = text.first == UInt8(ascii: "-")
  let parts = text.dropFirst(isNegative ? 1 : 0).split(
    separator: UInt8(ascii: "."), maxSplits: 1, omittingEmptySubsequences: false)
  guard parts.allSatisfy({ !$0.isEmpty && $0.allSatisfy(\.isDigit) }), let first = parts.first else { return nil }
  let whole = first.drop { $0 == UInt8(ascii: "0") }
  var fraction = parts.count > 1 ? Array(parts[1]) : []
  while fraction.count > scale, fraction.last == UInt8(ascii: "0") { fraction.removeLast() }
  guard fraction.count <= scale, whole.count <= precision - scale else { return nil }
  fraction += Array(repeating: UInt8(ascii: "0"), count: scale - fraction.count)
  let isZero = whole.isEmpty && fraction.allSatisfy { $0 == UInt8(ascii: "0") }
  return (isNegative && !isZero ? [UInt8(ascii: "-")] : []) + (whole.isEmpty ? [UInt8(ascii: "0")] : Array(whole))
    + (scale > 0 ? [UInt8(ascii: ".")] + fraction : [])
}

/// A number of so many digits.
private func number(_ text: ArraySlice<UInt8>, _ digits: Int) -> Int? {
  guard text.count == digits, text.allSatisfy(\.isDigit) else { return nil }
  return text.reduce(0) { $0 * 10 + Int($1 - UInt8(ascii: "0")) }
}

private func isDate(_ text: ArraySlice<UInt8>) -> Bool {
  let parts = text.split(separator: UInt8(ascii: "-"), omittingEmptySubsequences: false)
  guard parts.count == 3, let year = number(parts[0], 4), let month = number(parts[1], 2),
    let day = number(parts[2], 2),
    year > 0, (1...12).contains(month)
  else { return false }
  let isLeap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
  let days = [31, isLeap ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
  return (1...days[month - 1]).contains(day)
}

/// `2024-02-29 12:30:00.5` as the server prints it; with a zone it is UTC's, `+00`, which may be left out or be `Z`.
private func timestampText(_ text: [UInt8], hasZone: Bool) -> [UInt8]? {
  var rest = text[...]
  if hasZone {
    if rest.last == UInt8(ascii: "Z") { rest = rest.dropLast() }
    if rest.suffix(3).elementsEqual("+00".utf8) { rest = rest.dropLast(3) }
  }
  let separator = rest.dropFirst(10).first
  guard rest.count >= 19, isDate(rest.prefix(10)), separator == UInt8(ascii: " ") || separator == UInt8(ascii: "T")
  else { return nil }
  let time = rest.dropFirst(11).prefix(8)
  let parts = time.split(separator: UInt8(ascii: ":"), omittingEmptySubsequences: false)
  guard parts.count == 3, let hour = number(parts[0], 2), let minute = number(parts[1], 2),
    let second = number(parts[2], 2), hour < 24, minute < 60, second < 60
  else { return nil }
  var fraction = Array(rest.dropFirst(19))
  if !fraction.isEmpty {
    guard fraction.count > 1, fraction.count <= 7, fraction[0] == UInt8(ascii: "."),
      fraction.dropFirst().allSatisfy(\.isDigit)
    else { return nil }
    while fraction.last == UInt8(ascii: "0") { fraction.removeLast() }
    if fraction.count == 1 { fraction = [] }
  }
  return Array(rest.prefix(10)) + [UInt8(ascii: " ")] + time + fraction + (hasZone ? Array("+00".utf8) : [])
}

private func uuidText(_ text: [UInt8]) -> [UInt8]? {
  guard text.count == 36 else { return nil }
  for (index, byte) in text.enumerated() {
    let isHyphen = [8, 13, 18, 23].contains(index)
    let isHex = byte.isDigit || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains(byte | 0x20)
    guard isHyphen ? byte == UInt8(ascii: "-") : isHex else { return nil }
  }
  return text.map { (UInt8(ascii: "A")...UInt8(ascii: "F")).contains($0) ? $0 | 0x20 : $0 }
}
