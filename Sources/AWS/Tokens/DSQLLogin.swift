package import ChangeModel
package import Runtime

/// Everything that signing in to one cluster takes: its region, AWS credentials, and tokens made of both.
package struct DSQLLogin: Sendable {
  package let host: String
  package let user: String
  package let tokens: TokenSource
  private let region: AWSRegion
  private let credentials: CachedCredentials
  private let environment: AWSEnvironment

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
    let environment = AWSEnvironment(environment)
    let place = AWSRegion(configured: region, host: host, environment: environment)
    let chain = CredentialsChain(environment, region: place)
    let provider: any CredentialsProvider =
      if let role { AssumedRole(role, by: chain, region: place, environment: environment) } else { chain }
    self.environment = environment
    self.region = place
    credentials = CachedCredentials(provider, log: log)
    tokens = TokenSource(
      host: host, user: user, lifetimeSeconds: lifetimeSeconds, region: place, credentials: credentials, log: log)
  }

  package var action: DSQLToken.Action { DSQLToken.Action(user: user) }

  package func regionName() throws(Failure) -> String { try region.name() }

  /// Where the credentials come from, for messages.
  package func origin(now: UnixTime = .now) throws(Failure) -> String {
    try credentials.credentials(now: now, lasting: 0).origin
  }

  /// Whose credentials they are, as STS says.
  package func caller(now: UnixTime = .now) throws(Failure) -> STS.Caller {
    let credentials = try credentials.credentials(now: now, lasting: 0)
    return try STS(region: region.name(), environment: environment).callerIdentity(credentials, now: now)
  }

  /// Whether AWS itself is meant, so that its other services may be asked: no emulator on this machine.
  package var isAWS: Bool { host.hasSuffix(".on.aws") || environment.hasEndpoint(of: "STS") }
}
