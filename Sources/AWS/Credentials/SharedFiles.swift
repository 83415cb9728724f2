internal import ChangeModel

/// AWS's shared files, `~/.aws/config` and `~/.aws/credentials`, as far as credentials and regions need them.
/// (AWS SDKs and Tools Reference Guide, "Shared config and credentials files".)
struct SharedFiles: Sendable {
  /// One profile, with what both files say about it.
  struct Profile: Sendable {
    let name: String
    /// Names in lower case; those of the credentials file count more.
    let properties: [String: String]
    /// The keys of one file, never some of each: of the credentials file when it has any.
    let keys: [String: String]

    subscript(_ name: String) -> String? { properties[name].flatMap { $0.isEmpty ? nil : $0 } }
  }

  let configPath: String
  let credentialsPath: String
  let profiles: [String: Profile]
  /// The `[sso-session …]` sections.
  let sessions: [String: [String: String]]

  /// Files that do not exist are empty.
  /// - Throws: a configuration failure for a file that is there and can't be read.
  static func read(_ environment: AWSEnvironment) throws(Failure) -> SharedFiles {
    let config = environment.path(environment["AWS_CONFIG_FILE"] ?? "~/.aws/config")
    let credentials = environment.path(environment["AWS_SHARED_CREDENTIALS_FILE"] ?? "~/.aws/credentials")
    return SharedFiles(
      config: String(decoding: try SmallFile.read(config) ?? [], as: UTF8.self), at: config,
      credentials: String(decoding: try SmallFile.read(credentials) ?? [], as: UTF8.self), at: credentials)
  }

  init(config: String, at configPath: String, credentials: String, at credentialsPath: String) {
    self.configPath = configPath
    self.credentialsPath = credentialsPath
    var settings: [String: [String: String]] = [:]
    var bareDefault: [String: String]?
    var sessions: [String: [String: String]] = [:]
    for (header, properties) in Self.sections(config) {
      let words = Self.words(header)
      switch (words.first, words.count) {
      case ("default", 1): bareDefault = (bareDefault ?? [:]).merging(properties) { $1 }
      case ("profile", 2): settings[words[1], default: [:]].merge(properties) { $1 }
      case ("sso-session", 2): sessions[words[1], default: [:]].merge(properties) { $1 }
      default: break
      }
    }
    // `[profile default]` makes `[default]` count for nothing.
    if settings["default"] == nil { settings["default"] = bareDefault }
    var secrets: [String: [String: String]] = [:]
    for (header, properties) in Self.sections(credentials) {
      secrets[Self.unquoted(header), default: [:]].merge(properties) { $1 }
    }
    var profiles: [String: Profile] = [:]
    for name in Set(settings.keys).union(secrets.keys) {
      let (setting, secret) = (settings[name] ?? [:], secrets[name] ?? [:])
      let hasKeys = secret["aws_access_key_id"] != nil || secret["aws_secret_access_key"] != nil
      profiles[name] = Profile(
        name: name, properties: setting.merging(secret) { $1 }, keys: hasKeys ? secret : setting)
    }
    self.profiles = profiles
    self.sessions = sessions
  }

  /// The profile in use: that of `AWS_PROFILE`, or `default`; `nil` when there is none.
  func profile(of environment: AWSEnvironment) -> Profile? { profiles[Self.profileName(environment) ?? "default"] }

  /// The profile that the environment names.
  static func profileName(_ environment: AWSEnvironment) -> String? {
    environment["AWS_PROFILE"] ?? environment["AWS_DEFAULT_PROFILE"]
  }

  // MARK: Reading

  /// The sections with their headers, in the order of the file. Lines of no form count for nothing, and so do lines that
  /// go on a property and the settings nested in one.
  private static func sections(_ text: String) -> [(header: String, properties: [String: String])] {
    var sections: [(header: String, properties: [String: String])] = []
    var propertyIndent: Int?
    for raw in text.split(whereSeparator: \.isNewline) {
      let indent = raw.prefix { $0 == " " || $0 == "\t" }.count
      let line = raw.dropFirst(indent)
      if line.isEmpty || line.hasPrefix("#") || line.hasPrefix(";") { continue }
      if indent == 0, line.hasPrefix("[") {
        guard let end = line.firstIndex(of: "]") else { continue }
        sections.append((trimmed(line[line.index(after: line.startIndex)..<end]), [:]))
        propertyIndent = nil
        continue
      }
      if let propertyIndent, indent > propertyIndent { continue }
      guard !sections.isEmpty, let equals = line.firstIndex(of: "=") else { continue }
      propertyIndent = indent
      let name = trimmed(line[..<equals]).lowercased()
      sections[sections.count - 1].properties[name] = value(line[line.index(after: equals)...])
    }
    return sections
  }

  /// `profile "my name"` is two words.
  private static func words(_ header: String) -> [String] {
    let kind = header.prefix { $0 != " " && $0 != "\t" }
    let rest = trimmed(header.dropFirst(kind.count))
    return [unquoted(String(kind))] + (rest.isEmpty ? [] : [unquoted(rest)])
  }

  private static func unquoted(_ word: String) -> String {
    let isQuoted = word.count > 1 && (word.first == "\"" || word.first == "'") && word.first == word.last
    return isQuoted ? String(word.dropFirst().dropLast()) : word
  }

  /// Without blanks around it, and without a comment, which a blank must precede.
  private static func value(_ text: Substring) -> String {
    var end = text.startIndex
    var isAfterBlank = true
    while end < text.endIndex {
      let character = text[end]
      if isAfterBlank, character == "#" || character == ";" { break }
      isAfterBlank = character == " " || character == "\t"
      end = text.index(after: end)
    }
    return trimmed(text[..<end])
  }

  private static func trimmed(_ text: Substring) -> String {
    let start = text.drop { $0 == " " || $0 == "\t" }
    guard let last = start.lastIndex(where: { $0 != " " && $0 != "\t" }) else { return "" }
    return String(start[...last])
  }
}
