/// The answer to a `Scan` or `Query`, as places in its bytes. One value serves page after page and keeps its memory.
package struct ScanPage: Sendable {
  /// Each item: an object of attributes, as `ItemRows` reads it.
  package private(set) var items: [Range<Int>] = []
  /// `LastEvaluatedKey` as it came, to be sent back as `ExclusiveStartKey`; `nil` on the last page.
  package private(set) var lastKey: Range<Int>?
  /// Items that were looked at, filtered ones included.
  package private(set) var scannedCount = 0
  /// Read capacity units that the call took; 0 unless the call asked for them.
  package private(set) var capacityUnits = 0.0

  package init() {}

  /// Reads an answer's body; what was there before is forgotten.
  ///
  /// - Throws: when it is no such answer; the page is then of no use.
  package mutating func read(_ body: UnsafeRawBufferPointer) throws(JSONFault) {
    items.removeAll(keepingCapacity: true)
    (lastKey, scannedCount, capacityUnits) = (nil, 0, 0)
    var cursor = unsafe JSONCursor(body)
    var hasItems = false
    var more = try cursor.enterObject()
    while more {
      let name = try cursor.name()
      if name.equals("Items", in: cursor) {
        hasItems = true
        try readItems(&cursor)
      } else if name.equals("LastEvaluatedKey", in: cursor) {
        lastKey = try cursor.optionalObject()
      } else if name.equals("ScannedCount", in: cursor) {
        scannedCount = Int(clamping: try cursor.scaledNumber(by: 0))
      } else if name.equals("ConsumedCapacity", in: cursor) {
        try readCapacity(&cursor)
      } else {
        try cursor.skipValue()
      }
      more = try cursor.nextMember()
    }
    try cursor.expectEnd()
    guard hasItems else { throw JSONFault("has no Items", at: body.count, isMalformed: true) }
  }

  private mutating func readItems(_ cursor: inout JSONCursor) throws(JSONFault) {
    var more = try cursor.enterArray()
    while more {
      items.append(try cursor.object())
      more = try cursor.nextElement()
    }
  }

  private mutating func readCapacity(_ cursor: inout JSONCursor) throws(JSONFault) {
    if try cursor.takeNull() { return }
    var more = try cursor.enterObject()
    while more {
      if try cursor.name().equals("CapacityUnits", in: cursor) {
        capacityUnits = Double(try cursor.scaledNumber(by: 3)) / 1000
      } else {
        try cursor.skipValue()
      }
      more = try cursor.nextMember()
    }
  }
}

extension JSONCursor {
  /// Steps over an object; its place.
  mutating func object() throws(JSONFault) -> Range<Int> {
    skipSpace()
    guard next == UInt8(ascii: "{") else { throw malformed("is no JSON of this kind: expected an object") }
    return try value()
  }

  /// The same, where `null` and `{}` mean that there is none.
  mutating func optionalObject() throws(JSONFault) -> Range<Int>? {
    if try takeNull() { return nil }
    let place = try object()
    var inside = self
    inside.at = place.lowerBound
    return try inside.enterObject() ? place : nil
  }

  /// A number times a power of ten, its fraction dropped; out of range, the nearest that is not.
  mutating func scaledNumber(by power: Int) throws(JSONFault) -> Int64 {
    skipSpace()
    guard next == UInt8(ascii: "-") || next.isDigit else {
      throw malformed("is no JSON of this kind: expected a number")
    }
    let place = try number()
    let decimal = try Decimal(self, place.lowerBound, place.upperBound, isLimited: false)
    return decimal.scaled(by: power, in: self)
  }

  mutating func expectEnd() throws(JSONFault) {
    skipSpace()
    if at < end { throw malformed("is no JSON: more follows after its end") }
  }
}
