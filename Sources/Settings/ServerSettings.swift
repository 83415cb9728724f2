/// libpq's `sslmode`.
package enum SSLMode: String, Hashable, Sendable, CaseIterable {
  case disable, allow, prefer, require
  case verifyCA = "verify-ca"
  case verifyFull = "verify-full"
}

/// A PostgreSQL server, or what speaks its protocol, and how to log in.
package struct ServerSettings: Hashable, Sendable, CustomStringConvertible {
  /// A name, an address, or the absolute directory of a Unix socket.
  package let host: String
  package let port: Int
  package let database: String
  package let username: String
  /// `nil` when the server asks for none, or for a token.
  package let password: Secret?
  package let sslMode: SSLMode
  /// A file of certificates to trust, or `system`; `nil` leaves libpq's own default.
  package let sslRootCertificate: String?
  package let connectTimeout: Duration
  package let applicationName: String

  /// libpq's keywords and values, without the password and the timeout.
  package var parameters: [(keyword: String, value: String)] {
    var parameters = [
      ("host", host), ("port", String(port)), ("dbname", database), ("user", username), ("sslmode", sslMode.rawValue),
      ("application_name", applicationName),
    ]
    if let sslRootCertificate { parameters.append(("sslrootcert", sslRootCertificate)) }
    return parameters.map { (keyword: $0.0, value: $0.1) }
  }

  /// `postgresql://user@host:port/database`, without the password.
  package var description: String {
    let shownHost = host.contains(":") ? "[\(host)]" : host
    return "postgresql://\(username)@\(shownHost):\(port)/\(database)"
  }
}

extension ServerSettings {
  /// What differs between the two sides of a pipeline.
  struct Side {
    /// Values of `type` that mean no server.
    var otherTypes: [String]
    /// What the server shows as our name unless a URL says another.
    var applicationName: String
    var hostKey: String
    var databaseKey: String
    /// `nil` when the database must be named.
    var defaultDatabase: String?
    var defaultSSLMode: SSLMode
    var sslModeText: String
    var defaultRootCertificate: String?
    var rootCertificateText: String
    /// The setting that names the cluster's own user in place of `username`.
    var adminKey: String?
  }

  /// Reads the address and login of one side, by URL or by separate settings.
  init(_ section: inout SettingsSection, _ side: Side) {
    let url = section.optional(
      .connectionURL(
        "url",
        "The address and login as one URL. Percent-encode special characters. Parameters: "
          + "\(SettingType.alternatives(ConnectionURL.parameters)). A password in it is taken out and never shown."),
      absent: "the separate settings"
    )
    .flatMap { $0 }
    let host = section.optional(
      .text(
        side.hostKey, #"/[\s\S]*|[^\s/@,]+"#, expected: "a host name, an address, or the directory of a Unix socket",
        "The server's name or address, or the absolute directory of its Unix socket."), absent: "taken from `url`")
    let port = section.value(.integer("port", in: 1...65535, "The server's port."), default: 5432)
    let databaseSetting = Setting.text(side.databaseKey, "The database.")
    let database =
      if let defaultDatabase = side.defaultDatabase {
        section.value(databaseSetting, default: defaultDatabase)
      } else {
        section.optional(databaseSetting, absent: "taken from `url`")
      }
    let username = section.optional(.text("username", "The user to log in as."), absent: "taken from `url`")
    let admin = side.adminKey.flatMap { section.adminUser($0) }
    let password = section.optional(
      .secret("password", "The user's password; better as `${NAME}` from the environment than in the file."),
      absent: "that of `~/.pgpass`, if any")
    let sslMode = section.optional(
      .choice(
        "ssl-mode",
        [
          "disable": SSLMode.disable, "allow": .allow, "prefer": .prefer, "require": .require,
          "verify-ca": .verifyCA, "verify-full": .verifyFull,
        ], "Whether the connection is encrypted and the server's certificate checked, as libpq's sslmode."),
      absent: side.sslModeText)
    let certificate = section.optional(
      .text("ssl-root-cert", "A file with the certificates to trust, or `system` for those of the system."),
      absent: side.rootCertificateText)
    let timeout = section.value(
      .duration("connect-timeout", in: 1000...600_000, "How long opening one connection may take."),
      default: .seconds(10))

    section.rule(.excludes("url", [side.hostKey, "port", side.databaseKey, "username"]))
    section.rule(
      side.otherTypes.isEmpty
        ? .needsOne(["url", side.hostKey])
        : .needsOneUnless(key: "type", values: side.otherTypes, ["url", side.hostKey]))
    if side.defaultDatabase == nil { section.rule(.needsOne([side.databaseKey], with: side.hostKey)) }
    section.rule(.needsOne(["username"] + (side.adminKey.map { [$0] } ?? []), with: side.hostKey))
    if let url {
      section.check(
        url, needsDatabase: side.defaultDatabase == nil, needsUser: admin == nil)
    }
    self.host = url?.host ?? host ?? ""
    self.port = url?.port ?? port
    self.database = url?.database ?? (section.isGiven("url") ? nil : database) ?? side.defaultDatabase ?? ""
    self.username = url?.username ?? username ?? admin ?? ""
    self.password = url?.password ?? password
    self.sslMode = url?.sslMode ?? sslMode ?? side.defaultSSLMode
    // Given a file, libpq verifies the server in mode require too; a default must not bring that about.
    let verifies = self.sslMode == .verifyCA || self.sslMode == .verifyFull
    sslRootCertificate = url?.sslRootCertificate ?? certificate ?? (verifies ? side.defaultRootCertificate : nil)
    connectTimeout = url?.connectTimeout ?? timeout
    applicationName = url?.applicationName ?? side.applicationName
  }
}

extension SettingsSection {
  /// `admin` when the setting says so.
  fileprivate mutating func adminUser(_ key: String) -> String? {
    rule(.excludes(key, ["username"]))
    let isAdmin = value(
      .boolean(key, "Whether to log in as `admin`, the cluster's own user, in place of `username`."), default: false)
    if isGiven(key), !isAdmin, !isGiven("username") { report(key, "false, so the user is missing; expected username") }
    return isAdmin ? "admin" : nil
  }

  /// Reports what a URL leaves out, and what it says a second time.
  fileprivate mutating func check(_ url: ConnectionURL, needsDatabase: Bool, needsUser: Bool) {
    if url.host == nil { report("url", "names no host; expected \(SettingType.connectionURL.expected)") }
    if needsUser, url.username == nil { report("url", "names no user; expected \(SettingType.connectionURL.expected)") }
    if needsDatabase, url.database == nil {
      report("url", "names no database; expected \(SettingType.connectionURL.expected)")
    }
    let both: [(key: String, inURL: String, isGiven: Bool)] = [
      ("password", "a password", url.password != nil), ("ssl-mode", "sslmode", url.sslMode != nil),
      ("ssl-root-cert", "sslrootcert", url.sslRootCertificate != nil),
      ("connect-timeout", "connect_timeout", url.connectTimeout != nil),
    ]
    for (key, inURL, isInURL) in both where isInURL && isGiven(key) {
      report(key, "given together with \(inURL) in url on line \(line("url") ?? 0); expected only one of them")
    }
  }
}
