import Foundation

@testable import Settings

/// Any JSON value.
enum JSON: Hashable, Decodable {
  case null, boolean(Bool), integer(Int), number(Double), string(String)
  indirect case array([JSON]), object([String: JSON])

  init(from decoder: any Decoder) throws {
    let value = try decoder.singleValueContainer()
    if value.decodeNil() {
      self = .null
    } else if let boolean = try? value.decode(Bool.self) {
      self = .boolean(boolean)
    } else if let integer = try? value.decode(Int.self) {
      self = .integer(integer)
    } else if let number = try? value.decode(Double.self) {
      self = .number(number)
    } else if let string = try? value.decode(String.self) {
      self = .string(string)
    } else if let array = try? value.decode([JSON].self) {
      self = .array(array)
    } else {
      self = .object(try value.decode([String: JSON].self))
    }
  }

  /// A YAML value as an editor sees it.
  init(_ node: YAMLNode) {
    switch node.content {
    case .scalar(let scalar):
      switch scalar.kind {
      case .null: self = .null
      case .boolean: self = .boolean(scalar.text.lowercased() == "true")
      case .integer: self = Int(scalar.text).map(JSON.integer) ?? .number(Double(scalar.text) ?? 0)
      case .number: self = .number(Double(scalar.text) ?? 0)
      case .text: self = .string(scalar.text)
      }
    case .sequence(let nodes): self = .array(nodes.map { JSON($0) })
    case .mapping(let entries):
      self = .object(Dictionary(entries.map { ($0.key, JSON($0.value)) }) { first, _ in first })
    case .reported: self = .null
    }
  }

  var type: String {
    switch self {
    case .null: "null"
    case .boolean: "boolean"
    case .integer: "integer"
    case .number: "number"
    case .string: "string"
    case .array: "array"
    case .object: "object"
    }
  }

  var number: Double? {
    switch self {
    case .integer(let value): Double(value)
    case .number(let value): value
    default: nil
    }
  }

  var text: String? { if case .string(let text) = self { text } else { nil } }
  var elements: [JSON]? { if case .array(let elements) = self { elements } else { nil } }
  var members: [String: JSON]? { if case .object(let members) = self { members } else { nil } }
}

/// Judges values by a JSON Schema: the keywords that `penstock schema` uses, written from the specification (draft
/// 2020-12) and not from the settings' description, so that parser and schema meet on neutral ground.
struct JSONSchemaEvaluator {
  struct UnknownKeyword: Error { let name: String }

  let root: JSON

  init(_ text: String) throws { root = try JSONDecoder().decode(JSON.self, from: Data(text.utf8)) }

  /// - Throws: `UnknownKeyword` when the schema says something that this evaluator does not know.
  func accepts(_ value: JSON) throws -> Bool { try accepts(value, root) }

  private func accepts(_ value: JSON, _ schema: JSON) throws -> Bool {
    if case .boolean(let verdict) = schema { return verdict }
    let keywords = schema.members ?? [:]
    for (keyword, rule) in keywords where try !accepts(value, keyword, rule, keywords) { return false }
    return true
  }

  private func accepts(_ value: JSON, _ keyword: String, _ rule: JSON, _ schema: [String: JSON]) throws -> Bool {
    switch keyword {
    case "$schema", "$defs", "title", "description", "default", "then": return true
    case "$ref":
      let name = rule.text?.split(separator: "/").last.map(String.init) ?? ""
      return try accepts(value, root.members?["$defs"]?.members?[name] ?? .boolean(false))
    case "anyOf": return try rule.elements?.contains { try accepts(value, $0) } ?? true
    case "allOf": return try rule.elements?.allSatisfy { try accepts(value, $0) } ?? true
    case "if": return try !accepts(value, rule) || accepts(value, schema["then"] ?? .boolean(true))
    case "type": return rule.text == value.type
    case "enum": return rule.elements?.contains(value) ?? true
    case "const": return rule == value
    case "minimum": return value.number.map { $0 >= rule.number ?? 0 } ?? true
    case "maximum": return value.number.map { $0 <= rule.number ?? 0 } ?? true
    case "minLength": return value.text.map { Double($0.count) >= rule.number ?? 0 } ?? true
    case "pattern":
      return value.text.map { $0.range(of: rule.text ?? "", options: .regularExpression) != nil } ?? true
    case "minItems": return value.elements.map { Double($0.count) >= rule.number ?? 0 } ?? true
    case "items": return try value.elements?.allSatisfy { try accepts($0, rule) } ?? true
    case "required":
      return value.members.map { all in rule.elements?.allSatisfy { all[$0.text ?? ""] != nil } ?? true } ?? true
    case "properties":
      return try rule.members?.allSatisfy { key, inner in
        try value.members?[key].map { try accepts($0, inner) } ?? true
      } ?? true
    case "additionalProperties":
      let known = schema["properties"]?.members ?? [:]
      return try value.members?.allSatisfy { try known[$0.key] != nil || accepts($0.value, rule) } ?? true
    default: throw UnknownKeyword(name: keyword)
    }
  }
}
