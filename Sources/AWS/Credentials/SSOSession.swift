internal import ChangeModel
internal import FoundationEssentials

/// A profile's sign-in by IAM Identity Center: `aws sso login` leaves a token in a cache, which buys a role's credentials.
/// (AWS SDKs and Tools Reference Guide, "IAM Identity Center credential provider".)
struct SSOSession: Sendable {
  let profile: String
  let region: String
  let accountID: String
  let roleName: String
  /// What the cache file is named after: the session's name, or the start URL in older files.
  let cacheKey: String
  /// Whether the token may be renewed; older files know no way.
  let isRenewable: Bool
  let environment: AWSEnvironment

  /// The cached token, with the names of the file that all of AWS's tools share.
  struct Token: Codable {
    var startUrl: String?
    var region: String?
    var accessToken: String
    var expiresAt: String
    var clientId: String?
    var clientSecret: String?
    var registrationExpiresAt: String?
    var refreshToken: String?
  }

  private struct RoleAnswer: Decodable {
    struct Credentials: Decodable {
      let accessKeyId: String
      let secretAccessKey: String
      let sessionToken: String
      /// Milliseconds since 1970.
      let expiration: Int64
    }
    let roleCredentials: Credentials
  }

  private struct TokenAnswer: Decodable {
    let accessToken: String
    let expiresIn: Int64
    let refreshToken: String?
  }

  /// A token is renewed this long before it expires.
  static let renewalMarginSeconds: Int64 = 300

  /// `nil` when the profile names no sign-in.
  static func find(
    in profile: SharedFiles.Profile, _ files: SharedFiles, _ environment: AWSEnvironment
  ) throws(Failure) -> SSOSession? {
    let name = profile["sso_session"]
    guard name != nil || profile["sso_start_url"] != nil else { return nil }
    func problem(_ what: String) -> Failure {
      Failure(
        .configuration, "profile \"\(profile.name)\" \(what)", location: files.configPath,
        hint: "Run aws configure sso, or complete the profile.")
    }
    func required(_ key: String, in properties: [String: String]) throws(Failure) -> String {
      if let value = properties[key], !value.isEmpty { return value }
      throw problem("signs in by SSO and has no \(key)")
    }
    var place = profile.properties
    if let name {
      guard let session = files.sessions[name] else {
        throw problem("names the sso-session \"\(name)\", which is missing")
      }
      place = session
    }
    let startURL = try required("sso_start_url", in: place)
    return SSOSession(
      profile: profile.name, region: try required("sso_region", in: place),
      accountID: try required("sso_account_id", in: profile.properties),
      roleName: try required("sso_role_name", in: profile.properties), cacheKey: name ?? startURL,
      isRenewable: name != nil, environment: environment)
  }

  func credentials(now: UnixTime) throws(Failure) -> AWSCredentials {
    let token = try accessToken(now: now)
    let endpoint = try environment.endpoint(of: "SSO", default: "portal.sso", region: region)
    let query = SigV4.canonicalQuery([("account_id", accountID), ("role_name", roleName)])
    let request = HTTPRequest(
      url: "\(endpoint.url)/federation/credentials?\(query)", headers: [("x-amz-sso_bearer_token", token)])
    let service = AWSService(name: "IAM Identity Center", certificates: environment.certificates)
    let response = try service.send(request)
    switch response.status {
    case 200: break
    case 401: throw loginNeeded("IAM Identity Center refuses the cached token")
    default:
      throw service.failure(
        "IAM Identity Center refuses credentials of \(roleName) in account \(accountID) with HTTP status "
          + "\(response.status)", request, hint: "Check that the role is assigned to you in that account.")
    }
    guard let found = RoleAnswer(json: response.body)?.roleCredentials else {
      throw service.failure("IAM Identity Center answers without credentials", request)
    }
    return AWSCredentials(
      accessKeyID: found.accessKeyId, secretAccessKey: found.secretAccessKey, sessionToken: found.sessionToken,
      expiresAt: UnixTime(seconds: found.expiration / 1000), origin: "SSO role \(roleName) of profile \"\(profile)\"")
  }

  private var cachePath: String {
    let name = Digest.hexadecimal(Digest.sha1(Array(cacheKey.utf8)))
    return environment.path("~/.aws/sso/cache/\(name).json")
  }

  private func accessToken(now: UnixTime) throws(Failure) -> String {
    guard let bytes = try SmallFile.read(cachePath) else { throw loginNeeded("nobody has signed in by SSO") }
    guard let token = Token(json: bytes), let end = UnixTime(iso8601: token.expiresAt) else {
      throw loginNeeded("the cached SSO token can't be read")
    }
    if now + Self.renewalMarginSeconds < end { return token.accessToken }
    do throws(Failure) {
      if let renewed = try renewed(token, now: now) { return renewed }
    } catch {
      if now >= end { throw error }
    }
    if now < end { return token.accessToken }
    throw loginNeeded("the SSO sign-in has expired")
  }

  /// A new token, kept in the cache for all of AWS's tools; `nil` when the cache has nothing to renew it with.
  private func renewed(_ old: Token, now: UnixTime) throws(Failure) -> String? {
    guard isRenewable, let id = old.clientId, let secret = old.clientSecret, let refresh = old.refreshToken,
      let end = old.registrationExpiresAt.flatMap(UnixTime.init(iso8601:)), now < end
    else { return nil }
    let endpoint = try environment.endpoint(of: "SSO_OIDC", default: "oidc", region: region)
    let parameters = [
      "clientId": id, "clientSecret": secret, "refreshToken": refresh, "grantType": "refresh_token",
    ]
    let request = HTTPRequest(
      method: "POST", url: endpoint.url + "/token", headers: [("Content-Type", "application/json")],
      body: Self.json(parameters))
    let response = try AWSService(name: "IAM Identity Center", certificates: environment.certificates).send(request)
    guard response.status == 200, let answer = TokenAnswer(json: response.body) else {
      throw loginNeeded("the SSO sign-in can't be renewed (HTTP status \(response.status))")
    }
    var token = old
    token.accessToken = answer.accessToken
    token.expiresAt = (now + answer.expiresIn).iso8601
    token.refreshToken = answer.refreshToken ?? old.refreshToken
    // The refresh token was used up: without the new one in the cache, the next renewal fails.
    try SmallFile.replace(cachePath, with: Self.json(token))
    return token.accessToken
  }

  private static func json(_ value: some Encodable) -> [UInt8] {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys]
    guard let data = try? encoder.encode(value) else { preconditionFailure("texts have a JSON form") }
    return Array(data)
  }

  private func loginNeeded(_ what: String) -> Failure {
    Failure(
      .sink, what, location: "profile \"\(profile)\"", hint: "Run aws sso login --profile \(profile).")
  }
}
