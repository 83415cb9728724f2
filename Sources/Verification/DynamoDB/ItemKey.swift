internal import Apply
internal import ChangeModel
internal import DynamoDBSource
internal import Runtime
internal import SQLMapping

/// An item's key as the columns' texts, in one form for each value, so that keys of both sides can be told apart.
struct ItemKey: Hashable, Sendable {
  /// In the key's order.
  var texts: [[UInt8]]

  init(texts: [[UInt8]]) { self.texts = texts }

  /// Reads a `WireRow` that begins with the key.
  init(_ row: UnsafeRawBufferPointer, _ attributes: [KeyAttribute]) {
    texts = []
    var offset = 0
    for attribute in attributes {
      let field = unsafe WireRow.field(row, at: offset)
      offset += field.count
      unsafe texts.append(Self.canonical([UInt8](field[4...]), attribute.kind))
    }
  }

  /// Of the texts that the target prints.
  init(printed: [String], _ attributes: [KeyAttribute]) {
    texts = zip(printed, attributes).map { Self.canonical(Array($0.utf8), $1.kind) }
  }

  /// A column `numeric(10,2)` prints 1.50 where DynamoDB has 1.5.
  private static func canonical(_ text: [UInt8], _ kind: KeyAttribute.Kind) -> [UInt8] {
    guard kind == .number, let point = text.firstIndex(of: UInt8(ascii: ".")) else { return text }
    var end = text.count
    while end > point, text[end - 1] == UInt8(ascii: "0") { end -= 1 }
    return Array(text[..<(end == point + 1 ? point : end)])
  }

  /// Appends the texts as fields of a `WireRow`.
  func appendFields(to out: inout ByteBuffer) {
    for text in texts {
      out.append(bigEndian: Int32(text.count))
      out.append(text)
    }
  }

  /// The key as BatchGetItem takes it; `nil` when the texts are none of the attributes' types.
  func json(_ attributes: [KeyAttribute]) -> [UInt8]? {
    var members: [String] = []
    for (text, attribute) in zip(texts, attributes) {
      let value: String
      switch attribute.kind {
      case .string: value = jsonString(String(decoding: text, as: UTF8.self))
      case .number: value = jsonString(String(decoding: text, as: UTF8.self))
      case .binary:
        guard let bytes = Self.bytes(hexadecimal: text) else { return nil }
        value = "\"\(Self.base64(bytes))\""
      }
      members.append("\(jsonString(attribute.name)):{\"\(attribute.kind.rawValue)\":\(value)}")
    }
    return Array("{\(members.joined(separator: ","))}".utf8)
  }

  /// Of `bytea`'s form `\x0aff`.
  private static func bytes(hexadecimal text: [UInt8]) -> [UInt8]? {
    guard text.count % 2 == 0, text.starts(with: "\\x".utf8) else { return nil }
    var bytes: [UInt8] = []
    for place in stride(from: 2, to: text.count, by: 2) {
      guard let byte = UInt8(String(decoding: text[place..<(place + 2)], as: UTF8.self), radix: 16) else { return nil }
      bytes.append(byte)
    }
    return bytes
  }

  private static func base64(_ bytes: [UInt8]) -> String {
    let digits = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
    var text: [UInt8] = []
    for start in stride(from: 0, to: bytes.count, by: 3) {
      let group = bytes[start..<min(start + 3, bytes.count)]
      let word = group.reduce(0) { $0 << 8 | Int($1) } << (8 * (3 - group.count))
      for index in 0..<4 {
        text.append(index <= group.count ? digits[word >> (18 - 6 * index) & 63] : UInt8(ascii: "="))
      }
    }
    return String(decoding: text, as: UTF8.self)
  }

  /// As a report shows it: by the target's columns, but for the key of an item that a transform makes something else of.
  ///
  /// - Parameter isPrinted: whether it is what the target prints.
  func parts(_ pair: ItemPair, isPrinted: Bool) -> [RowDifference.KeyPart] {
    if pair.transformed != nil, !isPrinted {
      return zip(pair.items.key, texts).map { attribute, text in
        RowDifference.KeyPart(
          name: attribute.name, text: String(decoding: text, as: UTF8.self), isNumber: attribute.kind == .number)
      }
    }
    return zip(pair.mapping.key, zip(texts, pair.items.key)).map { column, value in
      RowDifference.KeyPart(
        name: pair.mapping.columns[column].targetName, text: String(decoding: value.0, as: UTF8.self),
        isNumber: value.1.kind == .number)
    }
  }
}
