import Runtime

/// A JSON value whose objects keep the order they were written in.
package indirect enum JSONValue: Hashable, Sendable {
  /// One member of an object.
  package struct Member: Hashable, Sendable {
    let key: String
    let value: JSONValue
  }

  case string(String), integer(Int), boolean(Bool)
  case array([JSONValue])
  case object([Member])

  /// An object with its members in order.
  static func object(_ members: KeyValuePairs<String, JSONValue>) -> JSONValue {
    .object(members.map { Member(key: $0.key, value: $0.value) })
  }

  static func strings(_ values: [String]) -> JSONValue { .array(values.map(JSONValue.string)) }

  /// Indented JSON text without a final newline; arrays of plain values stay on one line.
  package func text(indent: String = "") -> String {
    let inner = indent + "  "
    switch self {
    case .string(let value): return jsonString(value)
    case .integer(let value): return String(value)
    case .boolean(let value): return String(value)
    case .array(let values):
      if values.allSatisfy(\.isPlain) { return "[" + values.map { $0.text() }.joined(separator: ", ") + "]" }
      return "[\n" + values.map { inner + $0.text(indent: inner) }.joined(separator: ",\n") + "\n\(indent)]"
    case .object(let members):
      if members.isEmpty { return "{}" }
      let lines = members.map { "\(inner)\(jsonString($0.key)): \($0.value.text(indent: inner))" }
      return "{\n" + lines.joined(separator: ",\n") + "\n\(indent)}"
    }
  }

  private var isPlain: Bool {
    switch self {
    case .string, .integer, .boolean: true
    case .array, .object: false
    }
  }
}
