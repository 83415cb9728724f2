/// The answer to a `BatchGetItem`, as places in its bytes. One value serves answer after answer and keeps its memory.
package struct BatchPage: Sendable {
  /// Each item: an object of attributes, as `ItemRows` reads it. In no order.
  package private(set) var items: [Range<Int>] = []
  /// The keys that were not looked for, as they were sent: to be asked for again.
  package private(set) var unprocessedKeys: [Range<Int>] = []

  package init() {}

  /// Reads an answer's body; what was there before is forgotten.
  ///
  /// - Throws: when it is no such answer; the page is then of no use.
  package mutating func read(_ body: UnsafeRawBufferPointer) throws(JSONFault) {
    items.removeAll(keepingCapacity: true)
    unprocessedKeys.removeAll(keepingCapacity: true)
    var cursor = unsafe JSONCursor(body)
    var hasResponses = false
    var more = try cursor.enterObject()
    while more {
      let name = try cursor.name()
      if name.equals("Responses", in: cursor) {
        hasResponses = true
        var isMore = try cursor.enterObject()
        while isMore {
          _ = try cursor.name()
          try Self.readObjects(&cursor, into: &items)
          isMore = try cursor.nextMember()
        }
      } else if name.equals("UnprocessedKeys", in: cursor) {
        try readUnprocessed(&cursor)
      } else {
        try cursor.skipValue()
      }
      more = try cursor.nextMember()
    }
    try cursor.expectEnd()
    guard hasResponses else { throw JSONFault("has no Responses", at: body.count, isMalformed: true) }
  }

  private mutating func readUnprocessed(_ cursor: inout JSONCursor) throws(JSONFault) {
    if try cursor.takeNull() { return }
    var more = try cursor.enterObject()
    while more {
      _ = try cursor.name()
      var isMore = try cursor.enterObject()
      while isMore {
        if try cursor.name().equals("Keys", in: cursor) {
          try Self.readObjects(&cursor, into: &unprocessedKeys)
        } else {
          try cursor.skipValue()
        }
        isMore = try cursor.nextMember()
      }
      more = try cursor.nextMember()
    }
  }

  private static func readObjects(_ cursor: inout JSONCursor, into places: inout [Range<Int>]) throws(JSONFault) {
    var more = try cursor.enterArray()
    while more {
      places.append(try cursor.object())
      more = try cursor.nextElement()
    }
  }
}
