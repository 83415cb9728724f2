internal import Apply
package import ChangeModel
internal import SQLMapping

/// Writes items as rows, in text form. One value serves one thread, item after item, and keeps its memory.
package struct ItemRows: ~Copyable {
  private let mapping: ItemMapping
  /// The attributes that columns are made of.
  private var index = AttributeIndex()
  /// By attribute, whether a column holds all of it.
  private var isWhole: [Bool] = []
  /// By column, the attribute; -1 for the document, -2 for the rest.
  private var attributes: [Int] = []
  /// By column, the way on from there.
  private var steps: [[AttributePath.Step]] = []
  /// By column, what its type takes.
  private var forms: [ValueForm]
  private let hasDocument: Bool
  private let hasOverflow: Bool
  /// By attribute, its value in the item at hand.
  private var found: [Attribute?] = []
  private var row = TextBuffer(capacity: 4096)
  private var document = TextBuffer(capacity: 4096)
  private var overflow = TextBuffer(capacity: 4096)
  private var name = TextBuffer()
  /// The attribute at hand, for a failure: its name in the item, or its column.
  private var current: Subject?

  private enum Subject {
    case name(JSONText)
    case column(Int)
  }

  package init(_ mapping: ItemMapping) {
    self.mapping = mapping
    forms = mapping.columns.map(\.form)
    hasDocument = mapping.columns.contains { $0.content == .document }
    hasOverflow = mapping.columns.contains { $0.content == .overflow }
    for column in mapping.columns {
      switch column.content {
      case .value(let path):
        let number = index.insert(path.attribute)
        if number == isWhole.count { isWhole.append(false) }
        if path.steps.isEmpty { isWhole[number] = true }
        attributes.append(number)
        steps.append(path.steps)
      case .document, .overflow:
        attributes.append(column.content == .document ? -1 : -2)
        steps.append([])
      }
    }
    found = Array(repeating: nil, count: index.count)
  }

  /// Appends an item's row: a `WireRow` of the mapping's columns.
  ///
  /// - Parameters:
  ///   - body: what a page was read from.
  ///   - item: one of its items or images.
  /// - Throws: when the item can't be a row; nothing is then appended.
  package mutating func appendRow(
    of item: Range<Int>, in body: UnsafeRawBufferPointer, to out: inout ByteBuffer
  ) throws(ItemFailure) {
    unsafe try append(item, body, columns: attributes.count, to: &out)
  }

  /// Appends what can be made of an item whose row `appendRow` has refused, for a dead letter: a value that its column does
  /// not take stands there as JSON; what can't be that either is NULL.
  package mutating func appendRefusedRow(
    of item: Range<Int>, in body: UnsafeRawBufferPointer, to out: inout ByteBuffer
  ) {
    var cursor = unsafe JSONCursor(body, item)
    row.removeAll()
    // What was found before a fault is there.
    do throws(JSONFault) { try find(&cursor, isKeyOnly: false) } catch {}
    let fitting = forms
    defer { forms = fitting }
    for column in fitting.indices {
      let start = row.count
      for form in [fitting[column], .json] {
        forms[column] = form
        row.truncate(to: start)
        do throws(JSONFault) {
          try appendColumn(column, cursor)
          break
        } catch {
          row.truncate(to: start)
          row.append(length: WireRow.null)
        }
      }
    }
    unsafe out.append(row.bytes)
  }

  /// Appends the key's columns, as a delete carries them.
  ///
  /// - Parameter keys: an object with the key's attributes at least: `Keys`, or an image.
  /// - Throws: as `appendRow`.
  package mutating func appendKey(
    of keys: Range<Int>, in body: UnsafeRawBufferPointer, to out: inout ByteBuffer
  ) throws(ItemFailure) {
    unsafe try append(keys, body, columns: mapping.key.count, to: &out)
  }

  private mutating func append(
    _ item: Range<Int>, _ body: UnsafeRawBufferPointer, columns: Int, to out: inout ByteBuffer
  ) throws(ItemFailure) {
    var cursor = unsafe JSONCursor(body, item)
    current = nil
    row.removeAll()
    do throws(JSONFault) {
      try find(&cursor, isKeyOnly: columns < attributes.count)
      for column in 0..<columns { try appendColumn(column, cursor) }
    } catch {
      throw unsafe failure(error, JSONCursor(body, item))
    }
    unsafe out.append(row.bytes)
  }

  // MARK: Reading

  /// Notes where the attributes of columns are, and writes the document and the rest.
  private mutating func find(_ cursor: inout JSONCursor, isKeyOnly: Bool) throws(JSONFault) {
    for number in found.indices { found[number] = nil }
    document.removeAll(keeping: 1 << 20)
    overflow.removeAll(keeping: 1 << 20)
    var more = try cursor.enterObject()
    while more {
      let text = try cursor.name()
      current = .name(text)
      let start = cursor.at
      let number = try attribute(text, cursor)
      if let number { found[number] = try cursor.attribute() } else { try cursor.skipValue() }
      if !isKeyOnly {
        if hasDocument { try Self.collect(text, start, cursor, to: &document) }
        let isCovered = number.map { isWhole[$0] } ?? false
        if hasOverflow, !isCovered { try Self.collect(text, start, cursor, to: &overflow) }
      }
      more = try cursor.nextMember()
    }
    current = nil
    if document.count > 0 { document.append(byte: UInt8(ascii: "}")) }
    if overflow.count > 0 { overflow.append(byte: UInt8(ascii: "}")) }
  }

  @inline(__always)
  private mutating func attribute(_ text: JSONText, _ cursor: JSONCursor) throws(JSONFault) -> Int? {
    if !text.hasEscapes { return unsafe index.number(of: cursor.bytes(text.start, text.end)) }
    name.removeAll()
    try cursor.appendText(text, to: &name)
    return unsafe index.number(of: name.bytes)
  }

  /// Appends a member, the value at `start`, to an object that is still open.
  private static func collect(
    _ text: JSONText, _ start: Int, _ cursor: JSONCursor, to object: inout TextBuffer
  ) throws(JSONFault) {
    object.append(byte: object.count == 0 ? UInt8(ascii: "{") : UInt8(ascii: ","))
    try cursor.appendQuoted(text, to: &object)
    object.append(byte: UInt8(ascii: ":"))
    var value = cursor
    value.at = start
    try value.appendJSON(to: &object)
  }

  // MARK: Writing

  private mutating func appendColumn(_ column: Int, _ cursor: JSONCursor) throws(JSONFault) {
    let number = attributes[column]
    let length = row.count
    row.append(length: 0)
    if number < 0 {
      if number == -1 {
        unsafe row.append(document.bytes)
      } else if overflow.count > 0 {
        unsafe row.append(overflow.bytes)
      } else {
        return row.set(length: WireRow.null, at: length)
      }
      return try endField(length, at: cursor.at)
    }
    current = .column(column)
    var value = found[number]
    if !steps[column].isEmpty, let whole = value { value = try cursor.value(at: steps[column], of: whole) }
    guard let value, value.type != .null else {
      if column < mapping.key.count { throw JSONFault("is missing, though it is of the key", at: cursor.at) }
      return row.set(length: WireRow.null, at: length)
    }
    switch (value.type, forms[column]) {
    case (.string, .text): try cursor.appendText(value.content, to: &row)
    case (.number, .number): try cursor.appendNumber(value.content, to: &row)
    default:
      guard try cursor.append(value, as: forms[column], to: &row) else {
        throw unfit(value, mapping.columns[column])
      }
    }
    try endField(length, at: value.content.start)
  }

  @inline(__always)
  private mutating func endField(_ length: Int, at offset: Int) throws(JSONFault) {
    guard let count = Int32(exactly: row.count - length - 4) else {
      throw JSONFault("is larger than 2 GiB", at: offset)
    }
    row.set(length: count, at: length)
  }

  // MARK: Failures

  private func unfit(_ value: Attribute, _ column: ItemColumn) -> JSONFault {
    let advice = value.type == .number && column.takesTimes ? " without a format" : ""
    return JSONFault(
      "is \(value.type.phrase), which a column of type \(column.type.formatted) does not take\(advice)",
      at: value.content.start)
  }

  private func failure(_ fault: JSONFault, _ cursor: JSONCursor) -> ItemFailure {
    let attribute: String? =
      switch current {
      case .name(let text): cursor.shownText(text)
      case .column(let column):
        if case .value(let path) = mapping.columns[column].content { path.description } else { nil }
      case nil: nil
      }
    return ItemFailure(
      table: mapping.table, key: cursor.shownKey(mapping.key.map(\.name)), attribute: attribute,
      reason: fault.isMalformed ? fault.description : fault.reason, rowClass: fault.isMalformed ? nil : .data)
  }
}
