package import ChangeModel

/// The Security Token Service, at its address in one region.
package struct STS: Sendable {
  /// A role to assume.
  package struct Role: Hashable, Sendable {
    package let arn: String
    package let sessionName: String
    /// What the role's trust policy may ask for.
    package let externalID: String?
    /// How long its credentials shall last; `nil` for STS's default of an hour.
    package let durationSeconds: Int?

    package init(
      arn: String, sessionName: String = "penstock", externalID: String? = nil, durationSeconds: Int? = nil
    ) {
      self.arn = arn
      self.sessionName = sessionName
      self.externalID = externalID
      self.durationSeconds = durationSeconds
    }

    fileprivate var parameters: [(name: String, value: String)] {
      [("RoleArn", arn), ("RoleSessionName", sessionName)] + (externalID.map { [("ExternalId", $0)] } ?? [])
        + (durationSeconds.map { [("DurationSeconds", String($0))] } ?? [])
    }
  }

  /// Whose credentials they are.
  package struct Caller: Hashable, Sendable {
    package let account: String
    package let arn: String

    /// The ARN that policies and `AWS IAM GRANT` name: of the role, when the caller is a session of one. A role's path is
    /// not known to STS and is missing in it.
    package var principal: String {
      let parts = arn.split(separator: ":", maxSplits: 5, omittingEmptySubsequences: false)
      guard parts.count == 6, parts[2] == "sts" else { return arn }
      let resource = parts[5].split(separator: "/")
      guard resource.count == 3, resource[0] == "assumed-role" else { return arn }
      return "arn:\(parts[1]):iam::\(parts[4]):role/\(resource[1])"
    }
  }

  private let region: String
  private let endpoint: ServiceEndpoint
  private let service: AWSService

  package init(region: String, environment: AWSEnvironment) throws(Failure) {
    self.region = region
    endpoint = try environment.endpoint(of: "STS", default: "sts", region: region)
    service = AWSService(name: "STS", certificates: environment.certificates)
  }

  package func callerIdentity(_ credentials: AWSCredentials, now: UnixTime) throws(Failure) -> Caller {
    let answer = try call("GetCallerIdentity", [], signedBy: credentials, now: now)
    guard let account = answer["Account"], let arn = answer["Arn"] else { throw unreadable() }
    return Caller(account: account, arn: arn)
  }

  func assume(_ role: Role, by credentials: AWSCredentials, now: UnixTime) throws(Failure) -> AWSCredentials {
    let answer = try call("AssumeRole", role.parameters, signedBy: credentials, now: now)
    return try self.credentials(in: answer, of: role)
  }

  /// - Parameter token: the identity provider's, which stands for a signature.
  func assume(_ role: Role, byWebIdentity token: String, now: UnixTime) throws(Failure) -> AWSCredentials {
    let parameters = role.parameters + [("WebIdentityToken", token)]
    let answer = try call("AssumeRoleWithWebIdentity", parameters, signedBy: nil, now: now)
    return try credentials(in: answer, of: role)
  }

  private func credentials(in answer: XMLAnswer, of role: Role) throws(Failure) -> AWSCredentials {
    guard let id = answer["AccessKeyId"], let secret = answer["SecretAccessKey"], let token = answer["SessionToken"],
      let expiration = answer["Expiration"].flatMap(UnixTime.init(iso8601:))
    else { throw unreadable() }
    return AWSCredentials(
      accessKeyID: id, secretAccessKey: secret, sessionToken: token, expiresAt: expiration, origin: "role \(role.arn)")
  }

  private func call(
    _ action: String, _ parameters: [(name: String, value: String)], signedBy credentials: AWSCredentials?,
    now: UnixTime
  ) throws(Failure) -> XMLAnswer {
    let form = [("Action", action), ("Version", "2011-06-15")] + parameters.map { ($0.name, $0.value) }
    let body = Array(form.map { "\($0.0)=\(SigV4.percentEncoded($0.1))" }.joined(separator: "&").utf8)
    var headers = [(name: "Content-Type", value: "application/x-www-form-urlencoded; charset=utf-8")]
    if let credentials {
      headers = SigV4.signedHeaders(
        headers, host: endpoint.host, body: body, scope: .init(date: now, region: region, service: "sts"),
        credentials: credentials)
    }
    let response = try service.send(
      HTTPRequest(method: "POST", url: endpoint.url + "/", headers: headers, body: body))
    let answer = XMLAnswer(response.body)
    guard response.status == 200 else {
      throw refusal(of: action, parameters, answer, response.status, credentials, now)
    }
    return answer
  }

  private func unreadable() -> Failure {
    Failure(
      .sink, "STS's answer can't be read", location: endpoint.host,
      hint: "If AWS_ENDPOINT_URL_STS is set, check that STS is there.")
  }

  private func refusal(
    of action: String, _ parameters: [(name: String, value: String)], _ answer: XMLAnswer, _ status: Int,
    _ credentials: AWSCredentials?, _ now: UnixTime
  ) -> Failure {
    guard let code = answer["Code"] else {
      return Failure(.sink, "STS refuses \(action) with HTTP status \(status)", location: endpoint.host)
    }
    // What follows the first line is the request as STS signed it, the session token included.
    let message = answer["Message"]?.split(whereSeparator: \.isNewline).first.map { String($0.prefix(500)) } ?? ""
    if let skew = ClockSkew(refusal: message, now: now) { return skew.failure(at: endpoint.host) }
    let role = parameters.first { $0.name == "RoleArn" }?.value ?? ""
    var hint = ""
    switch code {
    case "AccessDenied" where action == "AssumeRole":
      hint =
        "Allow sts:AssumeRole on \(role) to the caller, and let the role's trust policy name the caller"
        + (parameters.contains { $0.name == "ExternalId" } ? " and this external id." : " (and no external id).")
    case "AccessDenied": hint = "Let the trust policy of \(role) name the identity provider and this subject."
    case "InvalidClientTokenId", "SignatureDoesNotMatch":
      hint = "Check the access key and secret from \(credentials?.origin ?? "the caller")."
    case "ExpiredToken", "ExpiredTokenException": hint = "Renew \(credentials?.origin ?? "the web identity token")."
    case "RegionDisabledException": hint = "Activate STS in \(region) in the account's settings."
    case "InvalidIdentityToken": hint = "Check that the role trusts the issuer of the web identity token."
    default: break
    }
    let passing = ["Throttling", "ThrottlingException", "RequestLimitExceeded", "IDPCommunicationError"]
    return Failure(
      .sink, "STS refuses \(action): \(code)" + (message.isEmpty ? "" : ": \(message)"), location: endpoint.host,
      hint: hint, isTransient: passing.contains(code))
  }
}

/// The credentials of a role, assumed with those of another provider.
package struct AssumedRole: CredentialsProvider {
  private let role: STS.Role
  private let base: any CredentialsProvider
  private let region: AWSRegion
  private let environment: AWSEnvironment

  package init(_ role: STS.Role, by base: any CredentialsProvider, region: AWSRegion, environment: AWSEnvironment) {
    self.role = role
    self.base = base
    self.region = region
    self.environment = environment
  }

  package func credentials(now: UnixTime) throws(Failure) -> AWSCredentials {
    let caller = try base.credentials(now: now)
    return try STS(region: region.name(), environment: environment).assume(role, by: caller, now: now)
  }
}
