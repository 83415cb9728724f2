internal import Apply
internal import CSQLite
internal import ChangeModel
internal import SQLMapping

/// How a column's text is shown to SQL.
enum InputKind {
  case integer, real, numeric, boolean, bytes, text

  init(typeName: String) {
    self =
      switch typeName {
      case "int2", "int4", "int8", "oid", "xid", "cid": .integer
      case "float4", "float8": .real
      case "numeric": .numeric
      case "bool": .boolean
      case "bytea": .bytes
      default: .text
      }
  }

  /// The declared type whose affinity comparisons with the column have: `price > 10` compares numbers.
  var declaration: String {
    switch self {
    case .integer, .boolean: "INTEGER"
    case .real: "REAL"
    case .numeric: "NUMERIC"
    case .bytes: "BLOB"
    case .text: "TEXT"
    }
  }
}

/// The row that expressions read: borrowed bytes, valid while a statement runs.
@safe final class CurrentRow {
  let kinds: [InputKind]
  // SAFETY: set before a statement is stepped and read by it only, while the caller's bytes live.
  private var bytes = unsafe UnsafeRawBufferPointer(start: nil, count: 0)
  private var starts: [Int]

  init(_ kinds: [InputKind]) {
    self.kinds = kinds
    starts = Array(repeating: 0, count: kinds.count)
  }

  /// - Returns: false when the bytes are not a row of as many columns.
  func set(_ row: UnsafeRawBufferPointer) -> Bool {
    unsafe bytes = row
    var offset = 0
    for column in starts.indices {
      guard offset + 4 <= row.count else { return false }
      starts[column] = offset
      let length = unsafe Int(row.bigEndian(at: offset, as: Int32.self))
      offset += 4 + max(0, length)
      guard length >= Int(WireRow.unchanged), offset <= row.count else { return false }
    }
    return offset == row.count
  }

  /// A field with its length.
  func field(_ column: Int) -> UnsafeRawBufferPointer { unsafe WireRow.field(bytes, at: starts[column]) }

  /// Hands a column's value to SQLite.
  func give(_ column: Int, to context: OpaquePointer?) {
    let field = unsafe field(column)
    let length = unsafe field.bigEndian(at: 0, as: Int32.self)
    if length == WireRow.unchanged {
      return unsafe sqlite3_result_error(context, "a value that the source has not sent is needed", -1)
    }
    guard length >= 0 else { return unsafe sqlite3_result_null(context) }
    let value = unsafe UnsafeRawBufferPointer(rebasing: field[4...])
    switch kinds[column] {
    case .integer, .numeric:
      if let number = unsafe integer(value) { return unsafe sqlite3_result_int64(context, number) }
    case .real:
      // NaN is no number to SQLite, and would be NULL.
      let number = unsafe Double(String(decoding: value, as: UTF8.self))
      if let number, !number.isNaN { return unsafe sqlite3_result_double(context, number) }
    case .boolean: return unsafe sqlite3_result_int(context, value.first == UInt8(ascii: "t") ? 1 : 0)
    case .bytes: return unsafe giveBytes(value, to: context)
    case .text: break
    }
    // SAFETY: no destructor, as the row outlives the step.
    unsafe sqlite3_result_text64(
      context, value.baseAddress?.assumingMemoryBound(to: CChar.self), UInt64(length), nil, UInt8(SQLITE_UTF8))
  }

  /// `\x0aff` as two bytes.
  private func giveBytes(_ text: UnsafeRawBufferPointer, to context: OpaquePointer?) {
    let count = (text.count - 2) / 2
    guard count > 0 else { return unsafe sqlite3_result_zeroblob(context, 0) }
    guard let memory = unsafe sqlite3_malloc64(UInt64(count)) else {
      return unsafe sqlite3_result_error_nomem(context)
    }
    for index in 0..<count {
      let high = unsafe text[2 + index * 2].hexValue
      let low = unsafe text[3 + index * 2].hexValue
      unsafe memory.storeBytes(of: high << 4 | low, toByteOffset: index, as: UInt8.self)
    }
    unsafe sqlite3_result_blob64(context, memory, UInt64(count), sqlite3_free)
  }
}

/// The integer that a text is, as a server prints it; `nil` for anything else, or beyond 64 bits.
private func integer(_ text: UnsafeRawBufferPointer) -> Int64? {
  let isNegative = unsafe text.first == UInt8(ascii: "-")
  var value: Int64 = 0
  let first = isNegative ? 1 : 0
  guard text.count > first, text.count - first <= 19 else { return nil }
  for index in first..<text.count {
    let byte = unsafe text[index]
    guard byte >= UInt8(ascii: "0"), byte <= UInt8(ascii: "9") else { return nil }
    let digit = Int64(byte - UInt8(ascii: "0"))
    let (product, overflow) = value.multipliedReportingOverflow(by: 10)
    let (sum, more) = product.subtractingReportingOverflow(digit)
    if overflow || more { return nil }
    value = sum
  }
  if isNegative { return value }
  return value == .min ? nil : -value
}

extension UInt8 {
  /// The value of a hexadecimal digit.
  fileprivate var hexValue: UInt8 {
    switch self {
    case UInt8(ascii: "a")...UInt8(ascii: "f"): self - UInt8(ascii: "a") + 10
    case UInt8(ascii: "A")...UInt8(ascii: "F"): self - UInt8(ascii: "A") + 10
    default: self &- UInt8(ascii: "0")
    }
  }
}
