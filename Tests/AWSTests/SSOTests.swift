@testable import AWS
import ChangeModel
import Foundation
import PenstockTestKit
import Testing

extension FakeAWS {
  private func cache(_ key: String) -> String {
    ".aws/sso/cache/\(Digest.hexadecimal(Digest.sha1(Array(key.utf8)))).json"
  }

  /// Puts a token where `aws sso login` leaves it.
  func cacheToken(for key: String, expires: UnixTime, renewable: Bool = false, registration: UnixTime = end) throws {
    let renewal =
      #","clientId":"id","clientSecret":"client-s3cret","refreshToken":"refresh","# + #""registrationExpiresAt":""#
      + registration.iso8601 + #"""#
    try write(
      #"{"startUrl":"u","region":"r","accessToken":"cached","expiresAt":""# + expires.iso8601 + #"""#
        + (renewable ? renewal : "") + "}", to: cache(key))
  }

  func cachedToken(for key: String) throws -> SSOSession.Token? {
    SSOSession.Token(json: Array(try Data(contentsOf: URL(fileURLWithPath: home + "/" + cache(key)))))
  }
}

@Suite struct SSOTests {
  static let session = """
    [profile p]
    sso_session = my
    sso_account_id = 123456789012
    sso_role_name = Read Only
    [sso-session my]
    sso_region = eu-west-1
    sso_start_url = https://example.awsapps.com/start
    sso_registration_scopes = sso:account:access
    """

  /// A server of AWS's, and a home with the session's profile and a cached token that lasts so long.
  func signedIn(
    lasting seconds: Int64, renewable: Bool = false, registration: UnixTime = FakeAWS.end
  ) throws -> FakeAWS {
    let aws = try FakeAWS()
    try aws.write(Self.session, to: ".aws/config")
    try aws.cacheToken(
      for: "my", expires: FakeAWS.now + seconds, renewable: renewable, registration: registration)
    return aws
  }

  static let profile = ["AWS_PROFILE": "p"]

  @Test("the cached token buys the role's credentials") func success() throws {
    let aws = try signedIn(lasting: 3600)

    let found = try aws.find(Self.profile)
    #expect(found.accessKeyID == "SSO")
    #expect(found.sessionToken == "t")
    #expect(found.expiresAt == FakeAWS.end)
    #expect(found.origin == "SSO role Read Only of profile \"p\"")
    let request = try #require(aws.server.requests.first)
    #expect(aws.server.requests.count == 1)
    #expect(request.path == "/federation/credentials?account_id=123456789012&role_name=Read%20Only")
    #expect(request.headers["x-amz-sso_bearer_token"] == "cached")
    #expect(request.headers["authorization"] == nil)
  }

  @Test("the cache's file is named as AWS's tools name it") func fileName() {
    #expect(Digest.hexadecimal(Digest.sha1(Array("my-sso".utf8))) == "0ad374308c5a4e22f723adf10145eafad7c4031c")
  }

  @Test("a token that is about to expire is renewed, and kept for all of AWS's tools", arguments: [300, -10])
  func renewal(lasting: Int64) throws {
    let aws = try signedIn(lasting: lasting, renewable: true)
    _ = try aws.find(Self.profile)

    #expect(aws.server.requests.map(\.path.first) == ["/", "/"])
    let renewal = try #require(aws.server.requests.first)
    #expect(renewal.method == "POST")
    #expect(renewal.headers["content-type"] == "application/json")
    #expect(
      renewal.body
        == #"{"clientId":"id","clientSecret":"client-s3cret","grantType":"refresh_token","refreshToken":"refresh"}"#)
    #expect(aws.server.requests.last?.headers["x-amz-sso_bearer_token"] == "renewed")
    let kept = try #require(try aws.cachedToken(for: "my"))
    #expect(kept.accessToken == "renewed")
    #expect(kept.refreshToken == "next")
    #expect(kept.expiresAt == (FakeAWS.now + 28800).iso8601)
    #expect(kept.startUrl == "u")
    #expect(kept.clientSecret == "client-s3cret")
  }

  @Test("while the old token is good a failed renewal does no harm") func failedRenewal() throws {
    let aws = try signedIn(lasting: 200, renewable: true)
    aws.plan("/token", 400, #"{"error":"invalid_grant"}"#)

    #expect(try aws.find(Self.profile).accessKeyID == "SSO")
    #expect(aws.server.requests.last?.headers["x-amz-sso_bearer_token"] == "cached")
  }

  @Test("who must sign in again is told how")
  func loginNeeded() throws {
    let expired = try signedIn(lasting: -1)
    let registrationExpired = try signedIn(lasting: -1, renewable: true, registration: FakeAWS.now)
    let refusedRenewal = try signedIn(lasting: -1, renewable: true)
    refusedRenewal.plan("/token", 400, #"{"error":"invalid_grant","error_description":"client-s3cret"}"#)
    let refused = try signedIn(lasting: 3600)
    refused.plan("/federation", 401, #"{"message":"Session token not found or invalid"}"#)
    let empty = try signedIn(lasting: 3600)
    try FileManager.default.removeItem(atPath: empty.home + "/.aws/sso/cache")
    let failures = [expired, registrationExpired, refusedRenewal, refused, empty].map { $0.failure(Self.profile) }

    #expect(
      failures.map(\.?.message) == [
        "the SSO sign-in has expired", "the SSO sign-in has expired",
        "the SSO sign-in can't be renewed (HTTP status 400)", "IAM Identity Center refuses the cached token",
        "nobody has signed in by SSO",
      ])
    #expect(Set(failures.map(\.?.hint)) == ["Run aws sso login --profile p."])
    #expect(failures.allSatisfy { $0?.description.contains("s3cret") == false })
  }

  @Test("a role that is not assigned is named") func forbidden() throws {
    let aws = try signedIn(lasting: 3600)
    aws.plan("/federation", 403, #"{"message":"No access"}"#)

    #expect(
      aws.failure(Self.profile)?.message
        == "IAM Identity Center refuses credentials of Read Only in account 123456789012 with HTTP status 403")
  }

  @Test("an older profile's token is named after its start URL, and not renewed") func legacy() throws {
    let aws = try FakeAWS()
    try aws.write(
      "[profile p]\nsso_start_url = u\nsso_region = r\nsso_account_id = 1\nsso_role_name = n", to: ".aws/config")
    try aws.cacheToken(for: "u", expires: FakeAWS.now + 100, renewable: true)

    #expect(try aws.find(Self.profile).accessKeyID == "SSO")
    #expect(aws.server.requests.count == 1)
    #expect(aws.failure(Self.profile, now: FakeAWS.now + 100)?.message == "the SSO sign-in has expired")
  }
}
