import ChangeModel
import PenstockExtensions

/// One mapping of the file while it is read.
///
/// Reading a setting also describes it: the same call names the key, type, range, default and meaning, so parser, schema
/// and documentation have one origin. Values after a problem are placeholders; the problems decide at the end.
struct SettingsSection {
  private(set) var description = SectionDescription()
  private(set) var problems: [SettingsProblem] = []
  /// Where it is in the file: empty for the root, else such as `sink.retry`.
  let path: String
  /// Where what is missing in it is reported.
  private let mark: Mark
  private let entries: [String: YAMLEntry]
  private let order: [YAMLEntry]
  private let source: SettingsSource

  init(_ entries: [YAMLEntry], path: String, mark: Mark, source: SettingsSource) {
    self.order = entries
    self.entries = Dictionary(entries.map { ($0.key, $0) }, uniquingKeysWith: { first, _ in first })
    self.path = path
    self.mark = mark
    self.source = source
  }

  /// Whether the file gives it, in whichever spelling.
  func isGiven(_ key: String) -> Bool { entry(key) != nil }

  /// The line on which the file gives it.
  func line(_ key: String) -> Int? { entry(key)?.keyMark.line }

  /// The file and the line on which the file gives it, or on which the section begins.
  func place(_ key: String) -> String { "\(source.file):\((entry(key)?.keyMark ?? mark).line)" }

  // MARK: - Reading values

  mutating func required<Value>(_ setting: Setting<Value>) -> Value {
    describe(setting, .required)
    if let value = given(setting) { return value }
    if !isGiven(setting.key) { reportMissing(setting.key, setting.type) }
    return setting.placeholder
  }

  /// - Parameter absent: what it means when it is not given, as text after "Default:".
  mutating func optional<Value>(_ setting: Setting<Value>, absent: String) -> Value? {
    describe(setting, .optional(absent))
    return given(setting)
  }

  mutating func value<Value>(_ setting: Setting<Value>, default value: Value) -> Value {
    let written = setting.written(value)
    describe(setting, .byDefault(written.json, text: written.text))
    return given(setting) ?? value
  }

  /// A list of values of one type.
  /// - Parameter minimum: how many there must be at least; with 0 the key may be absent.
  mutating func list<Value>(_ element: Setting<Value>, minimum: Int) -> [Value] {
    let type = SettingType.list(element.type, minimum: minimum)
    describe(element.key, type, minimum > 0 ? .required : .optional("none"), element.summary)
    guard let entry = entry(element.key) else {
      if minimum > 0 { reportMissing(element.key, type) }
      return []
    }
    return elements(of: entry, type, minimum: minimum).compactMap { node, path in read(element, node, path: path) }
  }

  /// A list of lists of values of one type, none of which is empty; it may be absent.
  mutating func lists<Value>(of element: Setting<Value>) -> [[Value]] {
    let inner = SettingType.list(element.type, minimum: 1)
    let type = SettingType.list(inner, minimum: 0)
    describe(element.key, type, .optional("none"), element.summary)
    guard let entry = entry(element.key) else { return [] }
    return elements(of: entry, type, minimum: 0).map { node, path in
      switch node.content {
      case .sequence(let nodes):
        if nodes.isEmpty { report(path: path, "is an empty list; expected at least 1", at: node.mark) }
        return nodes.enumerated().compactMap { read(element, $1, path: "\(path)[\($0)]") }
      case .reported: break
      default: report(path: path, "\(node.content.phrase); expected \(inner.expected)", at: node.mark)
      }
      return []
    }
  }

  /// A mapping of names of the user's own to texts, which are never shown; it may be absent.
  mutating func texts(_ key: String, _ summary: String) -> [String: Secret] {
    describe(key, .texts, .optional("none"), summary)
    guard let entry = entry(key) else { return [:] }
    guard case .mapping(let entries) = entry.value.content else {
      if entry.value.content != .reported {
        report(key, "\(entry.value.content.phrase); expected \(SettingType.texts.expected)", at: entry.value.mark)
      }
      return [:]
    }
    var texts: [String: Secret] = [:]
    for entry in entries {
      let text = read(.secret(entry.key, ""), entry.value, path: "\(path(to: key)).\(shown(entry.key))")
      if let text { texts[entry.key] = text }
    }
    return texts
  }

  /// An empty section of the same file, whose problems nobody hears of.
  var blank: SettingsSection { SettingsSection([], path: path, mark: mark, source: source) }

  /// The names under which the program that reads the file offers extensions.
  var extensions: Extensions { source.extensions }

  /// A section inside this one; absent is the same as empty.
  mutating func section<Value>(
    _ key: String, _ summary: String, isRequired: Bool = false, _ body: (inout SettingsSection) -> Value
  ) -> Value {
    let entry = entry(key)
    var entries: [YAMLEntry] = []
    var isReadable = true
    switch entry?.value.content {
    case .mapping(let given): entries = given
    case nil: if isRequired { reportMissing(key, .section(SectionDescription())) }
    case .reported: isReadable = false
    case .some(let content):
      isReadable = false
      report(key, "\(content.phrase); expected a mapping", at: entry?.value.mark)
    }
    var inner = SettingsSection(
      entries, path: path(to: key), mark: entry?.keyMark ?? mark, source: source)
    let value = body(&inner)
    describe(
      key, .section(inner.description), isRequired ? .required : .optional("the defaults of its settings"), summary)
    // Without the section, what is missing inside is no news.
    if isReadable, entry != nil || !isRequired { problems += inner.finished() }
    return value
  }

  /// A list of sections, which may be absent.
  mutating func sections<Value>(
    _ key: String, _ summary: String, _ body: (inout SettingsSection) -> Value
  ) -> [Value] {
    var blank = SettingsSection([], path: "", mark: mark, source: source)
    _ = body(&blank)
    let type = SettingType.list(.section(blank.description), minimum: 0)
    describe(key, type, .optional("none"), summary)
    guard let entry = entry(key) else { return [] }
    var values: [Value] = []
    for (node, path) in elements(of: entry, type, minimum: 0) {
      switch node.content {
      case .mapping(let entries):
        var inner = SettingsSection(entries, path: path, mark: node.mark, source: source)
        values.append(body(&inner))
        problems += inner.finished()
      case .reported: break
      default: report(path: path, "\(node.content.phrase); expected a mapping", at: node.mark)
      }
    }
    return values
  }

  // MARK: - Rules between settings

  /// States a rule; `finished` reports where the file breaks it.
  mutating func rule(_ rule: SettingRule) { description.rules.append(rule) }

  /// Reports a problem that only the reader of this section can see.
  mutating func report(_ key: String, _ message: String) {
    let entry = entry(key)
    report(path: path(to: entry?.key ?? key), message, at: entry?.value.mark ?? mark)
  }

  /// All problems, broken rules and keys that nobody asked for included. Last call to a section.
  mutating func finished() -> [SettingsProblem] {
    for rule in description.rules { check(rule) }
    let known = description.spellings
    for entry in order where !known.contains(entry.key) {
      let advice =
        nearestName(to: entry.key, among: known).map { "did you mean \"\($0)\"?" }
        ?? "expected \(SettingType.alternatives(description.settings.map(\.key)))"
      report(path: path(to: shown(entry.key)), "unknown key; \(advice)", at: entry.keyMark)
    }
    return problems
  }

  private mutating func check(_ rule: SettingRule) {
    switch rule {
    case .excludes(let key, let others):
      guard let line = line(key) else { return }
      for other in others where isGiven(other) {
        report(other, "given together with \(key) on line \(line); expected only one of them")
      }
    case .needsOneUnless(let key, let values, let keys):
      if let value = text(key), values.contains(value) { return }
      check(.needsOne(keys))
    case .needsOne(let keys, let other):
      if let other, !isGiven(other) || isExcluded(other) { return }
      let candidates = keys.filter { !isExcluded($0) }
      if candidates.contains(where: isGiven) { return }
      if candidates.count == 1, let setting = description.settings.first(where: { $0.key == candidates[0] }) {
        reportMissing(setting.key, setting.type)
      } else {
        report(path: path, "\(SettingType.alternatives(candidates)) is missing; expected one of them", at: mark)
      }
    case .onlyWhen(let key, let value, let others):
      guard isOtherwise(key, value) else { return }
      for other in others where isGiven(other) {
        report(other, "only for \(key): \(value); expected it to be absent")
      }
    case .choicesWhen(let key, let value, let choice, let allowed):
      guard text(key) == value, let given = text(choice), !allowed.contains(given) else { return }
      guard description.settings.contains(where: { $0.key == choice && $0.type.allows(given) }) else { return }
      report(choice, "\"\(given)\" can't be used with \(key): \(value); expected \(SettingType.alternatives(allowed))")
    }
  }

  /// Whether another rule reports the key already, or would if it were given.
  private func isExcluded(_ key: String) -> Bool {
    description.rules.contains { rule in
      switch rule {
      case .excludes(let other, let keys): isGiven(other) && isGiven(key) && keys.contains(key)
      case .onlyWhen(let choice, let value, let keys): keys.contains(key) && isOtherwise(choice, value)
      case .needsOne, .needsOneUnless, .choicesWhen: false
      }
    }
  }

  /// Whether a choice has another of its values than this one.
  private func isOtherwise(_ key: String, _ value: String) -> Bool {
    guard let actual = text(key), actual != value else { return false }
    return description.settings.contains { $0.key == key && $0.type.allows(actual) }
  }

  // MARK: - Inside

  private func entry(_ key: String) -> YAMLEntry? { entries[key] ?? entries[key + "-ms"] }

  private func path(to key: String) -> String { path.isEmpty ? key : "\(path).\(key)" }

  /// The text of a scalar as far as it can be read without a problem.
  private func text(_ key: String) -> String? {
    guard case .scalar(let scalar) = entry(key)?.value.content else { return nil }
    return try? scalar.expanded(source.environment).text
  }

  private mutating func describe<Value>(_ setting: Setting<Value>, _ presence: SettingDescription.Presence) {
    describe(setting.key, setting.type, presence, setting.summary)
  }

  private mutating func describe(
    _ key: String, _ type: SettingType, _ presence: SettingDescription.Presence, _ summary: String
  ) {
    description.settings.append(SettingDescription(key: key, type: type, presence: presence, summary: summary))
  }

  /// The value in the file, or `nil` when it is absent or was reported.
  private mutating func given<Value>(_ setting: Setting<Value>) -> Value? {
    if case .duration(let range) = setting.type, let entry = entries[setting.key + "-ms"] {
      if let other = entries[setting.key] {
        let (first, second) = other.keyMark < entry.keyMark ? (other, entry) : (entry, other)
        report(
          path: path(to: second.key),
          "given together with \(first.key) on line \(first.keyMark.line); expected only one of them",
          at: second.keyMark)
        return nil
      }
      let milliseconds = Setting<Duration>.milliseconds(entry.key, in: range)
      return read(milliseconds, entry.value, path: path(to: entry.key)) as? Value
    }
    guard let entry = entries[setting.key] else { return nil }
    return read(setting, entry.value, path: path(to: setting.key))
  }

  private mutating func read<Value>(_ setting: Setting<Value>, _ node: YAMLNode, path: String) -> Value? {
    switch node.content {
    case .reported: return nil
    case .scalar(let scalar):
      let expanded: ExpandedScalar
      do { expanded = try scalar.expanded(source.environment) } catch {
        report(path: path, error.message, at: node.mark)
        return nil
      }
      do { return try setting.read(expanded) } catch {
        let isShown = !setting.type.isSecret && !expanded.written.isEmpty && expanded.kind != .null
        var message = (isShown ? expanded.quoted + " " : "") + error.what
        message += "; expected \(error.expected ?? setting.type.expected)"
        if let advice = error.advice { message += "; \(advice)" }
        report(path: path, message, at: node.mark)
        return nil
      }
    default:
      report(path: path, "\(node.content.phrase); expected \(setting.type.expected)", at: node.mark)
      return nil
    }
  }

  /// The elements of a list with their paths; reports what is no list, or too short.
  private mutating func elements(
    of entry: YAMLEntry, _ type: SettingType, minimum: Int
  ) -> [(node: YAMLNode, path: String)] {
    switch entry.value.content {
    case .sequence(let nodes):
      if nodes.count < minimum {
        report(entry.key, "is an empty list; expected at least \(minimum)", at: entry.value.mark)
      }
      return nodes.enumerated().map { ($0.element, "\(path(to: entry.key))[\($0.offset)]") }
    case .reported: return []
    default:
      report(entry.key, "\(entry.value.content.phrase); expected \(type.expected)", at: entry.value.mark)
      return []
    }
  }

  private mutating func reportMissing(_ key: String, _ type: SettingType) {
    report(path: path(to: key), "missing; expected \(type.expected)", at: mark)
  }

  private mutating func report(_ key: String, _ message: String, at place: Mark?) {
    report(path: path(to: key), message, at: place)
  }

  private mutating func report(path: String, _ message: String, at place: Mark?) {
    problems.append(SettingsProblem(mark: place, path: path, message: message, file: source.file))
  }
}

/// What all sections of one file share.
struct SettingsSource {
  var file: String
  var environment: [String: String]
  var extensions = Extensions()
}
