/// Gives the password, or the token in its place, for each connection to one server.
///
/// Penstock asks before every connection: when `isTokenExpired()` it has the token refreshed first, then it sends
/// `authToken()`. A refresh is never run twice at once; who needs one meanwhile waits for the one under way. The other two
/// may be called at any time, from several tasks.
///
/// The calls run on a thread of their own, so they may block. What takes longer than a minute is cancelled, and the
/// connection fails as one that may be tried again. So does one whose provider throws; the error's description is logged
/// and must not hold the token.
public protocol AuthenticationProvider: Sendable {
  /// What the next connection sends as its password; an empty one sends none.
  func authToken() async throws -> String

  /// Makes a new token, or leaves the one there is if no other would be taken.
  ///
  /// - Parameter refusal: what the server said when it refused a token; `nil` when the token has expired. After a refusal
  ///   Penstock tries once more if `authToken()` has become another.
  func refreshToken(after refusal: LoginRefusal?) async throws

  /// Whether there is no token that a server would still take.
  func isTokenExpired() async -> Bool
}

/// A server's refusal of a login.
public struct LoginRefusal: Sendable {
  /// What was sent; never to be logged.
  public let token: String
  /// What the server said.
  public let message: String

  package init(token: String, message: String) {
    self.token = token
    self.message = message
  }
}

/// Where a provider's tokens lead, and its options from the configuration file.
public struct LoginContext: Sendable {
  public let host: String
  public let port: Int
  /// The database user.
  public let user: String
  public let database: String
  /// The mapping `auth-options`.
  public let options: [String: String]

  package init(host: String, port: Int, user: String, database: String, options: [String: String]) {
    self.host = host
    self.port = port
    self.user = user
    self.database = database
    self.options = options
  }
}
