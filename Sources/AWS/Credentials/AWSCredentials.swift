package import ChangeModel

/// An access key and its secret, with the session token when the key is temporary.
///
/// Printing it, by `description`, `dump` or a string interpolation, never shows the secret or the session token.
package struct AWSCredentials: Hashable, Sendable, CustomStringConvertible, CustomReflectable {
  package let accessKeyID: String
  package let secretAccessKey: String
  /// Present for temporary credentials only.
  package let sessionToken: String?
  /// When AWS stops to accept them; `nil` when that is not known, or never.
  package let expiresAt: UnixTime?
  /// Where they were found, for messages: `the environment`, `profile "shop"`.
  package let origin: String

  package init(
    accessKeyID: String, secretAccessKey: String, sessionToken: String? = nil, expiresAt: UnixTime? = nil,
    origin: String = "the caller"
  ) {
    self.accessKeyID = accessKeyID
    self.secretAccessKey = secretAccessKey
    self.sessionToken = sessionToken
    self.expiresAt = expiresAt
    self.origin = origin
  }

  /// The standard variables `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN` and
  /// `AWS_CREDENTIAL_EXPIRATION`; empty counts as unset.
  /// - Throws: a configuration failure naming the variable that is missing or wrong.
  package init(environment: [String: String]) throws(Failure) {
    guard let found = try Self.find(in: AWSEnvironment(environment)) else { throw Self.missing("AWS_ACCESS_KEY_ID") }
    self = found
  }

  /// `nil` when neither key is set.
  static func find(in environment: AWSEnvironment) throws(Failure) -> AWSCredentials? {
    let (id, secret) = (environment["AWS_ACCESS_KEY_ID"], environment["AWS_SECRET_ACCESS_KEY"])
    if id == nil && secret == nil { return nil }
    guard let id else { throw missing("AWS_ACCESS_KEY_ID") }
    guard let secret else { throw missing("AWS_SECRET_ACCESS_KEY") }
    var expiresAt: UnixTime?
    if let text = environment["AWS_CREDENTIAL_EXPIRATION"] {
      guard let time = UnixTime(iso8601: text) else {
        throw Failure(
          .configuration, "AWS_CREDENTIAL_EXPIRATION is not a time", location: "environment",
          hint: "Write it as 2026-09-15T12:00:00Z, or unset it.")
      }
      expiresAt = time
    }
    return AWSCredentials(
      accessKeyID: id, secretAccessKey: secret, sessionToken: environment["AWS_SESSION_TOKEN"], expiresAt: expiresAt,
      origin: "the environment")
  }

  private static func missing(_ name: String) -> Failure {
    Failure(
      .configuration, "no AWS credentials: \(name) is not set", location: "environment",
      hint: "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, and AWS_SESSION_TOKEN for temporary credentials.")
  }

  package var description: String {
    "AWSCredentials(\(accessKeyID), secret redacted\(sessionToken == nil ? "" : ", temporary"))"
  }
  package var customMirror: Mirror { Mirror(self, children: ["accessKeyID": accessKeyID]) }
}

/// Who has credentials to give. Calls may block, for as long as a service takes to answer.
package protocol CredentialsProvider: Sendable {
  /// - Throws: a transient failure when another try may find them.
  func credentials(now: UnixTime) throws(Failure) -> AWSCredentials
}
