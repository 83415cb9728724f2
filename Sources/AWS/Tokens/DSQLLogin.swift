package import ChangeModel
package import Runtime

/// Everything that signing in to one cluster takes: its region, AWS credentials, and tokens made of both.
package struct DSQLLogin: Sendable {
  package let host: String
  package let user: String
  package let tokens: TokenSource
  private let login: AWSLogin

  /// Looks nothing up yet.
  /// - Parameters:
  ///   - region: as configured, if it is.
  ///   - role: assumed with the credentials that the default chain finds.
  ///   - environment: where the chain begins.
  package init(
    host: String, user: String, region: String? = nil, role: STS.Role? = nil,
    lifetimeSeconds: Int64 = DSQLToken.defaultLifetimeSeconds, environment: [String: String], log: Log
  ) {
    self.host = host
    self.user = user
    login = AWSLogin(.sink, region: region, host: host, role: role, environment: environment, log: log)
    tokens = TokenSource(
      host: host, user: user, lifetimeSeconds: lifetimeSeconds, region: login.region, credentials: login.credentials,
      log: log)
  }

  package var action: DSQLToken.Action { DSQLToken.Action(user: user) }

  package func regionName() throws(Failure) -> String { try login.regionName() }

  /// Where the credentials come from, for messages.
  package func origin(now: UnixTime = .now) throws(Failure) -> String { try login.origin(now: now) }

  /// Whose credentials they are, as STS says.
  package func caller(now: UnixTime = .now) throws(Failure) -> STS.Caller { try login.caller(now: now) }

  /// Whether AWS itself is meant, so that its other services may be asked: no emulator on this machine.
  package var isAWS: Bool { host.hasSuffix(".on.aws") || login.environment.hasEndpoint(of: "STS") }
}
