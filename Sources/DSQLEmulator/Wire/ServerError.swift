/// An error as a PostgreSQL server reports it: SQLSTATE, text, and the optional advice.
package struct ServerError: Error, Hashable, Sendable {
  package var sqlState: String
  package var message: String
  package var detail: String?
  package var hint: String?
  /// 1-based character position in the statement.
  package var position: Int?

  package init(_ sqlState: String, _ message: String, detail: String? = nil, hint: String? = nil, position: Int? = nil)
  {
    self.sqlState = sqlState
    self.message = message
    self.detail = detail
    self.hint = hint
    self.position = position
  }

  /// What every statement gets between an error and the end of its transaction block.
  static let abortedBlock = ServerError(
    "25P02", "current transaction is aborted, commands ignored until end of transaction block")

  /// The ErrorResponse message.
  func response(severity: String = "ERROR") -> [UInt8] {
    var message = MessageWriter(Reply.error)
    func field(_ code: Character, _ value: String?) {
      guard let value, let ascii = code.asciiValue else { return }
      message.byte(ascii)
      message.string(value)
    }
    field("S", severity)
    field("V", severity)
    field("C", sqlState)
    field("M", self.message)
    field("D", detail)
    field("H", hint)
    field("P", position.map(String.init))
    message.byte(0)
    return message.finished()
  }
}

/// The fields of an ErrorResponse or NoticeResponse that a backend sent.
struct ErrorFields {
  /// Code and value, in the order they came.
  var fields: [(code: UInt8, value: [UInt8])] = []

  /// - Parameter body: the message after its length. Fields cut short are left out.
  init(body: [UInt8]) {
    var start = 0
    while start < body.count, body[start] != 0 {
      guard let end = body[(start + 1)...].firstIndex(of: 0) else { return }
      fields.append((body[start], Array(body[(start + 1)..<end])))
      start = end + 1
    }
  }

  subscript(_ code: Character) -> String? {
    fields.first { $0.code == code.asciiValue }.map { String(decoding: $0.value, as: UTF8.self) }
  }

  var sqlState: String { self["C"] ?? "XX000" }

  /// Leaves out what a rewritten statement would give away: positions, inner queries, contexts, server source lines.
  func response(withoutContext: Bool) -> [UInt8] {
    var message = MessageWriter(Reply.error)
    let hidden = Set("PpqWFLR".utf8)
    for field in fields where !(withoutContext && hidden.contains(field.code)) {
      message.byte(field.code)
      message.text(field.value)
    }
    message.byte(0)
    return message.finished()
  }
}
