import CPgQuery
import Glibc

/// One statement of a text, in PostgreSQL's own raw parse tree.
struct ParsedStatement {
  /// The node's name: `SelectStmt`, `IndexStmt`, …
  let name: String
  let body: JSON
  /// Where it stands in the text, without the semicolon.
  let range: Range<Int>
}

/// PostgreSQL's parser, as libpg_query packages it.
enum ParseTree {
  /// The statements of a text.
  /// - Throws: PostgreSQL's syntax error, with its position.
  static func statements(of text: [UInt8]) throws(ServerError) -> [ParsedStatement] {
    guard let tree = JSON(try json(text)) else {
      throw ServerError("54001", "stack depth limit exceeded")
    }
    return tree["stmts"].array.compactMap { statement in
      guard let (name, body) = statement["stmt"].node else { return nil }
      let start = statement["stmt_location"].int ?? 0
      let length = statement["stmt_len"].int ?? (text.count - start)
      guard start >= 0, length >= 0, start + length <= text.count else { return nil }
      return ParsedStatement(name: name, body: body, range: start..<(start + length))
    }
  }

  /// libpg_query tells the text of an error, not its code.
  private static func sqlState(ofParserMessage message: String) -> String {
    if message.hasPrefix("stack depth") { return "54001" }
    let isMissingFeature = ["cannot be marked", "not supported", "not yet implemented"].contains {
      message.contains($0)
    }
    return isMissingFeature ? "0A000" : "42601"
  }

  private static func json(_ text: [UInt8]) throws(ServerError) -> [UInt8] {
    let terminated = text.map { CChar(bitPattern: $0) } + [0]
    // SAFETY: the text is zero-terminated; the result is ours until freed and is copied before that.
    let result = unsafe terminated.withUnsafeBufferPointer { unsafe pg_query_parse($0.baseAddress) }
    defer { unsafe pg_query_free_parse_result(result) }
    if let error = unsafe result.error {
      let message = unsafe error.pointee.message.map { unsafe String(cString: $0) } ?? "syntax error"
      let position = unsafe Int(error.pointee.cursorpos)
      throw ServerError(sqlState(ofParserMessage: message), message, position: position > 0 ? position : nil)
    }
    guard let tree = unsafe result.parse_tree else { return [] }
    return unsafe Array(UnsafeRawBufferPointer(start: tree, count: strlen(tree)))
  }
}
