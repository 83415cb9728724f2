package import ChangeModel

/// One record of a stream, as places in the answer's bytes.
package struct StreamRecord: Hashable, Sendable {
  package enum Kind: Hashable, Sendable { case insert, modify, remove }

  package var kind: Kind
  /// The key's attributes: an object, as `ItemRows` reads it.
  package var keys: Range<Int>
  /// The item after the change; `nil` unless the stream has new images and there is one.
  package var newImage: Range<Int>?
  /// The item before it.
  package var oldImage: Range<Int>?
  package var sequenceNumber: SequenceNumber
  /// When DynamoDB wrote it, in milliseconds since 1970, of a precision of seconds mostly; 0 if the record doesn't say.
  package var creationTime: Int64
  /// Whether DynamoDB removed the item because its time to live was over.
  package var isExpiry: Bool
}

/// The answer to a `GetRecords`. One value serves page after page and keeps its memory.
package struct RecordsPage: Sendable {
  package private(set) var records: [StreamRecord] = []
  /// What to ask with next; `nil` when the shard is closed and read to its end.
  package private(set) var nextIterator: String?

  package init() {}

  /// Reads an answer's body; what was there before is forgotten.
  ///
  /// - Throws: when it is no such answer; the page is then of no use.
  package mutating func read(_ body: UnsafeRawBufferPointer) throws(JSONFault) {
    records.removeAll(keepingCapacity: true)
    nextIterator = nil
    var cursor = unsafe JSONCursor(body)
    var hasRecords = false
    var more = try cursor.enterObject()
    while more {
      let name = try cursor.name()
      if name.equals("Records", in: cursor) {
        hasRecords = true
        var isMore = try cursor.enterArray()
        while isMore {
          records.append(try cursor.record())
          isMore = try cursor.nextElement()
        }
      } else if name.equals("NextShardIterator", in: cursor) {
        nextIterator = try cursor.takeNull() ? nil : try cursor.text()
      } else {
        try cursor.skipValue()
      }
      more = try cursor.nextMember()
    }
    try cursor.expectEnd()
    guard hasRecords else { throw JSONFault("has no Records", at: body.count, isMalformed: true) }
  }
}

/// What is known of a record while its members come by, in any order.
private struct OpenRecord {
  var kind: StreamRecord.Kind?
  var keys: Range<Int>?
  var newImage: Range<Int>?
  var oldImage: Range<Int>?
  var sequenceNumber: SequenceNumber?
  var creationTime: Int64 = 0
  var isExpiry = false
}

extension JSONCursor {
  fileprivate mutating func record() throws(JSONFault) -> StreamRecord {
    skipSpace()
    let start = at
    var record = OpenRecord()
    var more = try enterObject()
    while more {
      let name = try name()
      if name.equals("eventName", in: self) {
        record.kind = try eventName()
      } else if name.equals("dynamodb", in: self) {
        try readChange(&record)
      } else if name.equals("userIdentity", in: self) {
        record.isExpiry = try isTimeToLive()
      } else {
        try skipValue()
      }
      more = try nextMember()
    }
    func missing(_ name: String) -> JSONFault { JSONFault("has no \(name)", at: start, isMalformed: true) }
    guard let kind = record.kind else { throw missing("eventName") }
    guard let keys = record.keys else { throw missing("Keys") }
    guard let sequenceNumber = record.sequenceNumber else { throw missing("SequenceNumber") }
    return StreamRecord(
      kind: kind, keys: keys, newImage: record.newImage, oldImage: record.oldImage, sequenceNumber: sequenceNumber,
      creationTime: record.creationTime, isExpiry: record.isExpiry && kind == .remove)
  }

  private mutating func eventName() throws(JSONFault) -> StreamRecord.Kind {
    let name = try string()
    if name.equals("MODIFY", in: self) { return .modify }
    if name.equals("INSERT", in: self) { return .insert }
    if name.equals("REMOVE", in: self) { return .remove }
    throw JSONFault("has an eventName that is not known", at: name.start, isMalformed: true)
  }

  private mutating func readChange(_ record: inout OpenRecord) throws(JSONFault) {
    var more = try enterObject()
    while more {
      let name = try name()
      if name.equals("Keys", in: self) {
        record.keys = try optionalObject()
      } else if name.equals("NewImage", in: self) {
        record.newImage = try optionalObject()
      } else if name.equals("OldImage", in: self) {
        record.oldImage = try optionalObject()
      } else if name.equals("SequenceNumber", in: self) {
        let text = try string()
        guard let number = unsafe SequenceNumber(bytes(text.start, text.end)) else {
          throw JSONFault("has a SequenceNumber that is not 1 to 40 digits", at: text.start, isMalformed: true)
        }
        record.sequenceNumber = number
      } else if name.equals("ApproximateCreationDateTime", in: self) {
        record.creationTime = try scaledNumber(by: 3)
      } else {
        try skipValue()
      }
      more = try nextMember()
    }
  }

  /// Whether the identity is that of the service which deletes expired items. The names' first letter is lower-case in
  /// answers and upper-case in the documentation.
  private mutating func isTimeToLive() throws(JSONFault) -> Bool {
    if try takeNull() { return false }
    var (isService, isDynamoDB) = (false, false)
    var more = try enterObject()
    while more {
      let name = try name()
      if name.equals("type", in: self) || name.equals("Type", in: self) {
        isService = try textEquals("Service")
      } else if name.equals("principalId", in: self) || name.equals("PrincipalId", in: self) {
        isDynamoDB = try textEquals("dynamodb.amazonaws.com")
      } else {
        try skipValue()
      }
      more = try nextMember()
    }
    return isService && isDynamoDB
  }

  private mutating func textEquals(_ text: StaticString) throws(JSONFault) -> Bool {
    if try takeNull() { return false }
    return try string().equals(text, in: self)
  }

  /// Steps over a string; its text.
  mutating func text() throws(JSONFault) -> String {
    var buffer = TextBuffer()
    try appendText(try string(), to: &buffer)
    return unsafe String(decoding: buffer.bytes, as: UTF8.self)
  }
}
