/// Aurora DSQL's authentication token: a presigned URL, made locally, that goes to the server as the password.
/// (Aurora DSQL user guide, "Generating an authentication token".)
package enum DSQLToken {
  /// The IAM action a token asks for.
  package enum Action: String, Sendable {
    /// For the built-in database user `admin`.
    case connectAdmin = "DbConnectAdmin"
    /// For every other database role.
    case connect = "DbConnect"

    /// The action the server demands of this database user.
    package init(user: String) { self = user == "admin" ? .connectAdmin : .connect }
  }

  /// How long AWS's own tools let a token live.
  package static let defaultLifetimeSeconds: Int64 = 900

  /// A token for one cluster. Pure: the same parameters always give the same token.
  /// - Parameters:
  ///   - host: the cluster endpoint without scheme and port.
  ///   - expiresAfterSeconds: 1 to 604,800, and never more than the credentials themselves still live.
  package static func sign(
    credentials: AWSCredentials, host: String, region: String, action: Action, date: UnixTime,
    expiresAfterSeconds: Int64 = defaultLifetimeSeconds
  ) -> String {
    let scope = SigV4.Scope(date: date, region: region, service: "dsql")
    var query = [
      ("Action", action.rawValue),
      ("X-Amz-Algorithm", "AWS4-HMAC-SHA256"),
      ("X-Amz-Credential", "\(credentials.accessKeyID)/\(scope.text)"),
      ("X-Amz-Date", date.basicFormat),
      ("X-Amz-Expires", String(expiresAfterSeconds)),
      ("X-Amz-SignedHeaders", "host"),
    ].map { (name: $0.0, value: $0.1) }
    if let token = credentials.sessionToken { query.append(("X-Amz-Security-Token", token)) }
    let signature = SigV4.presignature(
      host: host, query: query, scope: scope, secretAccessKey: credentials.secretAccessKey)
    return "\(host)/?\(SigV4.canonicalQuery(query))&X-Amz-Signature=\(signature)"
  }
}
