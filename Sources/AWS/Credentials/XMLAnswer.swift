/// The few elements that are wanted from an answer of STS: each stands once in its document and holds nothing but text.
struct XMLAnswer: Sendable {
  private let text: String

  init(_ bytes: [UInt8]) { text = String(decoding: bytes, as: UTF8.self) }

  /// The text of the one element of this name; `nil` when it is missing, stands twice, or is not plain text.
  subscript(_ name: String) -> String? {
    let pieces = text.split(separator: "<\(name)>", omittingEmptySubsequences: false)
    guard pieces.count == 2, let end = pieces[1].firstIndex(of: "<"), pieces[1][end...].hasPrefix("</\(name)>") else {
      return nil
    }
    return Self.decoded(pieces[1][..<end])
  }

  private static func decoded(_ text: Substring) -> String? {
    var result = ""
    var rest = text
    while let ampersand = rest.firstIndex(of: "&") {
      result += rest[..<ampersand]
      guard let end = rest[ampersand...].firstIndex(of: ";"),
        let character = character(rest[rest.index(after: ampersand)..<end])
      else { return nil }
      result.unicodeScalars.append(character)
      rest = rest[rest.index(after: end)...]
    }
    return result + rest
  }

  private static func character(_ name: Substring) -> Unicode.Scalar? {
    switch name {
    case "amp": return "&"
    case "lt": return "<"
    case "gt": return ">"
    case "quot": return "\""
    case "apos": return "'"
    default: break
    }
    guard name.hasPrefix("#") else { return nil }
    let number = name.hasPrefix("#x") ? UInt32(name.dropFirst(2), radix: 16) : UInt32(name.dropFirst())
    return number.flatMap(Unicode.Scalar.init)
  }
}
