/// What DSQL's grammar has beyond PostgreSQL's, taken out of a statement before PostgreSQL's parser sees it.
struct DSQLWords {
  /// The text with each extra word blanked, so every other byte keeps its place.
  private(set) var text: [UInt8]
  /// Where `ASYNC` stood.
  private(set) var asynchronous: [Int] = []
  /// Where `USING` stands outside parentheses: PostgreSQL's tree does not say whether an index names its method.
  private(set) var using: [Int] = []
  /// Where the statements after the first begin, just past their semicolon.
  private(set) var statementStarts: [Int] = [0]
  /// `STORAGE` clauses of columns in CREATE TABLE and ADD COLUMN.
  private(set) var storage: [StorageClause] = []
  /// Set when the whole text is an `AWS IAM` statement.
  private(set) var iam: IAMStatement?

  init(_ original: [UInt8]) {
    text = original
    var words: [String] = []
    var depth = 0
    var candidate: SQLToken?
    var mentionsStorage = false
    for token in SQLLexer(original) {
      mentionsStorage = mentionsStorage || StorageClause.isKeyword(original, token)
      if let asyncTable = candidate {
        // `ALTER TABLE async ADD …` names a table; `ALTER TABLE ASYNC t VALIDATE …` does not.
        candidate = nil
        let next = token.kind == .word ? Self.upper(original, token) : ""
        if token.kind == .quotedIdentifier || (token.kind == .word && !Self.alterActions.contains(next)) {
          blank(asyncTable)
        }
      }
      switch token.kind {
      case .symbol:
        let symbol = original[token.range.lowerBound]
        if symbol == UInt8(ascii: "(") { depth += 1 }
        if symbol == UInt8(ascii: ")") { depth -= 1 }
        if symbol == UInt8(ascii: ";"), depth <= 0 {
          words = []
          depth = 0
          statementStarts.append(token.range.upperBound)
          continue
        }
        if words.count < 4 { words.append("") }
      case .word:
        if words.count >= 4 && depth > 0 { continue }
        let word = Self.upper(original, token)
        if word == "USING", depth == 0 { using.append(token.range.lowerBound) }
        if word == "ASYNC" {
          if words == ["CREATE", "INDEX"] || words == ["CREATE", "UNIQUE", "INDEX"] {
            blank(token)
            continue
          }
          if words == ["ALTER", "TABLE"] { candidate = token }
        }
        if words.count < 4 { words.append(word) }
      default:
        if words.count < 4 { words.append("") }
      }
    }
    iam = IAMStatement(original)
    if mentionsStorage { storage = StorageClause.take(from: &text) }
  }

  private mutating func blank(_ token: SQLToken) {
    asynchronous.append(token.range.lowerBound)
    for index in token.range { text[index] = UInt8(ascii: " ") }
  }

  private static let alterActions: Set<String> = [
    "ADD", "ALTER", "ATTACH", "CLUSTER", "DETACH", "DISABLE", "DROP", "ENABLE", "FORCE", "INHERIT", "NO", "NOT", "OF",
    "OWNER", "RENAME", "REPLICA", "RESET", "SET", "VALIDATE",
  ]

  static func upper(_ text: [UInt8], _ token: SQLToken) -> String {
    String(decoding: text[token.range].map { $0 >= 0x61 && $0 <= 0x7A ? $0 - 32 : $0 }, as: UTF8.self)
  }
}

/// `AWS IAM GRANT role TO 'arn'` or `AWS IAM REVOKE role FROM 'arn'`.
struct IAMStatement: Equatable {
  let grants: Bool
  let role: String
  let arn: String

  /// `nil` when the text is anything else, several statements included.
  init?(_ text: [UInt8]) {
    var tokens: [SQLToken] = []
    for token in SQLLexer(text) {
      if tokens.count == 1, DSQLWords.upper(text, tokens[0]) != "AWS" { return nil }
      tokens.append(token)
      if tokens.count > 7 { return nil }
    }
    if let last = tokens.last, last.kind == .symbol, text[last.range.lowerBound] == UInt8(ascii: ";") {
      tokens.removeLast()
    }
    guard tokens.count == 6, tokens[5].kind == .string else { return nil }
    let words = tokens.map { $0.kind == .word ? DSQLWords.upper(text, $0) : "" }
    guard words[0] == "AWS", words[1] == "IAM" else { return nil }
    switch (words[2], words[4]) {
    case ("GRANT", "TO"): grants = true
    case ("REVOKE", "FROM"): grants = false
    default: return nil
    }
    func raw(_ token: SQLToken) -> String { String(decoding: text[token.range], as: UTF8.self) }
    switch tokens[3].kind {
    case .word: role = words[3].lowercased()
    case .quotedIdentifier: role = String(raw(tokens[3]).dropFirst().dropLast())
    default: return nil
    }
    arn = String(raw(tokens[5]).dropFirst().dropLast())
  }
}
