/// A type by PostgreSQL's name, with its modifier.
package struct DeclaredType: Hashable, Sendable {
  package let builtin: BuiltinType
  /// `atttypmod`.
  package let modifier: Int32
  /// As `format_type` writes it.
  package let formatted: String

  /// The type without a modifier.
  package init(_ builtin: BuiltinType) {
    self.builtin = builtin
    modifier = -1
    formatted = builtin.castName
  }

  /// Reads `integer`, `int4`, `varchar(20)`, `numeric(12,2)`; `nil` for anything else.
  package init?(_ text: String) {
    let lower = text.lowercased()
    let parts = lower.split(separator: "(", omittingEmptySubsequences: false).map(String.init)
    let name = Self.trimmed(parts[0])
    let aliases = [
      "int": "int4", "decimal": "numeric", "char": "bpchar", "character": "bpchar",
      "timestamp with time zone": "timestamptz",
      "time": "time", "timestamp": "timestamp",
    ]
    guard
      let builtin = BuiltinType.named(aliases[name] ?? name) ?? BuiltinType.all.first(where: { $0.castName == name })
    else { return nil }
    self.builtin = builtin
    guard parts.count > 1 else {
      // SQL's `char` is `char(1)`.
      modifier = name == "char" || name == "character" ? 5 : -1
      formatted = modifier == 5 ? "character(1)" : builtin.name == "bpchar" ? "bpchar" : builtin.castName
      return
    }
    guard parts.count == 2, parts[1].hasSuffix(")") else { return nil }
    let numbers = parts[1].dropLast().split(separator: ",", omittingEmptySubsequences: false)
      .map { Int32(Self.trimmed(String($0))) }
    switch (builtin.name, numbers.count) {
    case ("varchar", 1), ("bpchar", 1):
      guard let length = numbers[0], (1...10_485_760).contains(length) else { return nil }
      modifier = length + 4
      formatted = (builtin.name == "varchar" ? "character varying" : "character") + "(\(length))"
    case ("numeric", 1), ("numeric", 2):
      guard let precision = numbers[0], let scale = numbers.count == 2 ? numbers[1] : 0, (1...1000).contains(precision),
        (0...1000).contains(scale)
      else { return nil }
      modifier = (precision << 16 | scale) + 4
      formatted = "numeric(\(precision),\(scale))"
    default: return nil
    }
  }

  private static func trimmed(_ text: String) -> String {
    var text = Substring(text)
    while text.first == " " { text.removeFirst() }
    while text.last == " " { text.removeLast() }
    return String(text)
  }
}
