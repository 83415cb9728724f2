package import Apply
package import ChangeModel
internal import SQLMapping

/// A row that the target refused, as it is kept: there is at most one for each key of a table.
package struct DeadLetter: Hashable, Sendable {
  package enum Operation: String, Hashable, Sendable {
    /// The row is now this.
    case upsert
    /// Some columns of the row are now these.
    case patch
    case delete
    /// Copies of a row in a table without a key.
    case add
    /// The row should be this, but a transform could not make it: only its key is known.
    case unmade
  }

  /// Made of the table and the key, or the whole row where there is no key: the same in every process.
  package var id: String
  package var sourceTable: String
  /// Quoted, as statements have it.
  package var targetTable: String
  /// A JSON object of the key's columns, and of the origin's where only its own row may be touched; `nil` for a table
  /// without a key.
  package var key: String?
  package var operation: Operation
  /// Of the change in the stream, or the chunk of the full load.
  package var position: String
  package var state: SQLState
  package var reason: String
  /// A JSON object of the target's columns: text, `null`, or `{"hex": …}` for bytes that are no text.
  package var row: String
  package var copies: Int

  /// - Parameters:
  ///   - row: a `WireRow` of all columns, or for a delete the fields of `TablePlan.nameColumns`.
  ///   - position: see the property.
  package init(
    _ plan: TablePlan, _ kind: ChangeKind, row: UnsafeRawBufferPointer, position: String, copies: Int = 1,
    because failure: Failure
  ) {
    let mapping = plan.mapping
    let nameColumns = kind == .delete || kind == .patch ? plan.nameColumns : plan.keyColumns
    let keyFields: [UInt8] =
      kind == .delete ? unsafe [UInt8](row) : plan.mapping.isKeyless ? [] : unsafe plan.fields(nameColumns, of: row)
    sourceTable = "\(mapping.source.name)"
    targetTable = mapping.target.quoted
    operation =
      switch kind {
      case .refused where mapping.transform != nil: .unmade
      case .upsert, .refused: .upsert
      case .patch: .patch
      case .delete: .delete
      case .add, .remove: .add
      }
    self.position = position
    self.copies = copies
    state = failure.state ?? "00000"
    reason = failure.message
    let whole = Array(mapping.columns.indices)
    self.row = unsafe plan.json(row, columns: kind == .delete ? nameColumns : whole)
    id = mapping.isKeyless ? unsafe plan.letterID(row, columns: whole) : plan.letterID(key: keyFields)
    key =
      mapping.isKeyless
      ? nil : unsafe keyFields.withUnsafeBytes { unsafe plan.json($0, columns: nameColumns) }
  }
}

extension TablePlan {
  /// The id of the letter that a row with this key has, if it has one: key fields as they travel.
  package func letterID(key fields: [UInt8]) -> String {
    unsafe fields.withUnsafeBytes { unsafe letterID($0, columns: keyColumns) }
  }

  /// The same whatever the form in which the values travel.
  package func letterID(_ fields: UnsafeRawBufferPointer, columns: [Int]) -> String {
    var canonical = ByteBuffer(capacity: 256)
    canonical.append(Array("\(mapping.source.name)".utf8))
    var offset = 0
    for column in columns {
      let field = unsafe WireRow.field(fields, at: offset)
      offset += field.count
      guard let text = unsafe text(of: field, column) else {
        unsafe canonical.append(field)
        continue
      }
      var plain = ByteBuffer(capacity: text.count + 4)
      let mapped = mapping.columns[column]
      let exact = mapping.isKeyless || mapped.castType == "text"
      let bytes = exact ? text : canonicalNumber(text, mapped.source.baseTypeName)
      plain.append(bigEndian: Int32(bytes.count))
      plain.append(bytes)
      let form = exact ? KeyForm.exact : KeyForm(typeName: mapped.source.baseTypeName, binary: false)
      unsafe form.appendCanonical(plain.bytes, to: &canonical)
    }
    let (high, low) = unsafe (stableHash(canonical.bytes, seed: 1), stableHash(canonical.bytes, seed: 2))
    return hexadecimal(high) + hexadecimal(low).prefix(8)
  }

  /// Floating-point numbers are printed differently here and there.
  private func canonicalNumber(_ text: [UInt8], _ type: String) -> [UInt8] {
    let printed = String(decoding: text, as: UTF8.self)
    let value: String? =
      switch type {
      case "float4": Float(printed).map { "\($0 == 0 ? 0 : $0)" }
      case "float8": Double(printed).map { "\($0 == 0 ? 0 : $0)" }
      default: nil
      }
    return value.map { Array($0.utf8) } ?? text
  }

  /// A field's value as text; `nil` for NULL, for what is not given, and for bytes that are no value of the column's type.
  func text(of field: UnsafeRawBufferPointer, _ column: Int) -> [UInt8]? {
    guard unsafe field.bigEndian(at: 0, as: Int32.self) >= 0 else { return nil }
    let value = unsafe [UInt8](field[4...])
    guard isBinary, let type = mapping.columns[column].binaryOID.flatMap(BuiltinType.of) else { return value }
    var text: [UInt8] = []
    return type.appendText(of: value, to: &text) ? text : nil
  }

  /// Fields as a JSON object by the target's column names; columns that the row does not give are left out.
  func json(_ fields: UnsafeRawBufferPointer, columns: [Int]) -> String {
    var out: [UInt8] = []
    var offset = 0
    for column in columns {
      let field = unsafe WireRow.field(fields, at: offset)
      offset += field.count
      let length = unsafe field.bigEndian(at: 0, as: Int32.self)
      if length == WireRow.unchanged { continue }
      out.append(out.isEmpty ? UInt8(ascii: "{") : UInt8(ascii: ","))
      appendJSONString(Array(mapping.columns[column].targetName.utf8), to: &out)
      out.append(UInt8(ascii: ":"))
      if length < 0 {
        out += "null".utf8
      } else if let text = unsafe text(of: field, column), String(validating: text, as: UTF8.self) != nil {
        appendJSONString(text, to: &out)
      } else {
        out += #"{"hex":""#.utf8
        out += unsafe field[4...].flatMap { Array(hexadecimal($0).utf8) }
        out += #""}"#.utf8
      }
    }
    return out.isEmpty ? "{}" : String(decoding: out, as: UTF8.self) + "}"
  }
}

private func hexadecimal(_ value: some FixedWidthInteger & UnsignedInteger) -> String {
  let digits = String(value, radix: 16)
  return String(repeating: "0", count: value.bitWidth / 4 - digits.count) + digits
}
