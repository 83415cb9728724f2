/// One table by its exact name, or several by a pattern: `public.orders`, `billing.invoice_*`, `"My Schema"."Odd.Name"`.
///
/// Unquoted parts fold to lower case as PostgreSQL's identifiers do, and in them `*` stands for any characters and `?`
/// for one. Quoted parts are taken as they are, `""` being one quote; nothing in them is a wildcard.
package struct TablePattern: Hashable, Sendable, CustomStringConvertible {
  /// One character to match, or a wildcard.
  private enum Piece: Hashable, Sendable { case literal(Unicode.Scalar), one, any }

  /// Why a text is no pattern: a phrase that goes on after the text, such as `has no schema`.
  package struct Malformed: Error, Hashable, Sendable {
    package let reason: String
  }

  private let schema: [Piece]
  private let name: [Piece]
  /// The pattern as it was written.
  package let description: String

  /// - Throws: what is wrong with `text`.
  package init(_ text: String) throws(Malformed) {
    var rest = text.unicodeScalars[...]
    schema = try Self.readPart(&rest)
    guard rest.popFirst() == "." else {
      throw Malformed(reason: rest.isEmpty && !text.isEmpty ? "has no schema" : "is not a table name")
    }
    name = try Self.readPart(&rest)
    if let next = rest.first {
      throw Malformed(reason: next == "." ? "has more than two parts" : "is not a table name")
    }
    description = text
  }

  /// How the tables of a source are called.
  package enum Naming: Hashable, Sendable {
    /// Schema and name, with SQL's quotes.
    case sql
    /// One name of letters, digits, `_`, `-` and `.`, upper and lower case kept (DynamoDB Developer Guide, "Naming rules").
    case dynamoDB
  }

  /// - Throws: what is wrong with `text`.
  package init(_ text: String, _ naming: Naming) throws(Malformed) {
    switch naming {
    case .sql: try self.init(text)
    case .dynamoDB: self.init(schema: [], name: try Self.dynamoDBName(text), description: text)
    }
  }

  private init(schema: [Piece], name: [Piece], description: String) {
    self.schema = schema
    self.name = name
    self.description = description
  }

  private static func dynamoDBName(_ text: String) throws(Malformed) -> [Piece] {
    var pieces: [Piece] = []
    for scalar in text.unicodeScalars {
      switch scalar {
      // One wildcard does the work of several, and matching stays fast.
      case "*": if pieces.last != .any { pieces.append(.any) }
      case "?": pieces.append(.one)
      case "A"..."Z", "a"..."z", "0"..."9", "_", "-", ".": pieces.append(.literal(scalar))
      default: throw Malformed(reason: "is no name of a DynamoDB table")
      }
    }
    if pieces.isEmpty { throw Malformed(reason: "is empty") }
    if case .exactly(let name) = part(pieces), !(3...255).contains(name.utf8.count) {
      throw Malformed(reason: "has not 3 to 255 characters")
    }
    return pieces
  }

  /// Matches exactly this table.
  package init(_ table: TableName) {
    schema = table.schema.unicodeScalars.map(Piece.literal)
    name = table.name.unicodeScalars.map(Piece.literal)
    description = [table.schema, table.name].map(Self.quotedIfNeeded).joined(separator: ".")
  }

  package func matches(_ table: TableName) -> Bool {
    Self.matches(schema, Array(table.schema.unicodeScalars)) && Self.matches(name, Array(table.name.unicodeScalars))
  }

  /// What one part of the pattern stands for.
  package enum Part: Hashable, Sendable {
    case exactly(String)
    /// `*` alone.
    case any
    case wildcards
  }

  package var schemaPart: Part { Self.part(schema) }
  package var namePart: Part { Self.part(name) }

  /// The one table it names, when it holds no wildcard.
  package var exactName: TableName? {
    guard case .exactly(let schema) = schemaPart, case .exactly(let name) = namePart else { return nil }
    return TableName(schema, name)
  }

  /// Two patterns are equal when they match the same way, however they were written.
  package static func == (a: TablePattern, b: TablePattern) -> Bool { a.schema == b.schema && a.name == b.name }

  package func hash(into hasher: inout Hasher) {
    hasher.combine(schema)
    hasher.combine(name)
  }

  private static func readPart(_ rest: inout Substring.UnicodeScalarView) throws(Malformed) -> [Piece] {
    let pieces = rest.first == "\"" ? try quotedPart(&rest) : try unquotedPart(&rest)
    if case .exactly(let text) = part(pieces), text.utf8.count > 63 {
      throw Malformed(reason: "has a name of more than 63 bytes")
    }
    return pieces
  }

  private static func quotedPart(_ rest: inout Substring.UnicodeScalarView) throws(Malformed) -> [Piece] {
    rest.removeFirst()
    var pieces: [Piece] = []
    while let scalar = rest.popFirst() {
      if scalar == "\0" { throw Malformed(reason: "holds a NUL character") }
      if scalar == "\"" {
        guard rest.first == "\"" else {
          if pieces.isEmpty { throw Malformed(reason: "has an empty name") }
          return pieces
        }
        rest.removeFirst()
      }
      pieces.append(.literal(scalar))
    }
    throw Malformed(reason: "has no closing double quote")
  }

  private static func unquotedPart(_ rest: inout Substring.UnicodeScalarView) throws(Malformed) -> [Piece] {
    var pieces: [Piece] = []
    while let scalar = rest.first, scalar != "." {
      switch scalar {
      // One wildcard does the work of several, and matching stays fast.
      case "*": if pieces.last != .any { pieces.append(.any) }
      case "?": pieces.append(.one)
      case "A"..."Z": pieces.append(.literal(Unicode.Scalar(UInt8(scalar.value) + 32)))
      case "a"..."z", "0"..."9", "_", "$": pieces.append(.literal(scalar))
      case _ where scalar.value >= 0x80: pieces.append(.literal(scalar))
      default: throw Malformed(reason: "has a character that needs double quotes around the name")
      }
      rest.removeFirst()
    }
    if pieces.isEmpty { throw Malformed(reason: "has an empty name") }
    return pieces
  }

  private static func part(_ pieces: [Piece]) -> Part {
    if pieces == [.any] { return .any }
    var text = String.UnicodeScalarView()
    for piece in pieces {
      guard case .literal(let scalar) = piece else { return .wildcards }
      text.append(scalar)
    }
    return .exactly(String(text))
  }

  private static func quotedIfNeeded(_ identifier: String) -> String {
    let isPlain = identifier.unicodeScalars.allSatisfy { scalar in
      switch scalar {
      case "a"..."z", "0"..."9", "_", "$": true
      default: scalar.value >= 0x80
      }
    }
    if isPlain && !identifier.isEmpty { return identifier }
    var text = "\""
    for scalar in identifier.unicodeScalars {
      if scalar == "\"" { text += "\"" }
      text.unicodeScalars.append(scalar)
    }
    return text + "\""
  }

  /// Wildcard matching that returns to the last `*` only: at worst the product of both lengths, never exponential.
  private static func matches(_ pieces: [Piece], _ text: [Unicode.Scalar]) -> Bool {
    var piece = 0
    var position = 0
    var star: (piece: Int, position: Int)?
    while position < text.count {
      if piece < pieces.count, pieces[piece] == .any {
        star = (piece, position)
        piece += 1
      } else if piece < pieces.count, pieces[piece] == .one || pieces[piece] == .literal(text[position]) {
        piece += 1
        position += 1
      } else if let last = star {
        piece = last.piece + 1
        position = last.position + 1
        star = (last.piece, position)
      } else {
        return false
      }
    }
    return pieces[piece...].allSatisfy { $0 == .any }
  }
}
