package import ChangeModel
package import PenstockExtensions

/// Everything needed to open one connection. The password is asked for each time, since tokens expire.
package struct ConnectionSettings: Sendable {
  /// The side it leads to; failures carry it.
  package var role: Failure.Kind
  /// libpq's keywords and values, without the password.
  package var parameters: [(keyword: String, value: String)]
  /// A password or token valid now; `nil` when none is needed. Never stored here, never logged.
  package var password: @Sendable () throws(Failure) -> String?
  /// Asked when the server has refused a password: another one, or `nil` when no other would be taken.
  ///
  /// Its arguments are what was refused and the server's refusal. It may throw a failure that says more. A connect asks
  /// for one other password at most.
  package var renewedPassword: (@Sendable (_ refused: String, _ refusal: Failure) throws(Failure) -> String?)?
  package var connectTimeout: Duration
  /// Who decides about errors; `nil` for the table of errors alone.
  package var errorPolicy: (any ErrorPolicy)?

  package init(
    role: Failure.Kind, parameters: [(keyword: String, value: String)], connectTimeout: Duration = .seconds(10),
    password: @escaping @Sendable () throws(Failure) -> String? = { () throws(Failure) in nil }
  ) {
    self.role = role
    self.parameters = parameters
    self.connectTimeout = connectTimeout
    self.password = password
  }

  /// The same place with more or other keywords.
  package func adding(_ more: [(keyword: String, value: String)]) -> ConnectionSettings {
    var settings = self
    settings.parameters.removeAll { old in more.contains { $0.keyword == old.keyword } }
    settings.parameters += more
    return settings
  }

  package subscript(_ keyword: String) -> String? {
    parameters.last { $0.keyword == keyword }?.value
  }

  /// Where it leads, for messages: `user@host:port/database`.
  package var place: String {
    let host = self["host"] ?? self["hostaddr"] ?? "local socket"
    return "\(self["user"] ?? "")@\(host):\(self["port"] ?? "5432")/\(self["dbname"] ?? "")"
  }
}
