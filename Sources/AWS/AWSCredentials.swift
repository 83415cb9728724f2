package import ChangeModel

/// An access key and its secret, with the session token when the key is temporary.
///
/// Printing it, by `description`, `dump` or a string interpolation, never shows the secret or the session token.
package struct AWSCredentials: Hashable, Sendable, CustomStringConvertible, CustomReflectable {
  package let accessKeyID: String
  package let secretAccessKey: String
  /// Present for temporary credentials only.
  package let sessionToken: String?

  package init(accessKeyID: String, secretAccessKey: String, sessionToken: String? = nil) {
    self.accessKeyID = accessKeyID
    self.secretAccessKey = secretAccessKey
    self.sessionToken = sessionToken
  }

  /// The standard variables `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY` and `AWS_SESSION_TOKEN`; empty counts as unset.
  /// - Throws: a configuration failure naming the variable that is missing.
  package init(environment: [String: String]) throws(Failure) {
    func value(_ name: String) -> String? { environment[name].flatMap { $0.isEmpty ? nil : $0 } }
    func required(_ name: String) throws(Failure) -> String {
      if let found = value(name) { return found }
      throw Failure(
        .configuration, "no AWS credentials: \(name) is not set", location: "environment",
        hint: "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, and AWS_SESSION_TOKEN for temporary credentials.")
    }
    accessKeyID = try required("AWS_ACCESS_KEY_ID")
    secretAccessKey = try required("AWS_SECRET_ACCESS_KEY")
    sessionToken = value("AWS_SESSION_TOKEN")
  }

  package var description: String {
    "AWSCredentials(\(accessKeyID), secret redacted\(sessionToken == nil ? "" : ", temporary"))"
  }
  package var customMirror: Mirror { Mirror(self, children: ["accessKeyID": accessKeyID]) }
}
