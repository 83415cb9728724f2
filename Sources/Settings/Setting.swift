import ChangeModel

/// Why a value is not what a setting wants.
struct ValueProblem: Error, Hashable {
  /// Goes on after the value, such as `is out of range`.
  var what: String
  /// Instead of the type's own.
  var expected: String?
  /// What to do, after what was expected.
  var advice: String?
}

/// One setting with the Swift type it is read into.
struct Setting<Value: Sendable> {
  let key: String
  let type: SettingType
  let summary: String
  /// Stands for the value after a problem was reported; nobody sees it, as reading then fails as a whole.
  let placeholder: Value
  /// The value as the configuration file would have it, to describe a default.
  let written: (Value) -> (json: JSONValue, text: String)
  let read: (ExpandedScalar) throws(ValueProblem) -> Value
}

extension Setting where Value == String {
  /// - Parameter pattern: a regular expression that means the same to Swift and to ECMAScript, without anchors.
  static func text(_ key: String, _ pattern: String, expected: String, _ summary: String) -> Self {
    Setting(
      key: key, type: .text(pattern: pattern, expected: expected), summary: summary, placeholder: "",
      written: { (.string($0), $0) },
      read: { (scalar) throws(ValueProblem) in
        let text = try scalar.asText(isFree: true)
        // The patterns are constants, each used by a test.
        guard let regex = try? Regex(pattern).matchingSemantics(.unicodeScalar), text.wholeMatch(of: regex) != nil
        else { throw ValueProblem(what: text.isEmpty ? "is empty" : "is not valid") }
        return text
      })
  }

  /// Any text that is not empty.
  static func text(_ key: String, _ summary: String) -> Self {
    .text(key, #"[\s\S]+"#, expected: "text", summary)
  }
}

extension Setting where Value == Secret {
  static func secret(_ key: String, _ summary: String) -> Self {
    Setting(
      key: key, type: .secret, summary: summary, placeholder: Secret(""), written: { _ in (.string("***"), "***") },
      read: { (scalar) throws(ValueProblem) in
        let text = try scalar.asText(isFree: true)
        if text.isEmpty { throw ValueProblem(what: "is empty") }
        return Secret(text)
      })
  }
}

extension Setting where Value == Bool {
  static func boolean(_ key: String, _ summary: String) -> Self {
    Setting(
      key: key, type: .boolean, summary: summary, placeholder: false, written: { (.boolean($0), String($0)) },
      read: { (scalar) throws(ValueProblem) in
        try scalar.require(.boolean)
        switch scalar.text {
        case "true", "True", "TRUE": return true
        case "false", "False", "FALSE": return false
        default: throw ValueProblem(what: "is not a boolean")
        }
      })
  }
}

extension Setting where Value == Int {
  static func integer(_ key: String, in range: ClosedRange<Int>, _ summary: String) -> Self {
    Setting(
      key: key, type: .integer(range), summary: summary, placeholder: range.lowerBound,
      written: { (.integer($0), String($0)) },
      read: { (scalar) throws(ValueProblem) in
        try scalar.require(.integer)
        return try scalar.integer(in: range)
      })
  }

  /// Bytes, written with a unit or as a plain number.
  static func byteSize(_ key: String, in range: ClosedRange<Int>, _ summary: String) -> Self {
    Setting(
      key: key, type: .byteSize(range), summary: summary, placeholder: range.lowerBound,
      written: { (.string(byteSizeText($0)), byteSizeText($0)) },
      read: { (scalar) throws(ValueProblem) in
        if scalar.kind == .integer { return try scalar.integer(in: range) }
        let text = try scalar.asText()
        if scalar.kind == .text, YAMLScalar(text: text, isPlain: true).kind == .integer {
          throw ValueProblem(what: "is text", advice: "remove the quotes")
        }
        guard let bytes = parsedByteSize(text) else { throw ValueProblem(what: "is not a size") }
        guard range.contains(bytes) else { throw ValueProblem(what: "is out of range") }
        return bytes
      })
  }
}

extension Setting where Value == Duration {
  /// - Parameter range: in milliseconds.
  static func duration(_ key: String, in range: ClosedRange<Int>, _ summary: String) -> Self {
    Setting(
      key: key, type: .duration(range), summary: summary, placeholder: .zero,
      written: { value in
        let text = durationText(Int(value / .milliseconds(1)))
        return (.string(text), text)
      },
      read: { (scalar) throws(ValueProblem) in
        if scalar.text == "0", scalar.kind != .text, range.contains(0) { return .zero }
        if scalar.kind == .integer {
          throw ValueProblem(what: "has no unit", advice: "or give milliseconds as \(key)-ms")
        }
        let text = try scalar.asText()
        guard let milliseconds = parsedDuration(text) else { throw ValueProblem(what: "is not a duration") }
        guard range.contains(milliseconds) else { throw ValueProblem(what: "is out of range") }
        return .milliseconds(milliseconds)
      })
  }

  /// The other spelling of a duration: integer milliseconds under `key-ms`.
  static func milliseconds(_ key: String, in range: ClosedRange<Int>) -> Self {
    Setting(
      key: key, type: .integer(range), summary: "", placeholder: .zero, written: { _ in (.integer(0), "") },
      read: { (scalar) throws(ValueProblem) in
        try scalar.require(.integer)
        return .milliseconds(try scalar.integer(in: range))
      })
  }
}

extension Setting {
  /// One of a few names, each standing for a value; the first is the placeholder.
  static func choice(_ key: String, _ choices: KeyValuePairs<String, Value>, _ summary: String) -> Self
  where Value: Equatable {
    let names = choices.map(\.key)
    return Setting(
      key: key, type: .choice(names), summary: summary, placeholder: choices[0].value,
      written: { value in
        let name = choices.first { $0.value == value }?.key ?? ""
        return (.string(name), name)
      },
      read: { (scalar) throws(ValueProblem) in
        let text = try scalar.asText()
        if let choice = choices.first(where: { $0.key == text }) { return choice.value }
        let advice = nearestName(to: text, among: names).map { "did you mean \"\($0)\"?" }
        throw ValueProblem(what: text.isEmpty ? "is empty" : "is not known", advice: advice)
      })
  }
}

extension Setting where Value == String {
  /// The name of something built in, or of an extension that the program brings.
  ///
  /// - Parameter kind: what the name stands for, with its article: `an authentication provider`.
  static func name(
    _ key: String, builtIn: [String], registered: some Collection<String>, kind: String, _ summary: String
  ) -> Self {
    let names = builtIn + registered.sorted()
    return Setting(
      key: key, type: .choice(names), summary: summary, placeholder: names[0], written: { (.string($0), $0) },
      read: { (scalar) throws(ValueProblem) in
        let text = try scalar.asText()
        if names.contains(text) { return text }
        let nearest = nearestName(to: text, among: names).map { "did you mean \"\($0)\"? " } ?? ""
        throw ValueProblem(
          what: text.isEmpty ? "is empty" : "is not known",
          advice: nearest + "\(kind) of another name is registered by a program of your own: docs/extending.md")
      })
  }
}

extension ExpandedScalar {
  /// How messages show the value: text in quotes, the rest bare.
  var quoted: String { kind == .text || kind == nil ? "\"\(shown(written))\"" : shown(written) }

  /// Refuses a scalar that the file itself gives another type.
  func require(_ wanted: YAMLScalar.Kind) throws(ValueProblem) {
    guard let kind, kind != wanted else { return }
    if kind == .text, YAMLScalar(text: text, isPlain: true).kind == wanted {
      throw ValueProblem(what: "is text", advice: "remove the quotes")
    }
    throw ValueProblem(what: kind.phrase)
  }

  /// Its text, unless the file itself gives it another type.
  /// - Parameter isFree: whether any text will do, so that quotes are what is missing.
  func asText(isFree: Bool = false) throws(ValueProblem) -> String {
    guard let kind, kind != .text else { return text }
    if kind == .null { throw ValueProblem(what: kind.phrase) }
    throw ValueProblem(what: kind.phrase, advice: isFree ? "put it in quotes" : nil)
  }

  func integer(in range: ClosedRange<Int>) throws(ValueProblem) -> Int {
    guard YAMLScalar(text: text, isPlain: true).kind == .integer else {
      throw ValueProblem(what: "is not an integer")
    }
    let digits = text.hasPrefix("+") ? text.dropFirst() : text[...]
    // Hexadecimal and octal forms are YAML integers too, but nobody means them here.
    if text.hasPrefix("0x") || text.hasPrefix("0o") { throw ValueProblem(what: "is not a decimal number") }
    guard let value = Int(digits), range.contains(value) else { throw ValueProblem(what: "is out of range") }
    return value
  }
}

extension YAMLScalar.Kind {
  /// Follows a value in a message.
  fileprivate var phrase: String {
    switch self {
    case .null: "is empty"
    case .boolean: "is a boolean"
    case .integer, .number: "is a number"
    case .text: "is text"
    }
  }
}
