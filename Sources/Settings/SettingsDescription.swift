/// The type of a setting's value. The parser's messages, the JSON Schema and the documentation all come from it.
package indirect enum SettingType: Hashable, Sendable {
  /// Text that matches a regular expression as a whole; `expected` says it in words.
  case text(pattern: String, expected: String)
  /// Any text that is not empty; never shown.
  case secret
  case boolean
  case integer(ClosedRange<Int>)
  case choice([String])
  /// In milliseconds. It has two spellings: `key: 5s`, or `key-ms: 5000`.
  case duration(ClosedRange<Int>)
  /// In bytes.
  case byteSize(ClosedRange<Int>)
  case connectionURL
  case tablePattern
  case tableTarget
  /// A list of that many or more.
  case list(SettingType, minimum: Int)
  /// Names of the user's own with texts that are never shown.
  case texts
  case section(SectionDescription)

  /// What a value must be, to follow "expected" in messages.
  var expected: String {
    switch self {
    case .duration: documented + ", such as 500ms, 1s or 5min"
    case .byteSize: documented + ", such as 8MiB or 64MB"
    default: documented
    }
  }

  /// The same without what the documentation's introduction says about the unit.
  var documented: String {
    switch self {
    case .text(_, let expected): expected
    case .secret: "text"
    case .boolean: "true or false"
    case .integer(let range): "an integer from \(range.lowerBound) to \(range.upperBound)"
    case .choice(let names): Self.alternatives(names)
    case .duration(let range):
      "a duration from \(durationText(range.lowerBound)) to \(durationText(range.upperBound))"
    case .byteSize(let range):
      "a size from \(byteSizeText(range.lowerBound)) to \(byteSizeText(range.upperBound))"
    case .connectionURL: "a URL such as postgresql://user@host:5432/database"
    case .tablePattern: "schema.table, such as public.orders, public.* or '\"My Schema\".orders'"
    case .tableTarget: "schema.table, such as app.orders or app.*"
    case .list(let element, _):
      switch element {
      case .section: "a list of mappings"
      case .tablePattern: "a list of table names and patterns"
      case .choice(let names): "a list of \(Self.alternatives(names))"
      case .list: "a list of lists"
      default: "a list"
      }
    case .texts: "a mapping of names to texts"
    case .section: "a mapping"
    }
  }

  /// Whether messages must not show a value of this type.
  var isSecret: Bool { self == .secret || self == .connectionURL }

  /// Whether it is a choice with this name in it.
  func allows(_ name: String) -> Bool {
    if case .choice(let names) = self { return names.contains(name) }
    return false
  }

  /// `a`, `a or b`, `a, b or c`.
  static func alternatives(_ names: [String]) -> String {
    names.count < 2 ? names.joined() : names.dropLast().joined(separator: ", ") + " or " + names[names.count - 1]
  }
}

/// One setting: everything there is to say about it.
package struct SettingDescription: Hashable, Sendable {
  package enum Presence: Hashable, Sendable {
    case required
    /// What it means when it is absent.
    case optional(String)
    case byDefault(JSONValue, text: String)
  }

  package let key: String
  package let type: SettingType
  package let presence: Presence
  /// Full sentences.
  package let summary: String

  /// The names under which it may be given.
  var spellings: [String] {
    if case .duration = type { return [key, key + "-ms"] }
    return [key]
  }
}

/// A rule about several settings of one section.
package enum SettingRule: Hashable, Sendable {
  /// The first one excludes each of the others.
  case excludes(String, [String])
  /// One of them is needed: always, or when another setting is given.
  case needsOne([String], with: String? = nil)
  /// One of them is needed unless a choice has one of these values.
  case needsOneUnless(key: String, values: [String], [String])
  /// These settings apply only when a choice has this value.
  case onlyWhen(key: String, value: String, [String])
  /// A choice may have only some of its values when another has this one.
  case choicesWhen(key: String, value: String, choice: String, [String])
}

/// The settings of one section and the rules between them, in the order of the documentation.
package struct SectionDescription: Hashable, Sendable {
  package var settings: [SettingDescription] = []
  package var rules: [SettingRule] = []

  var spellings: [String] { settings.flatMap(\.spellings) }
}
