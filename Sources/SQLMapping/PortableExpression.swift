import ChangeModel

/// Why an expression of the source would not mean the same in the target, or `nil` when it would.
///
/// Reads SQL as `pg_get_expr` prints it: every name must be a column that is copied unchanged, a word of the grammar,
/// a built-in type after `::`, or one of the functions listed here. When in doubt the answer is no.
///
/// - Parameter columns: names of the columns that the target holds in the source's own type.
func obstacle(in expression: String, columns: Set<String>) -> String? {
  var lexer = ExpressionLexer(expression)
  var afterCast = false
  while let token = lexer.next() {
    switch token {
    case .literal: afterCast = false
    case .cast: afterCast = true
    case .symbol(let symbol):
      afterCast = false
      if symbol == "." { return "it names something in another schema" }
    case .quotedName(let name):
      if !columns.contains(name) || lexer.peekIsParenthesis { return "it uses \(quotedIdentifier(name))" }
      afterCast = false
    case .word(let word):
      if afterCast, typeWords.contains(word) { continue }
      afterCast = false
      if word == "collate" { return "it names a collation" }
      if columns.contains(word), !lexer.peekIsParenthesis { continue }
      if lexer.peekIsParenthesis, functions.contains(word) { continue }
      if !grammarWords.contains(word) { return "it uses \(word)" }
    }
  }
  return nil
}

private let functions: Set<String> = [
  "abs", "btrim", "ceil", "ceiling", "char_length", "character_length", "coalesce", "date", "date_part", "date_trunc",
  "decode", "encode", "extract", "floor", "greatest", "jsonb_array_length", "jsonb_extract_path",
  "jsonb_extract_path_text", "least", "left", "length", "lower", "lpad", "ltrim", "md5", "mod", "nullif",
  "octet_length", "position", "power", "regexp_replace", "repeat", "replace", "reverse", "right", "round", "rpad",
  "rtrim", "sha256", "sign", "split_part", "sqrt", "starts_with", "strpos", "substr", "substring", "timezone",
  "to_timestamp", "trim", "trunc", "upper",
]

private let grammarWords: Set<String> = [
  "all", "and", "any", "array", "at", "between", "both", "case", "day", "distinct", "dow", "doy", "else", "end",
  "epoch", "false", "for", "from", "hour", "ilike", "in", "is", "isnull", "leading", "like", "minute", "month", "not",
  "notnull", "null", "or", "quarter", "second", "similar", "some", "then", "time", "trailing", "true", "unknown",
  "week", "when", "year", "zone",
]

/// Words of the built-in types' SQL names.
private let typeWords: Set<String> = [
  "bigint", "boolean", "bpchar", "bytea", "character", "date", "double", "integer", "interval", "json", "jsonb",
  "numeric", "precision", "real", "smallint", "text", "time", "timestamp", "uuid", "varying", "with", "without", "zone",
]

/// Cuts an expression into the few kinds of token that matter here.
private struct ExpressionLexer {
  enum Token {
    case literal, cast
    case symbol(Character)
    case quotedName(String)
    case word(String)
  }

  private let text: [Character]
  private var at = 0

  init(_ expression: String) { text = Array(expression) }

  private func peek(_ offset: Int = 0) -> Character? {
    at + offset < text.count ? text[at + offset] : nil
  }

  /// Whether the next thing is an opening parenthesis.
  var peekIsParenthesis: Bool { text.dropFirst(at).first { !$0.isWhitespace } == "(" }

  mutating func next() -> Token? {
    while let character = peek(), character.isWhitespace { at += 1 }
    guard let character = peek() else { return nil }
    if character == "'" { return skipLiteral(escapes: false) }
    if character == "E", peek(1) == "'" {
      at += 1
      return skipLiteral(escapes: true)
    }
    if character == "\"" { return quotedName() }
    if character.isASCII, character.isNumber {
      while let digit = peek(), digit.isNumber || digit == "." { at += 1 }
      return .literal
    }
    if character == ":", peek(1) == ":" {
      at += 2
      return .cast
    }
    if isNamePart(character) {
      let start = at
      while let part = peek(), isNamePart(part) { at += 1 }
      return .word(String(text[start..<at]).lowercased())
    }
    at += 1
    return .symbol(character)
  }

  private func isNamePart(_ character: Character) -> Bool {
    character.isLetter || character.isNumber || character == "_" || character == "$"
  }

  private mutating func skipLiteral(escapes: Bool) -> Token {
    at += 1
    while let character = peek() {
      at += 1
      if escapes && character == "\\" {
        at += 1
      } else if character == "'" {
        if peek() != "'" { break }
        at += 1
      }
    }
    return .literal
  }

  private mutating func quotedName() -> Token {
    at += 1
    var name = ""
    while let character = peek() {
      at += 1
      if character == "\"" {
        if peek() != "\"" { break }
        at += 1
      }
      name.append(character)
    }
    return .quotedName(name)
  }
}
