/// Judges long literal INSERT, UPDATE and DELETE texts by their tokens.
enum BulkText {
  /// The statements of a long text, each judged by itself: bulk writes by their tokens, the others by the parser.
  /// `nil` when there is only one, or when one cannot be read by itself.
  static func statements(_ text: [UInt8]) -> Script? {
    var pieces: [Range<Int>] = []
    var start = 0
    for token in SQLLexer(text) where token.kind == .symbol && text[token.range.lowerBound] == UInt8(ascii: ";") {
      pieces.append(start..<token.range.lowerBound)
      start = token.range.upperBound
      if pieces.count > 64 { return nil }
    }
    if start < text.count { pieces.append(start..<text.count) }
    guard pieces.count > 1 else { return nil }
    var whole = Script()
    for piece in pieces {
      let script = StatementJudge.script(Array(text[piece]))
      if script.syntaxError != nil { return nil }
      whole.statements += script.statements
    }
    // One statement and a semicolon is not several.
    return whole.statements.count > 1 ? whole : nil
  }

  /// A write with nothing in it that needs a closer look; `nil` sends the text through the parser.
  static func statement(_ text: [UInt8]) -> Statement? {
    var isFirst = true
    var ended = false
    for token in SQLLexer(text) {
      // Something after the first semicolon: several statements.
      if ended { return nil }
      switch token.kind {
      case .word:
        let length = token.range.count
        if isFirst {
          guard writes.contains(DSQLWords.upper(text, token)) else { return nil }
        } else if length >= 5,
          suspicious.contains(DSQLWords.upper(text, token))
            || text[token.range].starts(with: "pg_".utf8) || text[token.range].starts(with: "PG_".utf8)
        {
          return nil
        }
      case .quotedIdentifier:
        if isFirst { return nil }
      case .symbol:
        if text[token.range.lowerBound] == UInt8(ascii: ";") { ended = true }
      default:
        if isFirst { return nil }
      }
      isFirst = false
    }
    guard !isFirst else { return nil }
    var statement = Statement(.write, text: text)
    statement.touchesStorage = true
    return statement
  }

  private static let writes: Set<String> = ["INSERT", "UPDATE", "DELETE"]
  private static let suspicious: Set<String> = [
    "ASYNC", "CURRENT_SETTING", "SET_CONFIG", "SHARE", "TABLESAMPLE", "VERSION",
  ]
}
