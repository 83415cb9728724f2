/// `STORAGE mode` in a column's definition: newer than the parser and the PostgreSQL behind, which both know only
/// `ALTER COLUMN … SET STORAGE mode`.
struct StorageClause: Equatable {
  let location: Int
  let mode: String

  private static let modes: Set<String> = ["PLAIN", "EXTERNAL", "EXTENDED", "MAIN", "DEFAULT"]

  static func isKeyword(_ text: [UInt8], _ token: SQLToken) -> Bool {
    token.kind == .word && token.range.count == 7 && DSQLWords.upper(text, token) == "STORAGE"
  }

  /// Finds the clauses and blanks them, so every other byte keeps its place.
  static func take(from text: inout [UInt8]) -> [StorageClause] {
    let tokens = Array(SQLLexer(text))
    var found: [StorageClause] = []
    for (index, token) in tokens.enumerated() where isKeyword(text, token) && index > 0 && index + 1 < tokens.count {
      let before = tokens[index - 1]
      let after = tokens[index + 1]
      let mode = after.kind == .word ? DSQLWords.upper(text, after) : ""
      // `(storage text, …)` names a column; `SET STORAGE` and `INCLUDING STORAGE` are known.
      let follows = before.kind == .word ? DSQLWords.upper(text, before) : ""
      let isFirst = before.kind == .symbol && text[before.range.lowerBound] != UInt8(ascii: ")")
      guard modes.contains(mode), !isFirst, !["SET", "INCLUDING", "EXCLUDING", "COLUMN", "ADD"].contains(follows) else {
        continue
      }
      found.append(StorageClause(location: token.range.lowerBound, mode: mode))
      for offset in token.range.lowerBound..<after.range.upperBound { text[offset] = UInt8(ascii: " ") }
    }
    return found
  }

  /// The statement with the clauses of its columns: the definition, and then what sets them.
  static func applied(
    to statement: Statement, _ subject: StatementJudge.Subject, columns: [JSON], tag: String
  ) -> Statement {
    let settings = subject.storage.compactMap { clause -> String? in
      let before = columns.map { $0["ColumnDef"] }.filter { ($0["location"].int ?? Int.max) < clause.location }
      guard clause.mode != "DEFAULT", let column = before.last?["colname"].string else { return nil }
      return "ALTER COLUMN \(quoted(column)) SET STORAGE \(clause.mode)"
    }
    if settings.isEmpty { return statement }
    let name = subject.relationName
    let change = "ALTER TABLE \(name) \(settings.joined(separator: ", "))"
    let existing = tag == "CREATE TABLE" ? AsynchronousJob.quoted(Array(name.utf8)) : "NULL"
    return subject.replaced(
      .definition,
      by: "SELECT FROM sys.define(\(AsynchronousJob.quoted(statement.text)), "
        + "\(AsynchronousJob.quoted(Array(change.utf8))), \(existing))",
      tag: tag, hidesRows: true)
  }

  /// A name as an SQL identifier.
  static func quoted(_ name: String) -> String {
    "\"" + name.split(separator: "\"", omittingEmptySubsequences: false).joined(separator: "\"\"") + "\""
  }
}
