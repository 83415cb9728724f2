internal import Apply
internal import ChangeModel
internal import SQLMapping
internal import Transforms

/// How one relation's tuples become a planned table's rows.
final class RelationRoute {
  /// The table as it comes from the source, whose rows `rows` transforms.
  let plan: TablePlan
  /// Makes the target's rows when they are not the source's.
  let rows: TableRows?
  /// For each column of the mapping, its index in the relation's tuples; `nil` when the relation lacks it.
  let tupleColumns: [Int?]
  let conversions: [ValueConversion]
  let isKeyless: Bool
  private let needsConversion: [Bool]
  /// Whether a tuple's fields are the row's, one by one.
  private let isStraight: Bool

  /// - Parameter isOlder: the relation is as it was before the catalog was read that the mapping comes from. A column
  ///   it lacks was added since, or was left out by a publication; one it has too many was dropped.
  /// - Throws: a transient failure when the relation has changed since, so that the catalog is read again.
  init(_ relation: RelationMessage, _ target: TablePlan, isOlder: Bool) throws(Failure) {
    let plan =
      target.mapping.input.map {
        TablePlan(index: target.index, mapping: $0, isBinary: false, appliesFrom: target.appliesFrom)
      } ?? target
    self.plan = plan
    rows = target.mapping.transform == nil ? nil : try TableRows(target.mapping)
    var columns: [Int?] = []
    for column in plan.mapping.columns {
      let index = relation.columns.firstIndex { $0.name == column.source.name }
      if let index, relation.columns[index].typeOID != column.source.typeOID {
        throw RelationRoute.changed(relation, "column \"\(column.source.name)\" changed its type", mayPass: !isOlder)
      }
      if index == nil && !isOlder {
        // Dropped, or left out by the publication's column list: it must not become NULL in silence.
        throw RelationRoute.changed(relation, "column \"\(column.source.name)\" is gone", mayPass: true)
      }
      if index == nil, plan.mapping.isKeyless, !column.source.wasAddedEmpty {
        throw RelationRoute.unknowable(relation, column.source.name)
      }
      columns.append(index)
    }
    let known = Set(plan.mapping.source.columns.map(\.name))
    if !isOlder, let added = relation.columns.first(where: { !known.contains($0.name) }) {
      throw RelationRoute.changed(relation, "column \"\(added.name)\" was added", mayPass: true)
    }
    for key in plan.keyColumns where columns[key] == nil {
      throw RelationRoute.changed(
        relation, "key column \"\(plan.mapping.columns[key].source.name)\" is not in the stream", mayPass: false)
    }
    tupleColumns = columns
    conversions = plan.mapping.columns.map(\.conversion)
    needsConversion = conversions.map { $0 != .none }
    isKeyless = plan.mapping.isKeyless
    isStraight =
      !isKeyless && relation.columns.count == columns.count && !needsConversion.contains(true)
      && columns.enumerated().allSatisfy { $0 == $1 }
  }

  /// Appends the new tuple of an INSERT, or of an UPDATE that tells nothing of the old row, in one pass over the message.
  ///
  /// - Parameter message: everything from the tuple's number of columns on.
  /// - Returns: false, with nothing appended, unless each field is a value or NULL and becomes the row's as it stands.
  func appendStraight(_ message: UnsafeRawBufferPointer, to out: inout ByteBuffer) -> Bool {
    guard isStraight, message.count >= 2, unsafe message.bigEndian(at: 0, as: UInt16.self) == tupleColumns.count else {
      return false
    }
    // A row is shorter than its tuple but for NULLs, which take three bytes more.
    let tail = unsafe out.tail(reserving: message.count + 3 * tupleColumns.count)
    var (read, written) = (2, 0)
    for _ in 0..<tupleColumns.count {
      guard read < message.count else { return false }
      switch unsafe message[read] {
      case TupleField.Kind.text.rawValue, TupleField.Kind.binary.rawValue:
        guard message.count - read >= 5 else { return false }
        let length = Int(unsafe message.bigEndian(at: read + 1, as: Int32.self))
        guard length >= 0, length <= message.count - read - 5 else { return false }
        unsafe copyField(message.baseAddress! + read + 1, to: tail + written, 4 + length)
        read += 5 + length
        written += 4 + length
      case TupleField.Kind.null.rawValue:
        unsafe tail.storeBytes(of: WireRow.null, toByteOffset: written, as: Int32.self)
        read += 1
        written += 4
      default: return false
      }
    }
    guard read == message.count else { return false }
    out.advance(by: written)
    return true
  }

  /// Rows that were there when a column was added have its default. One with a key is read again, one without can't be.
  private static func unknowable(_ relation: RelationMessage, _ column: String) -> Failure {
    Failure(
      .source,
      "changes of table \(relation.name), which has no key, are from before its column \"\(column)\" was added, "
        + "and do not tell what the rows hold there now", location: "\(relation.name)",
      hint: "Run penstock reset, empty the table in the target, and load again. A table with a primary key would go on."
    )
  }

  private static func changed(_ relation: RelationMessage, _ what: String, mayPass: Bool) -> Failure {
    Failure(
      .source, "table \(relation.name) changed while it was streamed: \(what)", location: "\(relation.name)",
      hint: "Change the target table to match, then start Penstock again: it reads the new definition and goes on.",
      isTransient: mayPass)
  }

  /// Appends the new tuple as a `WireRow`, taking what did not change from the old one where it is there.
  ///
  /// - Parameters:
  ///   - old: the old tuple, or empty.
  ///   - isWhole: whether the tuple is a row by itself. What a relation lacks is then NULL if the table has no key, by
  ///     which the source could be asked: the column was added without a value.
  /// - Returns: whether some column stays unchanged and unknown.
  func appendRow(
    _ tuple: [TupleField], old: [TupleField], _ oldKind: OldTuple?, in message: UnsafeRawBufferPointer,
    isWhole: Bool, to out: inout ByteBuffer
  ) throws(Failure) -> Bool {
    var isPartial = false
    for (column, index) in tupleColumns.enumerated() {
      guard let index, index < tuple.count else {
        let isNull = isWhole && isKeyless
        out.append(bigEndian: isNull ? WireRow.null : WireRow.unchanged)
        if !isNull { isPartial = true }
        continue
      }
      var field = tuple[index]
      if field.kind == .unchanged, index < old.count, oldKind == .full || plan.keyColumns.contains(column) {
        field = old[index]
      }
      switch field.kind {
      case .null: out.append(bigEndian: WireRow.null)
      case .unchanged:
        if plan.keyColumns.contains(column) { throw keyMissing(column) }
        out.append(bigEndian: WireRow.unchanged)
        isPartial = true
      case .binary, .text: try unsafe append(field, column, in: message, to: &out)
      }
    }
    return isPartial
  }

  /// Appends the key columns of a tuple, in the order in which keys travel.
  func appendKey(
    _ tuple: [TupleField], in message: UnsafeRawBufferPointer, to out: inout ByteBuffer
  ) throws(Failure) {
    for column in plan.keyColumns {
      guard let index = tupleColumns[column], index < tuple.count,
        tuple[index].kind == .binary || tuple[index].kind == .text
      else {
        throw keyMissing(column)
      }
      try unsafe append(tuple[index], column, in: message, to: &out)
    }
  }

  private func keyMissing(_ column: Int) -> Failure {
    let table = plan.mapping.source.name
    return Failure(
      .source, "a change of table \(table) does not hold key column \"\(plan.mapping.columns[column].source.name)\"",
      location: "\(table)",
      hint: "Set REPLICA IDENTITY FULL on the table, then run penstock reset and load it again.")
  }

  /// Whether two tuples name the same row.
  func sameKey(_ a: [TupleField], _ b: [TupleField], in message: UnsafeRawBufferPointer) -> Bool {
    for column in plan.keyColumns {
      guard let index = tupleColumns[column], index < a.count, index < b.count else { return false }
      // A key that is toasted and unchanged is the same key.
      if b[index].kind == .unchanged { continue }
      guard a[index].kind == b[index].kind, a[index].count == b[index].count else { return false }
      let first = unsafe message[a[index].lengthOffset..<(a[index].lengthOffset + 4 + a[index].count)]
      let second = unsafe message[b[index].lengthOffset..<(b[index].lengthOffset + 4 + b[index].count)]
      if unsafe !first.elementsEqual(second) { return false }
    }
    return true
  }

  @inline(__always)
  private func append(
    _ field: TupleField, _ column: Int, in message: UnsafeRawBufferPointer, to out: inout ByteBuffer
  ) throws(Failure) {
    if !needsConversion[column] {
      let range = field.lengthOffset..<(field.lengthOffset + 4 + field.count)
      unsafe out.append(UnsafeRawBufferPointer(rebasing: message[range]))
      return
    }
    let start = field.lengthOffset + 4
    let value = unsafe UnsafeRawBufferPointer(rebasing: message[start..<(start + field.count)])
    try unsafe appendConverted(value, conversions[column], plan.mapping, column, to: &out)
  }
}

extension SourceColumn {
  /// Whether rows that are older than the column hold NULL there.
  fileprivate var wasAddedEmpty: Bool {
    !isNotNull && !isIdentity && defaultExpression == nil && !wasAddedWithValue
  }
}
