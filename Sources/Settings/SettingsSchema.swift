extension SectionDescription {
  /// The JSON Schema (draft 2020-12) of a configuration file whose root this section is, for editors.
  package var jsonSchema: JSONValue {
    var members: [JSONValue.Member] = [
      .init(key: "$schema", value: .string("https://json-schema.org/draft/2020-12/schema")),
      .init(key: "title", value: .string("Penstock pipeline")),
    ]
    if case .object(let root) = schema { members += root }
    let environment: JSONValue = .object([
      "description": .string("A value taken from the environment: ${NAME} or ${NAME:-default}."),
      "type": .string("string"), "pattern": .string(#"\$\{"#),
    ])
    members.append(.init(key: "$defs", value: .object(["environment": environment])))
    return .object(members)
  }

  /// The schema of the section alone.
  fileprivate var schema: JSONValue {
    let required = settings.filter { $0.presence == .required && $0.spellings.count == 1 }.map(\.key)
    var members: [JSONValue.Member] = [
      .init(key: "type", value: .string("object")), .init(key: "additionalProperties", value: .boolean(false)),
    ]
    if !required.isEmpty { members.append(.init(key: "required", value: .strings(required))) }
    members.append(.init(key: "properties", value: .object(settings.flatMap(\.properties))))
    let conditions = settings.filter { $0.spellings.count > 1 }.map {
      Self.forbidding($0.spellings[0], [$0.spellings[1]])
    }
    let all = conditions + rules.map(schema(of:))
    if !all.isEmpty { members.append(.init(key: "allOf", value: .array(all))) }
    return .object(members)
  }

  private func schema(of rule: SettingRule) -> JSONValue {
    switch rule {
    case .excludes(let key, let others): return Self.forbidding(key, others)
    case .needsOne(let keys, let other):
      let needed: JSONValue = .object(["anyOf": .array(keys.map { Self.requiring($0) })])
      guard let other else { return needed }
      return .object(["if": Self.requiring(other), "then": needed])
    case .needsOneUnless(let key, let values, let keys):
      let isOther: JSONValue = .object([
        "required": .strings([key]),
        "properties": .object([.init(key: key, value: .object(["enum": .strings(values)]))]),
      ])
      return .object(["anyOf": .array([isOther] + keys.map { Self.requiring($0) })])
    case .onlyWhen(let key, let value, let others):
      let rest = names(of: key).filter { $0 != value }
      let isOtherwise: JSONValue = .object([
        "required": .strings([key]), "properties": .object([.init(key: key, value: .object(["enum": .strings(rest)]))]),
      ])
      return .object(["if": isOtherwise, "then": Self.without(others)])
    case .choicesWhen(let key, let value, let choice, let allowed):
      let hasValue: JSONValue = .object([
        "required": .strings([key]),
        "properties": .object([.init(key: key, value: .object(["const": .string(value)]))]),
      ])
      let narrowed: JSONValue = .object([
        "properties": .object([.init(key: choice, value: orEnvironment(.object(["enum": .strings(allowed)])))])
      ])
      return .object(["if": hasValue, "then": narrowed])
    }
  }

  private func names(of key: String) -> [String] {
    guard case .choice(let names) = settings.first(where: { $0.key == key })?.type else { return [] }
    return names
  }

  private static func requiring(_ key: String) -> JSONValue { .object(["required": .strings([key])]) }

  private static func without(_ keys: [String]) -> JSONValue {
    .object(["properties": .object(keys.map { .init(key: $0, value: .boolean(false)) })])
  }

  private static func forbidding(_ key: String, _ others: [String]) -> JSONValue {
    .object(["if": requiring(key), "then": without(others)])
  }
}

extension SettingDescription {
  /// Its members of `properties`: one for each spelling.
  fileprivate var properties: [JSONValue.Member] {
    var members: [JSONValue.Member] = [.init(key: "description", value: .string(schemaText))]
    if case .object(let type) = type.schema { members += type }
    if case .byDefault(let value, _) = presence { members.append(.init(key: "default", value: value)) }
    let own = JSONValue.Member(key: key, value: .object(members))
    guard case .duration(let range) = type else { return [own] }
    let milliseconds: [JSONValue.Member] = [
      .init(key: "description", value: .string("The same as \(key), in milliseconds."))
    ]
    guard case .object(let integer) = SettingType.integer(range).schema else { return [own] }
    return [own, .init(key: key + "-ms", value: .object(milliseconds + integer))]
  }

  private var schemaText: String {
    switch presence {
    case .required, .byDefault: summary
    case .optional(let absent): "\(summary) Default: \(absent)."
    }
  }
}

extension SettingType {
  /// What a value of the type must be; an object of schema keywords.
  fileprivate var schema: JSONValue {
    switch self {
    case .text(let pattern, _):
      orEnvironment(.object(["type": .string("string"), "pattern": .string("^(?:\(pattern))$")]))
    case .secret: .object(["type": .string("string"), "minLength": .integer(1)])
    case .boolean: orEnvironment(.object(["type": .string("boolean")]))
    case .integer(let range): orEnvironment(Self.integerSchema(range))
    case .choice(let names): orEnvironment(.object(["enum": .strings(names)]))
    case .duration(let range):
      if range.contains(0) {
        orEnvironment(Self.pattern(durationPattern), .object(["const": .integer(0)]))
      } else {
        orEnvironment(Self.pattern(durationPattern))
      }
    case .byteSize(let range): orEnvironment(Self.pattern(byteSizePattern), Self.integerSchema(range))
    case .connectionURL: orEnvironment(.object(["type": .string("string"), "pattern": .string("^postgres(ql)?://")]))
    // Names of DynamoDB tables have no schema.
    case .tablePattern: orEnvironment(.object(["type": .string("string"), "minLength": .integer(1)]))
    case .tableTarget: orEnvironment(.object(["type": .string("string"), "pattern": .string(#".\.."#)]))
    case .list(let element, let minimum):
      .object(["type": .string("array"), "minItems": .integer(minimum), "items": element.schema])
    case .texts:
      .object([
        "type": .string("object"),
        "additionalProperties": .object(["type": .string("string"), "minLength": .integer(1)]),
      ])
    case .section(let section): section.schema
    }
  }

  private static func integerSchema(_ range: ClosedRange<Int>) -> JSONValue {
    .object([
      "type": .string("integer"), "minimum": .integer(range.lowerBound), "maximum": .integer(range.upperBound),
    ])
  }

  private static func pattern(_ pattern: String) -> JSONValue {
    .object(["type": .string("string"), "pattern": .string("^\(pattern)$")])
  }
}

/// Any of the schemas, or a value from the environment.
private func orEnvironment(_ schemas: JSONValue...) -> JSONValue {
  .object(["anyOf": .array(schemas + [.object(["$ref": .string("#/$defs/environment")])])])
}
