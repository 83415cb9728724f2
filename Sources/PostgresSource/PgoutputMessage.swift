internal import Apply
package import ChangeModel

/// A relation as pgoutput describes it before its first change, and again after the source's catalog changed.
package struct RelationMessage: Hashable, Sendable {
  package struct Column: Hashable, Sendable {
    package var name: String
    package var typeOID: UInt32
    package var isKey: Bool
  }

  package var id: UInt32
  package var name: TableName
  package var columns: [Column]
}

/// The tuple that an UPDATE or DELETE carries for the row as it was.
package enum OldTuple: Sendable, Hashable {
  /// Only the identity's columns are set; the others look like NULL.
  case key
  /// The whole row: `REPLICA IDENTITY FULL`.
  case full
}

/// One column's value in a tuple, as a range of the message.
package struct TupleField: Sendable {
  package enum Kind: UInt8, Sendable {
    case null = 0x6E
    case unchanged = 0x75
    case text = 0x74
    case binary = 0x62
  }

  package var kind: Kind
  /// Where the value's length word begins in the message; the bytes follow it.
  package var lengthOffset: Int
  package var count: Int
}

/// A pgoutput message of protocol version 1 (PostgreSQL: Logical Replication Message Formats).
package enum PgoutputMessage: Sendable {
  case begin(commitLSN: LSN, commitTime: Int64, transaction: UInt32)
  case commit(endLSN: LSN)
  case relation(RelationMessage)
  case insert(relation: UInt32)
  case update(relation: UInt32, old: OldTuple?)
  case delete(relation: UInt32, old: OldTuple)
  case truncate(relations: [UInt32])
  /// Origins, types and logical messages: nothing to do.
  case skipped
}

/// Why bytes are not a pgoutput message.
package struct PgoutputError: Error, Hashable, Sendable {
  package var reason: String
  package var offset: Int
}

/// Reads pgoutput messages; keeps the tuples of the last change in buffers that are used again.
package struct PgoutputReader: Sendable {
  /// The new tuple of the last insert or update.
  package private(set) var newTuple: [TupleField] = []
  /// The old tuple of the last update or delete.
  package private(set) var oldTuple: [TupleField] = []

  package init() {}

  /// Decodes one message.
  ///
  /// - Throws: for bytes that are truncated, oversized or of no known kind; nothing in them can trap.
  package mutating func read(_ bytes: UnsafeRawBufferPointer) throws(PgoutputError) -> PgoutputMessage {
    var cursor = unsafe ByteCursor(bytes)
    let message = try readMessage(&cursor)
    if cursor.remaining != 0 {
      if case .skipped = message { return message }
      throw PgoutputError(reason: "\(cursor.remaining) bytes too many", offset: cursor.offset)
    }
    return message
  }

  private mutating func readMessage(_ cursor: inout ByteCursor) throws(PgoutputError) -> PgoutputMessage {
    let tag = try cursor.integer(UInt8.self)
    switch tag {
    case UInt8(ascii: "I"):
      let relation = try cursor.integer(UInt32.self)
      try cursor.expect(UInt8(ascii: "N"))
      try readTuple(&cursor, into: &newTuple)
      return .insert(relation: relation)
    case UInt8(ascii: "U"): return try readUpdate(&cursor)
    case UInt8(ascii: "D"):
      let relation = try cursor.integer(UInt32.self)
      let old = try readOldKind(cursor.integer(UInt8.self), cursor)
      try readTuple(&cursor, into: &oldTuple)
      return .delete(relation: relation, old: old)
    case UInt8(ascii: "B"):
      let lsn = LSN(try cursor.integer(UInt64.self))
      let time = try cursor.integer(Int64.self)
      return .begin(commitLSN: lsn, commitTime: time, transaction: try cursor.integer(UInt32.self))
    case UInt8(ascii: "C"):
      _ = try cursor.integer(UInt8.self)
      _ = try cursor.integer(UInt64.self)
      let end = LSN(try cursor.integer(UInt64.self))
      _ = try cursor.integer(Int64.self)
      return .commit(endLSN: end)
    case UInt8(ascii: "R"): return .relation(try readRelation(&cursor))
    case UInt8(ascii: "T"): return try readTruncate(&cursor)
    case UInt8(ascii: "O"), UInt8(ascii: "Y"), UInt8(ascii: "M"): return .skipped
    default: throw PgoutputError(reason: "no message has the tag \(tag)", offset: 0)
    }
  }

  private mutating func readUpdate(_ cursor: inout ByteCursor) throws(PgoutputError) -> PgoutputMessage {
    let relation = try cursor.integer(UInt32.self)
    var kind = try cursor.integer(UInt8.self)
    var old: OldTuple?
    if kind != UInt8(ascii: "N") {
      old = try readOldKind(kind, cursor)
      try readTuple(&cursor, into: &oldTuple)
      kind = try cursor.integer(UInt8.self)
    }
    guard kind == UInt8(ascii: "N") else {
      throw PgoutputError(reason: "an update without a new tuple", offset: cursor.offset)
    }
    try readTuple(&cursor, into: &newTuple)
    return .update(relation: relation, old: old)
  }

  private func readOldKind(_ kind: UInt8, _ cursor: borrowing ByteCursor) throws(PgoutputError) -> OldTuple {
    switch kind {
    case UInt8(ascii: "K"): return .key
    case UInt8(ascii: "O"): return .full
    default: throw PgoutputError(reason: "no old tuple has the kind \(kind)", offset: cursor.offset)
    }
  }

  private func readTuple(_ cursor: inout ByteCursor, into fields: inout [TupleField]) throws(PgoutputError) {
    fields.removeAll(keepingCapacity: true)
    let count = try cursor.integer(UInt16.self)
    for _ in 0..<count {
      let tag = try cursor.integer(UInt8.self)
      guard let kind = TupleField.Kind(rawValue: tag) else {
        throw PgoutputError(reason: "no column has the kind \(tag)", offset: cursor.offset)
      }
      let start = cursor.offset
      var length = 0
      if kind == .text || kind == .binary {
        length = Int(try cursor.integer(Int32.self))
        try cursor.skip(length)
      }
      fields.append(TupleField(kind: kind, lengthOffset: start, count: length))
    }
  }

  private func readRelation(_ cursor: inout ByteCursor) throws(PgoutputError) -> RelationMessage {
    let id = try cursor.integer(UInt32.self)
    let schema = try cursor.string()
    let name = try cursor.string()
    _ = try cursor.integer(UInt8.self)
    let count = try cursor.integer(UInt16.self)
    var columns: [RelationMessage.Column] = []
    for _ in 0..<count {
      let flags = try cursor.integer(UInt8.self)
      let column = try cursor.string()
      let type = try cursor.integer(UInt32.self)
      _ = try cursor.integer(Int32.self)
      columns.append(.init(name: column, typeOID: type, isKey: flags & 1 != 0))
    }
    // pg_catalog is sent as the empty string.
    return RelationMessage(id: id, name: TableName(schema.isEmpty ? "pg_catalog" : schema, name), columns: columns)
  }

  private func readTruncate(_ cursor: inout ByteCursor) throws(PgoutputError) -> PgoutputMessage {
    let count = try cursor.integer(UInt32.self)
    _ = try cursor.integer(UInt8.self)
    var relations: [UInt32] = []
    for _ in 0..<count { relations.append(try cursor.integer(UInt32.self)) }
    return .truncate(relations: relations)
  }
}

/// A bounds-checked walk over borrowed bytes.
@safe struct ByteCursor {
  private let bytes: UnsafeRawBufferPointer
  private(set) var offset = 0

  init(_ bytes: UnsafeRawBufferPointer) { unsafe self.bytes = bytes }

  var remaining: Int { unsafe bytes.count - offset }

  @inline(__always)
  mutating func integer<Value: FixedWidthInteger>(_ type: Value.Type) throws(PgoutputError) -> Value {
    let width = Value.bitWidth / 8
    guard remaining >= width else { throw PgoutputError(reason: "the message ends too early", offset: offset) }
    defer { offset += width }
    return unsafe bytes.bigEndian(at: offset, as: type)
  }

  @inline(__always)
  mutating func skip(_ count: Int) throws(PgoutputError) {
    guard count >= 0, count <= remaining else {
      throw PgoutputError(reason: "a length of \(count) with \(remaining) bytes left", offset: offset)
    }
    offset += count
  }

  mutating func expect(_ byte: UInt8) throws(PgoutputError) {
    let found = try integer(UInt8.self)
    if found != byte { throw PgoutputError(reason: "found \(found) instead of \(byte)", offset: offset - 1) }
  }

  /// A zero-terminated UTF-8 string.
  mutating func string() throws(PgoutputError) -> String {
    guard let end = unsafe bytes[offset...].firstIndex(of: 0) else {
      throw PgoutputError(reason: "a name without an end", offset: offset)
    }
    defer { offset = end + 1 }
    return unsafe String(decoding: bytes[offset..<end], as: UTF8.self)
  }
}
