/// Judges long literal INSERT, UPDATE and DELETE texts by their tokens.
enum BulkText {
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
