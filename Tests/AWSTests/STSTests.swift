@testable import AWS
import ChangeModel
import PenstockTestKit
import Testing

@Suite struct STSTests {
  static let credentials = AWSCredentials(
    accessKeyID: "AKID", secretAccessKey: "s3cret", sessionToken: "t0ken", origin: "profile \"p\"")

  func sts(_ aws: FakeAWS) throws -> STS {
    try STS(region: "eu-central-1", environment: AWSEnvironment(aws.environment()))
  }

  @Test("it says whose credentials they are, and which role that is in policies") func caller() throws {
    let aws = try FakeAWS()
    let caller = try sts(aws).callerIdentity(Self.credentials, now: FakeAWS.now)

    #expect(caller == STS.Caller(account: "123456789012", arn: "arn:aws:sts::123456789012:assumed-role/reader/me"))
    #expect(caller.principal == "arn:aws:iam::123456789012:role/reader")
    #expect(aws.server.requests.first?.body == "Action=GetCallerIdentity&Version=2011-06-15")
    #expect(aws.server.requests.first?.headers["x-amz-security-token"] == "t0ken")
  }

  @Test(
    "an identity that is no session is its own principal",
    arguments: [
      ("arn:aws:iam::123456789012:user/x", "arn:aws:iam::123456789012:user/x"),
      ("arn:aws:iam::123456789012:root", "arn:aws:iam::123456789012:root"),
      ("arn:aws-cn:sts::123456789012:assumed-role/r/s", "arn:aws-cn:iam::123456789012:role/r"),
      ("arn:aws:sts::123456789012:federated-user/x", "arn:aws:sts::123456789012:federated-user/x"),
    ])
  func principal(arn: String, principal: String) {
    #expect(STS.Caller(account: "123456789012", arn: arn).principal == principal)
  }

  @Test(
    "a refusal is explained, without what STS repeats of the request",
    arguments: [
      (
        "AccessDenied", "User: arn:aws:iam::1:user/x is not authorized to perform: sts:AssumeRole",
        "STS refuses AssumeRole: AccessDenied: User: arn:aws:iam::1:user/x is not authorized to perform: sts:AssumeRole",
        "Allow sts:AssumeRole on \(FakeAWS.role) to the caller, and let the role's trust policy name the caller and this "
          + "external id.", false
      ),
      (
        "SignatureDoesNotMatch", "It does not match.\n\nThe Canonical String is 'POST x-amz-security-token:t0ken'",
        "STS refuses AssumeRole: SignatureDoesNotMatch: It does not match.",
        "Check the access key and secret from profile \"p\".", false
      ),
      (
        "SignatureDoesNotMatch",
        "Signature expired: 20260915T120000Z is now earlier than 20260915T121500Z (20260915T123000Z - 15 min.)",
        "this machine's clock is 30 min behind AWS's", ClockSkew.hint, false
      ),
      (
        "ExpiredToken", "The security token included in the request is expired",
        "STS refuses AssumeRole: ExpiredToken: The security token included in the request is expired",
        "Renew profile \"p\".", false
      ),
      (
        "RegionDisabledException", "no", "STS refuses AssumeRole: RegionDisabledException: no",
        "Activate STS in eu-central-1 in the account's settings.", false
      ),
      ("Throttling", "Rate exceeded", "STS refuses AssumeRole: Throttling: Rate exceeded", "", true),
    ])
  func refusals(code: String, text: String, message: String, hint: String, isTransient: Bool) throws {
    let aws = try FakeAWS()
    aws.plan("AssumeRole", 403, FakeAWS.error(code, text))
    let role = STS.Role(arn: FakeAWS.role, externalID: "x")

    let failure = #expect(throws: Failure.self) {
      try sts(aws).assume(role, by: Self.credentials, now: FakeAWS.now)
    }
    #expect(failure?.message == message)
    #expect(failure?.hint == hint)
    #expect(failure?.location == "127.0.0.1:\(aws.server.port)")
    #expect(failure?.isTransient == isTransient)
    #expect(failure?.exitCode == 4)
    #expect(failure?.description.contains("t0ken") == false)
  }

  @Test(
    "what is no answer of STS is refused, and not shown",
    arguments: [
      (200, "t0ken", "STS's answer can't be read"), (404, "t0ken", "STS refuses AssumeRole with HTTP status 404"),
      (200, FakeAWS.assumed("A").replacing("2026-", with: "soon-"), "STS's answer can't be read"),
    ])
  func unreadable(status: Int, body: String, message: String) throws {
    let aws = try FakeAWS()
    aws.plan("AssumeRole", status, body)

    let failure = #expect(throws: Failure.self) {
      try sts(aws).assume(.init(arn: FakeAWS.role), by: Self.credentials, now: FakeAWS.now)
    }
    #expect(failure?.message == message)
    #expect(failure?.description.contains("t0ken") == false)
  }

  @Test("where nobody listens the failure may pass, and says where") func absent() throws {
    let port = try freePort()
    let sts = try STS(
      region: "eu-central-1", environment: AWSEnvironment(["AWS_ENDPOINT_URL_STS": "http://127.0.0.1:\(port)"]))

    let failure = #expect(throws: Failure.self) { try sts.callerIdentity(Self.credentials, now: FakeAWS.now) }
    #expect(failure?.message == "STS does not answer: Couldn't connect to server")
    #expect(failure?.location == "127.0.0.1:\(port)")
    #expect(failure?.isTransient == true)
  }

  @Test(
    "each service is at its address in the region, unless the environment has another",
    arguments: [
      ([:], "eu-west-1", "https://sts.eu-west-1.amazonaws.com"),
      ([:], "cn-north-1", "https://sts.cn-north-1.amazonaws.com.cn"),
      (["AWS_ENDPOINT_URL": "http://localhost:5000/"], "eu-west-1", "http://localhost:5000"),
      (
        ["AWS_ENDPOINT_URL": "http://localhost:5000", "AWS_ENDPOINT_URL_STS": "https://sts.internal:443"], "eu-west-1",
        "https://sts.internal"
      ),
      (
        ["AWS_ENDPOINT_URL_STS": "http://localhost", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true"], "eu-west-1",
        "https://sts.eu-west-1.amazonaws.com"
      ),
    ])
  func endpoints(environment: [String: String], region: String, url: String) throws {
    #expect(try AWSEnvironment(environment).endpoint(of: "STS", default: "sts", region: region).url == url)
  }

  @Test(
    "an address that is none is refused",
    arguments: ["localhost:5000", "ftp://x", "http://", "http://x/y", "http://a b"])
  func badEndpoint(url: String) {
    let failure = #expect(throws: Failure.self) {
      try STS(region: "eu-west-1", environment: AWSEnvironment(["AWS_ENDPOINT_URL_STS": url]))
    }
    #expect(failure?.message == "AWS_ENDPOINT_URL_STS is not a URL of a service")
    #expect(failure?.exitCode == 2)
  }
}

@Suite struct DSQLLoginTests {
  @Test("a configured role is assumed with what the chain finds, and signs the tokens") func role() throws {
    let aws = try FakeAWS()
    let keys = ["AWS_ACCESS_KEY_ID": "AKID", "AWS_SECRET_ACCESS_KEY": "s"]
    let login = DSQLLogin(
      host: "a.dsql.us-east-2.on.aws", user: "app",
      role: STS.Role(arn: FakeAWS.role, sessionName: "penstock-shop", externalID: "e"),
      environment: aws.environment(keys), log: .quiet)

    let token = try login.tokens.authToken(now: FakeAWS.end - 600)
    #expect(token.contains("Action=DbConnect&"))
    #expect(token.contains("X-Amz-Credential=ROLE-BY-AKID%2F20260915%2Fus-east-2%2Fdsql%2Faws4_request"))
    #expect(token.contains("X-Amz-Expires=600&X-Amz-Security-Token=token%2F%2F%2B%3D&"))
    let request = try #require(aws.server.requests.first)
    #expect(
      request.form == [
        "Action": "AssumeRole", "Version": "2011-06-15", "RoleArn": FakeAWS.role, "RoleSessionName": "penstock-shop",
        "ExternalId": "e",
      ])
    #expect(try login.regionName() == "us-east-2")
    #expect(try login.origin(now: FakeAWS.now) == "role \(FakeAWS.role)")
    #expect(try login.caller(now: FakeAWS.now).account == "123456789012")
    #expect(FakeAWS.signer(try #require(aws.server.requests.last)) == "ROLE-BY-AKID")
  }
}
