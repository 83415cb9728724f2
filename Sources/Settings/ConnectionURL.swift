import ChangeModel

/// The parts of a `postgresql://` URL that were given, percent-decoded; the password only as a `Secret`.
///
/// Source: PostgreSQL documentation, "Connection URIs". Stricter than libpq: one host, few parameters, nothing implied.
struct ConnectionURL: Hashable, Sendable {
  /// A name, an address, or the directory of a Unix socket.
  var host: String?
  var port: Int?
  var username: String?
  var password: Secret?
  var database: String?
  var sslMode: SSLMode?
  var sslRootCertificate: String?
  var connectTimeout: Duration?
  var applicationName: String?

  /// The parameters that may follow `?`.
  static let parameters = ["application_name", "connect_timeout", "host", "sslmode", "sslrootcert"]

  /// - Throws: what is wrong, without any part of the URL: a password with an unescaped `/`, `?` or `@` can be anywhere.
  init(_ text: String) throws(ValueProblem) {
    guard let scheme = ["postgresql://", "postgres://"].first(where: text.hasPrefix) else {
      throw ValueProblem(what: text.isEmpty ? "is empty" : "does not begin with postgresql://")
    }
    if text.contains("#") { throw ValueProblem(what: "holds a #", advice: "write %23 for it") }
    var rest = text.dropFirst(scheme.count)
    if let mark = rest.firstIndex(of: "?") {
      try readParameters(rest[rest.index(after: mark)...])
      rest = rest[..<mark]
    }
    if let slash = rest.firstIndex(of: "/") {
      let name = rest[rest.index(after: slash)...]
      if name.contains("/") {
        throw ValueProblem(what: "has a / in the database name", advice: "write %2F for a / in a password or name")
      }
      if !name.isEmpty { database = try Self.decoded(name) }
      rest = rest[..<slash]
    }
    if let at = rest.lastIndex(of: "@") {
      try readUser(rest[..<at])
      rest = rest[rest.index(after: at)...]
    }
    try readAddress(rest)
  }

  private mutating func readUser(_ text: Substring) throws(ValueProblem) {
    if text.contains("@") {
      throw ValueProblem(what: "has more than one @", advice: "write %40 for an @ in a password")
    }
    let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
    if !parts[0].isEmpty { username = try Self.decoded(parts[0]) }
    guard parts.count == 2 else { return }
    let password = try Self.decoded(parts[1])
    if !password.isEmpty { self.password = Secret(password) }
  }

  private mutating func readAddress(_ text: Substring) throws(ValueProblem) {
    if text.contains(",") { throw ValueProblem(what: "names several hosts") }
    var address = text
    if address.first == "[" {
      guard let end = address.firstIndex(of: "]") else { throw ValueProblem(what: "has a [ without ]") }
      try setHost(String(address[address.index(after: address.startIndex)..<end]))
      address = address[address.index(after: end)...]
      guard address.isEmpty || address.first == ":" else { throw ValueProblem(what: "has text after the ]") }
    } else {
      let name = address.prefix { $0 != ":" }
      if !name.isEmpty { try setHost(try Self.decoded(name)) }
      address = address[name.endIndex...]
    }
    guard address.first == ":" else { return }
    let digits = address.dropFirst()
    if digits.isEmpty { return }
    guard let port = Int(digits), digits.utf8.allSatisfy({ (0x30...0x39).contains($0) }), (1...65535).contains(port)
    else {
      throw ValueProblem(
        what: "has a port that is not a number from 1 to 65535",
        advice: "write %3A, %2F and %40 for a :, / or @ in a password")
    }
    self.port = port
  }

  private mutating func setHost(_ text: String) throws(ValueProblem) {
    if host != nil { throw ValueProblem(what: "names the host twice") }
    if text.isEmpty || (text.contains("/") && !text.hasPrefix("/")) { throw ValueProblem(what: "has no usable host") }
    host = text
  }

  private mutating func readParameters(_ text: Substring) throws(ValueProblem) {
    var seen: Set<String> = []
    for pair in text.split(separator: "&") {
      let parts = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      let name = try Self.decoded(parts[0])
      guard Self.parameters.contains(name) else {
        // Only a name near a known one is surely no part of a password.
        let advice = nearestName(to: name, among: Self.parameters).map { "did you mean \"\($0)\"?" }
        throw ValueProblem(
          what: "has an unknown parameter", expected: "only \(SettingType.alternatives(Self.parameters))",
          advice: advice)
      }
      guard seen.insert(name).inserted else { throw ValueProblem(what: "gives \(name) twice") }
      let value = parts.count == 2 ? try Self.decoded(parts[1]) : ""
      if value.isEmpty { throw ValueProblem(what: "has an empty \(name)") }
      try setParameter(name, value)
    }
  }

  private mutating func setParameter(_ name: String, _ value: String) throws(ValueProblem) {
    switch name {
    case "application_name": applicationName = value
    case "host": try setHost(value)
    case "sslrootcert": sslRootCertificate = value
    case "sslmode":
      guard let mode = SSLMode(rawValue: value) else {
        throw ValueProblem(
          what: "has an unknown sslmode", expected: SettingType.alternatives(SSLMode.allCases.map(\.rawValue)))
      }
      sslMode = mode
    default:
      guard let seconds = Int(value), (1...600).contains(seconds) else {
        throw ValueProblem(what: "has a bad connect_timeout", expected: "seconds from 1 to 600")
      }
      connectTimeout = .seconds(seconds)
    }
  }

  /// Percent-decoding; a `+` stays a plus.
  private static func decoded(_ text: Substring) throws(ValueProblem) -> String {
    var bytes: [UInt8] = []
    var rest = text.utf8[...]
    while let byte = rest.popFirst() {
      guard byte == UInt8(ascii: "%") else {
        bytes.append(byte)
        continue
      }
      let digits = rest.prefix(2)
      guard digits.count == 2, digits.allSatisfy(\.isHexDigit), let value = UInt8(String(digits) ?? "", radix: 16)
      else { throw ValueProblem(what: "has a % without two hexadecimal digits", advice: "write %25 for a %") }
      bytes.append(value)
      rest = rest.dropFirst(2)
    }
    guard !bytes.contains(0), let decoded = String(validating: bytes, as: UTF8.self) else {
      throw ValueProblem(what: "is not UTF-8 after percent-decoding")
    }
    return decoded
  }
}

extension Setting where Value == ConnectionURL? {
  /// A `postgresql://` URL; its text is never shown.
  static func connectionURL(_ key: String, _ summary: String) -> Self {
    Setting(
      key: key, type: .connectionURL, summary: summary, placeholder: nil,
      written: { _ in (.string(""), "") },
      read: { (scalar) throws(ValueProblem) in try ConnectionURL(try scalar.asText()) })
  }
}
