package import ChangeModel
package import Runtime

/// Who calls AWS's services for the source or for the sink, and in which region. Whatever fails here is that side's
/// failure.
///
/// Calls may block, for as long as a service takes to answer.
package struct AWSLogin: Sendable {
  let region: AWSRegion
  let credentials: CachedCredentials
  let environment: AWSEnvironment
  private let side: Failure.Kind

  /// Looks nothing up yet.
  /// - Parameters:
  ///   - side: `.source` or `.sink`.
  ///   - region: as configured, if it is.
  ///   - host: the endpoint, whose name may say the region; may be empty.
  ///   - role: assumed with the credentials that the default chain finds.
  ///   - environment: where the chain begins.
  package init(
    _ side: Failure.Kind, region: String? = nil, host: String = "", role: STS.Role? = nil,
    environment: [String: String], log: Log
  ) {
    let environment = AWSEnvironment(environment)
    let place = AWSRegion(configured: region, host: host, side: side, environment: environment)
    let chain = CredentialsChain(environment, region: place)
    let provider: any CredentialsProvider =
      if let role { AssumedRole(role, by: chain, region: place, environment: environment) } else { chain }
    self.side = side
    self.environment = environment
    self.region = place
    credentials = CachedCredentials(provider, log: log)
  }

  package func regionName() throws(Failure) -> String { try ours { () throws(Failure) in try region.name() } }

  /// Credentials that last for `seconds` more, or the longest-lived there are; always some that are still good.
  func credentials(now: UnixTime, lasting seconds: Int64) throws(Failure) -> AWSCredentials {
    try ours { () throws(Failure) in try credentials.credentials(now: now, lasting: seconds) }
  }

  /// Where the credentials come from, for messages.
  package func origin(now: UnixTime = .now) throws(Failure) -> String {
    try credentials(now: now, lasting: 0).origin
  }

  /// Whose credentials they are, as STS says.
  package func caller(now: UnixTime = .now) throws(Failure) -> STS.Caller {
    let credentials = try credentials(now: now, lasting: 0)
    return try ours { () throws(Failure) in
      try STS(region: region.name(), environment: environment).callerIdentity(credentials, now: now)
    }
  }

  /// The services that are asked on the way to credentials call themselves the sink's.
  private func ours<Value>(_ work: () throws(Failure) -> Value) throws(Failure) -> Value {
    do throws(Failure) { return try work() } catch { throw error.blamed(on: side) }
  }
}

extension Failure {
  /// The same, as a failure of another side, unless it is the configuration's.
  func blamed(on side: Kind) -> Failure {
    guard kind == .sink else { return self }
    var failure = self
    failure.kind = side
    return failure
  }
}
