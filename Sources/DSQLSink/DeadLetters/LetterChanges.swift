package import ChangeModel
internal import Postgres

/// What a transaction does to the dead letters, beside its rows.
package struct LetterChanges: Sendable {
  /// For a key, whose letter is then over whatever it holds.
  static let everyCopy = Int(Int32.max)

  /// The refused row that it parks.
  package var parked: DeadLetter?
  /// Letters whose rows it replaces, by id; for a table without a key, so many copies of them.
  package var superseded: [String: Int] = [:]

  package init(parked: DeadLetter? = nil, superseded: [String: Int] = [:]) {
    self.parked = parked
    self.superseded = superseded
  }

  /// The part that may be written twice.
  var repeatable: LetterChanges {
    LetterChanges(superseded: superseded.filter { $0.value == Self.everyCopy })
  }
}

extension Flight {
  /// Queues what becomes of letters. It goes ahead of the rows: a replay of a letter locks that first too.
  package mutating func send(_ letters: LetterChanges, pipeline: String) throws(Failure) {
    if !letters.superseded.isEmpty {
      let sorted = letters.superseded.sorted { $0.key < $1.key }
      try sendText(
        .letters, sql: LetterStore.supersedeSQL,
        [pipeline, sorted.map(\.key).joined(separator: ","), sorted.map { String($0.value) }.joined(separator: ",")])
    }
    if let letter = letters.parked {
      try sendText(
        .letters, sql: LetterStore.parkSQL,
        [
          pipeline, letter.id, letter.sourceTable, letter.targetTable, letter.key, letter.operation.rawValue,
          letter.position, letter.state.code, letter.reason, String(letter.copies), letter.pieces[0],
        ])
    }
  }
}

extension DeadLetter {
  /// A column of DSQL holds 1 MiB.
  private static let pieceBytes = 512 << 10

  /// The row's text in pieces that a column holds; at least one.
  var pieces: [String] {
    let bytes = row.utf8
    var pieces: [String] = []
    var start = bytes.startIndex
    while start < bytes.endIndex {
      var end = bytes.index(start, offsetBy: Self.pieceBytes, limitedBy: bytes.endIndex) ?? bytes.endIndex
      // Not inside a character.
      while end < bytes.endIndex, bytes[end] & 0xC0 == 0x80 { end = bytes.index(before: end) }
      pieces.append(String(row[start..<end]))
      start = end
    }
    return pieces
  }
}
