/// A YAML value with its place, as read and before any meaning is given to it.
struct YAMLNode: Hashable {
  indirect enum Content: Hashable {
    case scalar(YAMLScalar)
    case sequence([YAMLNode])
    case mapping([YAMLEntry])
    /// Something that was already reported, such as an alias: readers say nothing more about it.
    case reported

    /// What it is, for messages about something else being expected.
    var phrase: String {
      switch self {
      case .scalar(let scalar): scalar.kind == .null ? "is empty" : "is a single value"
      case .sequence: "is a list"
      case .mapping: "is a mapping"
      case .reported: ""
      }
    }
  }

  var content: Content
  var mark: Mark
}

/// One key of a mapping and its value. Keys of one mapping differ.
struct YAMLEntry: Hashable {
  var key: String
  var keyMark: Mark
  var value: YAMLNode
}

/// A scalar's text and whether it stood without quotes, which decides its type.
struct YAMLScalar: Hashable {
  enum Kind { case null, boolean, integer, number, text }

  var text: String
  var isPlain: Bool

  /// The type by YAML 1.2's core schema; what is quoted is text.
  var kind: Kind {
    guard isPlain else { return .text }
    switch text {
    case "", "~", "null", "Null", "NULL": return .null
    case "true", "True", "TRUE", "false", "False", "FALSE": return .boolean
    case ".nan", ".NaN", ".NAN": return .number
    default: break
    }
    var digits = text.utf8[...]
    if digits.first == UInt8(ascii: "-") || digits.first == UInt8(ascii: "+") { digits.removeFirst() }
    if !digits.isEmpty, digits.allSatisfy({ (0x30...0x39).contains($0) }) { return .integer }
    if text.hasPrefix("0x"), text.utf8.count > 2, text.utf8.dropFirst(2).allSatisfy(\.isHexDigit) { return .integer }
    if text.hasPrefix("0o"), text.utf8.count > 2, text.utf8.dropFirst(2).allSatisfy({ (0x30...0x37).contains($0) }) {
      return .integer
    }
    return Self.isFloat(digits) ? .number : .text
  }

  /// `[-+]? ( \. [0-9]+ | [0-9]+ ( \. [0-9]* )? ) ( [eE] [-+]? [0-9]+ )?` or `.inf`, after the sign.
  private static func isFloat(_ text: Substring.UTF8View) -> Bool {
    if [".inf", ".Inf", ".INF"].contains(where: { $0.utf8.elementsEqual(text) }) { return true }
    var rest = text
    func digits() -> Int {
      let run = rest.prefix { (0x30...0x39).contains($0) }
      rest = rest.dropFirst(run.count)
      return run.count
    }
    var count = digits()
    if rest.first == UInt8(ascii: ".") {
      rest.removeFirst()
      count += digits()
    }
    guard count > 0 else { return false }
    if rest.first == UInt8(ascii: "e") || rest.first == UInt8(ascii: "E") {
      rest.removeFirst()
      if rest.first == UInt8(ascii: "-") || rest.first == UInt8(ascii: "+") { rest.removeFirst() }
      guard digits() > 0 else { return false }
    }
    return rest.isEmpty
  }
}

extension UInt8 {
  /// Whether it is an ASCII hexadecimal digit.
  var isHexDigit: Bool {
    (0x30...0x39).contains(self) || (0x41...0x46).contains(self) || (0x61...0x66).contains(self)
  }
}

/// Reads one YAML document into nodes and reports what a configuration file may not hold: anchors, aliases, tags,
/// several documents, duplicate keys, keys that are no text, deep nesting.
struct YAMLComposer: ~Copyable {
  /// Deeper than any setting lies; it bounds the recursion here and in every reader.
  static let maximumDepth = 16

  /// Reading can't go on; why has been reported.
  private struct Stopped: Error {}

  private var events: YAMLEvents
  private let file: String
  private var problems: [SettingsProblem] = []

  private init(_ bytes: [UInt8], file: String) throws(YAMLSyntaxError) {
    events = try YAMLEvents(bytes)
    self.file = file
  }

  /// The document's root, or `nil` when there is none, and everything that is wrong with the text.
  static func compose(_ bytes: [UInt8], file: String) -> (root: YAMLNode?, problems: [SettingsProblem]) {
    if let problem = firstUnreadableCharacter(bytes, file: file) { return (nil, [problem]) }
    do {
      // Told the encoding, libyaml takes a byte order mark for content.
      let mark: [UInt8] = [0xEF, 0xBB, 0xBF]
      var composer = try YAMLComposer(bytes.starts(with: mark) ? Array(bytes.dropFirst(3)) : bytes, file: file)
      let root = composer.document()
      return (root, composer.problems)
    } catch {
      return (nil, [SettingsProblem(mark: error.mark, path: "", message: error.message, file: file)])
    }
  }

  private mutating func document() -> YAMLNode? {
    do {
      _ = try next()
      guard try next().kind == .documentStart else { return nil }
      let root = try node(try next(), path: "", depth: 0)
      _ = try next()
      let after = try next()
      if after.kind == .documentStart {
        report("a second document; expected only one in the file", "", at: after.mark)
      }
      return root
    } catch { return nil }
  }

  private mutating func next() throws(Stopped) -> YAMLEvent {
    do { return try events.next() } catch {
      report(Self.explained(error.message), "", at: error.mark)
      throw Stopped()
    }
  }

  private static func explained(_ message: String) -> String {
    if message.hasPrefix("while scanning an alias") {
      return "not valid YAML: \(message); put a value that begins with * in quotes"
    }
    if message.hasSuffix("found character that cannot start any token") {
      return "not valid YAML: \(message); indent with spaces, and put a value that begins with @, ` or % in quotes"
    }
    if message.hasPrefix("while parsing a flow") {
      return "not valid YAML: \(message); inside [...] and {...}, put a value that holds ${...} or a comma in quotes"
    }
    return "not valid YAML: \(message)"
  }

  private mutating func report(_ message: String, _ path: String, at mark: Mark?) {
    problems.append(SettingsProblem(mark: mark, path: path, message: message, file: file))
  }

  private mutating func node(_ event: YAMLEvent, path: String, depth: Int) throws(Stopped) -> YAMLNode {
    guard depth <= Self.maximumDepth else {
      report("nested more than \(Self.maximumDepth) levels deep", "", at: event.mark)
      throw Stopped()
    }
    if event.hasAnchor { report("a YAML anchor; expected the value alone", path, at: event.mark) }
    if event.hasTag { report("a YAML tag; expected the value alone", path, at: event.mark) }
    switch event.kind {
    case .scalar(let text, let isPlain):
      return YAMLNode(content: .scalar(YAMLScalar(text: text, isPlain: isPlain)), mark: event.mark)
    case .sequenceStart:
      var elements: [YAMLNode] = []
      while true {
        let element = try next()
        if element.kind == .sequenceEnd { break }
        elements.append(try node(element, path: "\(path)[\(elements.count)]", depth: depth + 1))
      }
      return YAMLNode(content: .sequence(elements), mark: event.mark)
    case .mappingStart:
      return YAMLNode(content: .mapping(try entries(path: path, depth: depth + 1)), mark: event.mark)
    default:
      report(
        "a YAML alias; expected the value itself (put a value that begins with * in quotes)", path, at: event.mark)
      return YAMLNode(content: .reported, mark: event.mark)
    }
  }

  private mutating func entries(path: String, depth: Int) throws(Stopped) -> [YAMLEntry] {
    var entries: [YAMLEntry] = []
    var lines: [String: Int] = [:]
    while true {
      let event = try next()
      if event.kind == .mappingEnd { return entries }
      let keyNode = try node(event, path: path, depth: depth)
      guard case .scalar(let scalar) = keyNode.content, scalar.kind != .null else {
        if keyNode.content != .reported { report("a key that is not text; expected a name", path, at: event.mark) }
        _ = try node(try next(), path: path, depth: depth)
        continue
      }
      let key = scalar.text
      let keyPath = path.isEmpty ? shown(key) : "\(path).\(shown(key))"
      let value = try node(try next(), path: keyPath, depth: depth)
      if let line = lines[key] {
        report("duplicate key; it was first given on line \(line)", keyPath, at: event.mark)
      } else {
        lines[key] = event.mark.line
        entries.append(YAMLEntry(key: key, keyMark: event.mark, value: value))
      }
    }
  }

  /// libyaml stops at such characters too, but tells neither line nor column.
  private static func firstUnreadableCharacter(_ bytes: [UInt8], file: String) -> SettingsProblem? {
    var decoder = UTF8()
    var iterator = bytes.makeIterator()
    var mark = Mark.start
    var isFirst = true
    while true {
      switch decoder.decode(&iterator) {
      case .emptyInput: return nil
      case .error:
        return SettingsProblem(mark: mark, path: "", message: "not valid UTF-8; expected a UTF-8 text", file: file)
      case .scalarValue(let scalar):
        switch scalar.value {
        case 0x0A: mark = Mark(line: mark.line + 1, column: 1)
        case 0xFEFF where isFirst: break
        case 0x09, 0x0D, 0x20...0x7E, 0x85, 0xA0...0xD7FF, 0xE000...0xFFFD, 0x10000...0x10FFFF: mark.column += 1
        default:
          let code = String(scalar.value, radix: 16, uppercase: true)
          let padded = String(repeating: "0", count: max(0, 4 - code.count)) + code
          return SettingsProblem(
            mark: mark, path: "", message: "a control character (U+\(padded)); expected printable text", file: file)
        }
        isFirst = false
      }
    }
  }
}

/// A text as messages show it: cut when long, control characters as spaces.
func shown(_ text: String) -> String {
  let clean = text.unicodeScalars.prefix(61).map { $0.value < 0x20 || $0.value == 0x7F ? " " : String($0) }
  return clean.count > 60 ? clean.prefix(57).joined() + "..." : clean.joined()
}
