package import DSQLSink
internal import Runtime
internal import ChangeModel

extension DeadLetterQueue {
  /// Letters as a table for people: a line each, the reason below.
  package static func text(_ entries: [LetterStore.Entry]) -> String {
    entries.map { entry in
      """
      \(entry.id)  \(entry.state)  \(entry.sourceTable)  \(entry.key ?? "no key")
        \(entry.operation.rawValue) at \(entry.position), parked \(entry.parkedAt), \(count(entry.attempts, "attempt"))\
      \(entry.key == nil ? ", \(count(entry.copies, "copy", "copies"))" : "")
        SQLSTATE \(entry.sqlState): \(entry.reason)

      """
    }.joined() + count(entries.count, "letter") + "\n"
  }

  /// One letter with its row.
  package static func text(_ letter: Letter) -> String {
    let lines = text([letter.entry]).split(separator: "\n").dropLast()
    return lines.joined(separator: "\n") + "\n  \(letter.row)\n"
  }

  /// Letters as a JSON document on one line.
  package static func json(_ entries: [LetterStore.Entry]) -> String {
    "{\"letters\":[\(entries.map { "{\(members($0))}" }.joined(separator: ","))]}\n"
  }

  /// Letters with their rows.
  package static func json(_ letters: [Letter]) -> String {
    let objects = letters.map { "{\(members($0.entry)),\"row\":\($0.row)}" }
    return "{\"letters\":[\(objects.joined(separator: ","))]}\n"
  }

  private static func members(_ entry: LetterStore.Entry) -> String {
    """
    "id":\(jsonString(entry.id)),"state":\(jsonString(entry.state)),"table":\(jsonString(entry.sourceTable)),\
    "target":\(jsonString(entry.targetTable)),"key":\(entry.key ?? "null"),\
    "operation":\(jsonString(entry.operation.rawValue)),"position":\(jsonString(entry.position)),\
    "sqlstate":\(jsonString(entry.sqlState)),"reason":\(jsonString(entry.reason)),"attempts":\(entry.attempts),\
    "copies":\(entry.copies),"parkedAt":\(jsonString(entry.parkedAt))
    """
  }

  private static func count(_ number: Int, _ one: String, _ many: String? = nil) -> String {
    "\(grouped(number)) \(number == 1 ? one : many ?? one + "s")"
  }
}
