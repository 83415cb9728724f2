package import ChangeModel
internal import SQLMapping

/// The form of a row everywhere between source and sink: its columns one after the other in the table mapping's
/// order, each an Int32 length (big-endian) and that many bytes. It is the inside of a binary COPY tuple.
package enum WireRow {
  /// The length that says SQL NULL.
  @inlinable package static var null: Int32 { -1 }
  /// The length that says "as it was": pgoutput's unchanged TOAST.
  @inlinable package static var unchanged: Int32 { -2 }

  /// Where the fields of a well-formed row begin, one offset per column; `nil` when the bytes are not such a row.
  @inlinable package static func fieldOffsets(_ row: UnsafeRawBufferPointer, columns: Int) -> [Int]? {
    var offsets: [Int] = []
    offsets.reserveCapacity(columns)
    var offset = 0
    for _ in 0..<columns {
      guard offset + 4 <= row.count else { return nil }
      offsets.append(offset)
      let length = unsafe row.bigEndian(at: offset, as: Int32.self)
      offset += 4
      if length > 0 {
        guard Int(length) <= row.count - offset else { return nil }
        offset += Int(length)
      } else if length < unchanged {
        return nil
      }
    }
    return offset == row.count ? offsets : nil
  }

  /// The whole field, length included, that begins at `offset`.
  @inlinable @inline(__always)
  package static func field(_ row: UnsafeRawBufferPointer, at offset: Int) -> UnsafeRawBufferPointer {
    let length = unsafe row.bigEndian(at: offset, as: Int32.self)
    return unsafe UnsafeRawBufferPointer(rebasing: row[offset..<(offset + 4 + Int(max(0, length)))])
  }
}

/// How a key column's bytes are made equal when the values are equal to PostgreSQL.
package enum KeyForm: Hashable, Sendable {
  /// Equal values have equal bytes.
  case exact
  /// Equal values may have different bytes, such as the intervals `24:00:00` and `1 day`, and it is not worth knowing
  /// which: the column has no say in the choice of the lane, so that equal keys meet there.
  ///
  /// Inside a lane they may stay apart, since the source has one of them at a time and deletes are written first.
  case ambiguous
  /// `numeric` in binary: the display scale does not count.
  case numericBinary
  /// `numeric` in text: trailing zeros of the fraction do not count.
  case numericText
  /// `char(n)`: trailing blanks do not count.
  case blankPadded
  /// `real` and `double precision` in binary: minus zero is zero, and every NaN is one.
  case floatBinary
  /// The same in text.
  case floatText

  /// The form for a column that travels as `binary` or as text.
  package init(typeName: String, binary: Bool) {
    switch typeName {
    case "numeric": self = binary ? .numericBinary : .numericText
    case "bpchar": self = .blankPadded
    case "float4", "float8": self = binary ? .floatBinary : .floatText
    case "interval", "jsonb", "numrange", "nummultirange": self = .ambiguous
    default: self = .exact
    }
  }

  /// The form of a table's key column.
  init(_ column: ColumnMapping, isBinary: Bool) {
    let source = column.source
    // As text the target tells apart what the source's type calls equal.
    if column.castType == "text" && source.baseTypeName != "text" {
      self = .exact
    } else if source.comparesLoosely
      || source.baseKind == .array && BuiltinType.named(source.elementTypeName)?.equalityIsIdentity != true
    {
      self = .ambiguous
    } else {
      self.init(typeName: source.baseTypeName, binary: isBinary && column.binaryOID != nil)
    }
  }

  /// Appends a field (length and bytes) in canonical form.
  package func appendCanonical(_ field: UnsafeRawBufferPointer, to out: inout ByteBuffer) {
    let value = unsafe UnsafeRawBufferPointer(rebasing: field[4...])
    switch self {
    case .exact, .ambiguous:
      unsafe out.append(field)
    case .numericBinary:
      let start = out.count
      unsafe out.append(field)
      if value.count >= 8 { out.set(bigEndian: UInt16(0), at: start + 4 + 6) }
    case .numericText:
      var end = value.count
      if unsafe value.contains(0x2E) {
        while end > 0, unsafe value[end - 1] == 0x30 { end -= 1 }
        if end > 0, unsafe value[end - 1] == 0x2E { end -= 1 }
      }
      unsafe appendPrefix(value, end, field, &out)
    case .blankPadded:
      var end = value.count
      while end > 0, unsafe value[end - 1] == 0x20 { end -= 1 }
      unsafe appendPrefix(value, end, field, &out)
    case .floatBinary:
      let start = out.count
      unsafe out.append(field)
      if value.count == 4 {
        let number = Float(bitPattern: unsafe value.bigEndian(at: 0, as: UInt32.self))
        if number.isNaN { out.set(bigEndian: Float.nan.bitPattern, at: start + 4) }
        if number.isZero { out.set(bigEndian: UInt32(0), at: start + 4) }
      } else if value.count == 8 {
        let number = Double(bitPattern: unsafe value.bigEndian(at: 0, as: UInt64.self))
        if number.isNaN { out.set(bigEndian: Double.nan.bitPattern, at: start + 4) }
        if number.isZero { out.set(bigEndian: UInt64(0), at: start + 4) }
      }
    case .floatText:
      let isMinusZero = unsafe value.count == 2 && value[0] == 0x2D && value[1] == 0x30
      if isMinusZero {
        out.append(bigEndian: Int32(1))
        out.append(byte: 0x30)
      } else {
        unsafe out.append(field)
      }
    }
  }

  private func appendPrefix(
    _ value: UnsafeRawBufferPointer, _ end: Int, _ field: UnsafeRawBufferPointer, _ out: inout ByteBuffer
  ) {
    if unsafe field.bigEndian(at: 0, as: Int32.self) < 0 { return unsafe out.append(field) }
    out.append(bigEndian: Int32(end))
    unsafe out.append(UnsafeRawBufferPointer(rebasing: value[..<end]))
  }
}

/// A 64-bit hash of bytes, equal in every process: it decides lanes.
@inlinable
package func stableHash(_ bytes: UnsafeRawBufferPointer, seed: UInt64) -> UInt64 {
  var hash = seed ^ 0x9E37_79B9_7F4A_7C15 ^ UInt64(truncatingIfNeeded: bytes.count)
  var offset = 0
  while offset + 8 <= bytes.count {
    let word = unsafe bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
    hash = mixed(hash ^ UInt64(littleEndian: word))
    offset += 8
  }
  var tail: UInt64 = 0
  while offset < bytes.count {
    unsafe tail = tail << 8 | UInt64(bytes[offset])
    offset += 1
  }
  return mixed(hash ^ tail)
}

@inlinable @inline(__always)
package func mixed(_ value: UInt64) -> UInt64 {
  let product = value.multipliedFullWidth(by: 0xD6E8_FEB8_6659_FD93)
  return product.high ^ product.low
}
