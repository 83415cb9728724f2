/// Where a value stands inside an item: `address.city`, `tags[0]`, `"odd.name"[2].x`.
///
/// A name is what stands between points and brackets, or in double quotes, `""` being one quote.
package struct AttributePath: Hashable, Sendable, CustomStringConvertible {
  package enum Step: Hashable, Sendable {
    case member(String)
    /// Counted from 0.
    case element(Int)
  }

  /// Why a text is no path: a phrase that goes on after the text.
  package struct Malformed: Error, Hashable, Sendable {
    package let reason: String
  }

  /// The attribute of the item itself.
  package let attribute: String
  /// What leads on from there.
  package let steps: [Step]

  /// Of a whole attribute.
  package init(attribute: String) {
    self.attribute = attribute
    steps = []
  }

  /// - Throws: what is wrong with `text`.
  package init(_ text: String) throws(Malformed) {
    var rest = text.unicodeScalars[...]
    attribute = try Self.name(&rest)
    var steps: [Step] = []
    while let mark = rest.popFirst() {
      switch mark {
      case ".": steps.append(.member(try Self.name(&rest)))
      case "[": steps.append(.element(try Self.index(&rest)))
      default: throw Malformed(reason: "has text after a closing quote or bracket")
      }
    }
    guard steps.count <= 32 else { throw Malformed(reason: "is deeper than the 32 levels that DynamoDB nests") }
    self.steps = steps
  }

  /// What a column for it is called when nobody says otherwise: the last name, and the indexes after it.
  package var columnName: String {
    var name = attribute
    for step in steps {
      switch step {
      case .member(let member): name = member
      case .element(let index): name += "_\(index)"
      }
    }
    return name
  }

  package var description: String {
    steps.reduce(Self.quotedIfNeeded(attribute)) { text, step in
      switch step {
      case .member(let name): "\(text).\(Self.quotedIfNeeded(name))"
      case .element(let index): "\(text)[\(index)]"
      }
    }
  }

  private static func name(_ rest: inout Substring.UnicodeScalarView) throws(Malformed) -> String {
    var name = String.UnicodeScalarView()
    if rest.first == "\"" {
      rest.removeFirst()
      while let scalar = rest.popFirst() {
        if scalar == "\"" {
          guard rest.first == "\"" else { return try checked(name) }
          rest.removeFirst()
        }
        name.append(scalar)
      }
      throw Malformed(reason: "has no closing double quote")
    }
    while let scalar = rest.first, scalar != ".", scalar != "[" {
      if scalar == "]" || scalar == "\"" { throw Malformed(reason: "has a character that needs double quotes") }
      name.append(scalar)
      rest.removeFirst()
    }
    return try checked(name)
  }

  private static func checked(_ name: String.UnicodeScalarView) throws(Malformed) -> String {
    if name.isEmpty { throw Malformed(reason: "has an empty name") }
    return String(name)
  }

  private static func index(_ rest: inout Substring.UnicodeScalarView) throws(Malformed) -> Int {
    let digits = rest.prefix { $0 != "]" }
    rest = rest.dropFirst(digits.count)
    guard rest.popFirst() == "]" else { throw Malformed(reason: "has no closing bracket") }
    guard !digits.isEmpty, digits.count <= 6, digits.allSatisfy({ ("0"..."9").contains($0) }),
      let index = Int(String(digits))
    else { throw Malformed(reason: "has an index that is no number below a million") }
    return index
  }

  private static func quotedIfNeeded(_ name: String) -> String {
    guard name.isEmpty || name.unicodeScalars.contains(where: { ".[]\"".unicodeScalars.contains($0) }) else {
      return name
    }
    return quotedIdentifier(name)
  }
}
