/// A scalar after `${NAME}` was replaced by the environment's values.
struct ExpandedScalar: Hashable {
  var text: String
  /// The type it has; `nil` when it came from the environment and may be read as any.
  var kind: YAMLScalar.Kind?
  /// The text as the file has it: what messages show, so that an environment value is never printed.
  var written: String
}

/// Why `${…}` in a value could not be replaced.
struct ExpansionProblem: Error, Hashable { let message: String }

extension YAMLScalar {
  /// Replaces `${NAME}` and `${NAME:-default}`; `$${` stands for `${`.
  ///
  /// The default serves when the variable is unset or empty, as in a shell. It happens after YAML is parsed, so a value
  /// from the environment is always one value, whatever characters it holds. Only the first problem is thrown.
  func expanded(_ environment: [String: String]) throws(ExpansionProblem) -> ExpandedScalar {
    guard text.utf8.contains(UInt8(ascii: "$")) else { return ExpandedScalar(text: text, kind: kind, written: text) }
    var result = ""
    var isFromEnvironment = false
    var rest = text[...]
    while let dollar = rest.firstIndex(of: "$") {
      result += rest[..<dollar]
      rest = rest[dollar...]
      if rest.hasPrefix("$${") {
        result += "${"
        rest = rest.dropFirst(3)
      } else if rest.hasPrefix("${") {
        rest = rest.dropFirst(2)
        guard let end = rest.firstIndex(of: "}") else {
          throw ExpansionProblem(
            message: "has ${ without }; expected ${NAME} or ${NAME:-default}, or $${ for the text ${")
        }
        result += try Self.value(of: rest[..<end], environment)
        isFromEnvironment = true
        rest = rest[rest.index(after: end)...]
      } else {
        result += "$"
        rest = rest.dropFirst()
      }
    }
    result += rest
    return ExpandedScalar(text: result, kind: isFromEnvironment ? nil : kind, written: text)
  }

  private static func value(
    of reference: Substring, _ environment: [String: String]
  ) throws(ExpansionProblem) -> String {
    let separator = reference.range(of: ":-")
    let name = String(separator.map { reference[..<$0.lowerBound] } ?? reference)
    let isName =
      !name.isEmpty && !(name.utf8.first.map { (0x30...0x39).contains($0) } ?? true)
      && name.utf8.allSatisfy {
        $0 == UInt8(ascii: "_") || (0x30...0x39).contains($0) || (0x41...0x5A).contains($0)
          || (0x61...0x7A).contains($0)
      }
    guard isName else {
      throw ExpansionProblem(
        message: "has ${...} with a bad variable name; expected ${NAME} or ${NAME:-default}, or $${ for the text ${")
    }
    let value = environment[name]
    guard let separator else {
      if let value { return value }
      throw ExpansionProblem(
        message: "the environment variable \(name) is not set; set it, or give a default as ${\(name):-...}")
    }
    let fallback = reference[separator.upperBound...]
    if fallback.contains("${") {
      throw ExpansionProblem(message: "the default of ${\(name):-...} holds another ${; expected plain text")
    }
    return value.flatMap { $0.isEmpty ? nil : $0 } ?? String(fallback)
  }
}

extension Substring {
  /// Where `text` first stands.
  fileprivate func range(of text: String) -> Range<Index>? {
    var start = startIndex
    while start < endIndex {
      if self[start...].hasPrefix(text) { return start..<index(start, offsetBy: text.count) }
      start = index(after: start)
    }
    return nil
  }
}
