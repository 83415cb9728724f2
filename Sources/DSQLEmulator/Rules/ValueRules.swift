/// DSQL's limit on one value: 1 MiB as stored, that is after compression for text and JSON.
enum ValueRules {
  static let bytesMax = 1_048_576

  /// Built-in types by their object ids (PostgreSQL's `pg_type.dat`).
  private enum TypeID {
    static let names: [UInt32: String] = [
      17: "bytea", 25: "text", 114: "json", 1042: "text", 1043: "text", 3802: "jsonb",
    ]
    static let elements: [UInt32: UInt32] = [1001: 17, 1009: 25, 199: 114, 1014: 1042, 1015: 1043, 3807: 3802]
  }

  /// Why a bound parameter cannot be stored; array parameters are looked into when they are binary.
  /// - Parameter typeID: as Parse declared it; 0 when the server was to infer it, which counts as text.
  static func refusal(parameter: [UInt8], typeID: UInt32, isBinary: Bool) -> ServerError? {
    guard parameter.count > bytesMax else { return nil }
    if let element = TypeID.elements[typeID] {
      guard isBinary, let name = TypeID.names[element] else { return nil }
      return arrayRefusal(parameter, name)
    }
    // An untyped parameter that may be an array's text stays unjudged.
    if typeID == 0, parameter[0] == UInt8(ascii: "{") { return nil }
    guard let name = typeID == 0 ? "text" : TypeID.names[typeID] else { return nil }
    let size = name == "bytea" && !isBinary ? (parameter.count - 2) / 2 : parameter.count
    return size > bytesMax ? refusal(parameter[...], name) : nil
  }

  /// Binary arrays: dimensions, flags, element type, then per dimension a size and bound, then length and bytes each.
  private static func arrayRefusal(_ array: [UInt8], _ name: String) -> ServerError? {
    func int32(_ offset: Int) -> Int {
      Int(Int32(bitPattern: array[offset..<(offset + 4)].reduce(0) { $0 << 8 | UInt32($1) }))
    }
    var offset = 12 + 8 * max(0, min(int32(0), 6))
    while offset + 4 <= array.count {
      let length = int32(offset)
      offset += 4
      if length < 0 { continue }
      guard offset + length <= array.count else { return nil }
      if length > bytesMax, let error = refusal(array[offset..<(offset + length)], name) { return error }
      offset += length
    }
    return nil
  }

  /// Why a literal in a statement's text cannot be stored. Its type is not known here: it counts as text.
  static func refusal(literalsOf text: [UInt8]) -> ServerError? {
    guard text.count > bytesMax else { return nil }
    for token in SQLLexer(text) where token.kind == .string && token.range.count > bytesMax + 2 {
      if let error = refusal(text[token.range].dropFirst().dropLast(), "text") { return error }
    }
    return nil
  }

  private static func refusal(_ value: ArraySlice<UInt8>, _ name: String) -> ServerError? {
    if name != "bytea", compressedSize(value) <= bytesMax { return nil }
    return ServerError("54000", "datatype limit greater than \(bytesMax) bytes not supported for \(name)")
  }

  /// About how many bytes LZ4 makes of a value: its fast search, counting instead of writing.
  static func compressedSize(_ value: ArraySlice<UInt8>) -> Int {
    let bytes = Array(value)
    var seenAt = [Int32](repeating: -1, count: 1 << 14)
    var size = 0
    var literals = 0
    var at = 0
    func word(_ offset: Int) -> UInt32 {
      UInt32(bytes[offset]) | UInt32(bytes[offset + 1]) << 8 | UInt32(bytes[offset + 2]) << 16
        | UInt32(bytes[offset + 3]) << 24
    }
    while at + 4 <= bytes.count {
      let current = word(at)
      let slot = Int((current &* 2_654_435_761) >> 18)
      let candidate = Int(seenAt[slot])
      seenAt[slot] = Int32(truncatingIfNeeded: at)
      guard candidate >= 0, at - candidate < 65536, word(candidate) == current else {
        literals += 1
        at += 1
        continue
      }
      var length = 4
      while at + length < bytes.count, bytes[candidate + length] == bytes[at + length] { length += 1 }
      // A token, the literals before it, an offset, and bytes that extend long runs.
      size += 3 + literals + literals / 255 + (length - 4) / 255
      literals = 0
      at += length
    }
    return size + literals + (bytes.count - at) + literals / 255 + 1
  }
}
