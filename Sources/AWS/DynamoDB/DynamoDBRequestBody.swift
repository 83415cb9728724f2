/// A JSON object as it is sent, made member by member.
struct DynamoDBRequestBody {
  private(set) var bytes: [UInt8] = [UInt8(ascii: "{")]

  mutating func add(_ name: String, json: some Sequence<UInt8>) {
    if bytes.count > 1 { bytes.append(UInt8(ascii: ",")) }
    Self.quote(name, into: &bytes)
    bytes.append(UInt8(ascii: ":"))
    bytes += json
  }

  /// `nil` leaves the member out.
  mutating func add(_ name: String, _ text: String?) {
    guard let text else { return }
    var quoted: [UInt8] = []
    Self.quote(text, into: &quoted)
    add(name, json: quoted)
  }

  /// `nil` leaves the member out.
  mutating func add(_ name: String, _ number: Int?) {
    if let number { add(name, json: String(number).utf8) }
  }

  mutating func add(_ name: String, _ isTrue: Bool) { add(name, json: (isTrue ? "true" : "false").utf8) }

  var ended: [UInt8] { bytes + [UInt8(ascii: "}")] }

  static func quote(_ text: String, into bytes: inout [UInt8]) {
    bytes.append(UInt8(ascii: "\""))
    for byte in text.utf8 {
      switch byte {
      case UInt8(ascii: "\""), UInt8(ascii: "\\"): bytes += [UInt8(ascii: "\\"), byte]
      case 0..<0x20: bytes += "\\u00\(byte < 16 ? "0" : "")\(String(byte, radix: 16))".utf8
      default: bytes.append(byte)
      }
    }
    bytes.append(UInt8(ascii: "\""))
  }
}
