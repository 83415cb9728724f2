@testable import AWS
import ChangeModel
import Foundation
import PenstockTestKit
import Testing

@Suite struct CredentialsChainTests {
  static let keys = ["AWS_ACCESS_KEY_ID": "ENVIRONMENT", "AWS_SECRET_ACCESS_KEY": "s"]
  static let webIdentity = ["AWS_WEB_IDENTITY_TOKEN_FILE": "~/token", "AWS_ROLE_ARN": FakeAWS.role]

  /// Every place has credentials but those before `first`.
  @Test(
    "the first place that has credentials gives them", arguments: CredentialsChain.Link.allCases.indices)
  func order(first: Int) throws {
    let aws = try FakeAWS()
    let places: [(variables: [String: String], id: String, origin: String)] = [
      (Self.keys, "ENVIRONMENT", "the environment"),
      (["AWS_SHARED_CREDENTIALS_FILE": "~/keys"], "PROFILE", "profile \"default\""),
      (Self.webIdentity, "ROLE-BY-web token", "role \(FakeAWS.role)"),
      (["AWS_CONTAINER_CREDENTIALS_FULL_URI": aws.server.url + "/container"], "CONTAINER", "the container"),
      (aws.instance, "INSTANCE", "instance role web role"),
    ]
    try aws.write("[default]\naws_access_key_id = PROFILE\naws_secret_access_key = s\n", to: "keys")
    try aws.write("web token\n".replacingOccurrences(of: " ", with: "%"), to: "token")
    let environment = places[first...].reduce(into: [:]) { $0.merge($1.variables) { $1 } }

    let found = try aws.find(environment)
    #expect(found.accessKeyID == places[first].id.replacingOccurrences(of: "web token", with: "web%token"))
    #expect(found.origin == places[first].origin)
  }

  @Test("without any, all places are named with what they lack") func none() throws {
    let failure = try FakeAWS().failure()

    #expect(failure?.message == "no AWS credentials found")
    #expect(
      failure?.location
        == "AWS_ACCESS_KEY_ID is not set; profile \"default\" has no credentials; AWS_WEB_IDENTITY_TOKEN_FILE is not set; "
        + "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI and _FULL_URI are not set; AWS_EC2_METADATA_DISABLED is true")
    #expect(failure?.exitCode == 2)
    #expect(failure?.isTransient == false)
  }

  @Test("a place that fails ends the search") func failing() throws {
    let aws = try FakeAWS()
    aws.plan("/container", 403, #"{"Code":"AccessDenied","Message":"s3cret"}"#)
    let failure = aws.failure(
      aws.instance.merging(["AWS_CONTAINER_CREDENTIALS_FULL_URI": aws.server.url + "/container"]) { $1 })

    #expect(failure?.message == "the container's credentials service refuses with HTTP status 403: AccessDenied")
    #expect(failure?.description.contains("s3cret") == false)
  }

  @Test("a place that gave credentials and has none now has them again later") func gone() throws {
    let aws = try FakeAWS()
    let chain = aws.chain(aws.instance)
    _ = try chain.credentials(now: FakeAWS.now)
    aws.plan("/latest/api/token", 404)

    let failure = #expect(throws: Failure.self) { try chain.credentials(now: FakeAWS.now) }
    #expect(
      failure?.message
        == "the AWS credentials have gone: the instance metadata service gives no token (HTTP status 404)")
    #expect(failure?.isTransient == true)
    #expect(try chain.credentials(now: FakeAWS.now).accessKeyID == "INSTANCE")
  }

  @Test("temporary credentials are kept until they no longer last, permanent ones are looked for each time")
  func cache() throws {
    let aws = try FakeAWS()
    let instance = CachedCredentials(aws.chain(aws.instance), log: .quiet)
    func questions(_ now: UnixTime) throws -> Int {
      _ = try instance.credentials(now: now, lasting: 900)
      return aws.server.requests.count
    }

    #expect(try [questions(FakeAWS.now), questions(FakeAWS.end - 900), questions(FakeAWS.end - 899)] == [3, 3, 6])
    aws.plan("/latest/api/token", 503)
    #expect(try questions(FakeAWS.end - 1) == 7)
    instance.discard()
    #expect(try questions(FakeAWS.now) == 10)

    try aws.write("[default]\naws_access_key_id = A\naws_secret_access_key = s\n", to: ".aws/credentials")
    let file = CachedCredentials(aws.chain(), log: .quiet)
    #expect(try file.credentials(now: FakeAWS.now, lasting: 900).accessKeyID == "A")
    try aws.write("[default]\naws_access_key_id = B\naws_secret_access_key = s\n", to: ".aws/credentials")
    #expect(try file.credentials(now: FakeAWS.now, lasting: 900).accessKeyID == "B")
  }
}

@Suite struct WebIdentityTests {
  @Test("the token takes the place of a signature, and is read anew each time") func request() throws {
    let aws = try FakeAWS()
    let chain = aws.chain(CredentialsChainTests.webIdentity.merging(["AWS_ROLE_SESSION_NAME": "pod"]) { $1 })
    try aws.write("first", to: "token")
    let found = try chain.credentials(now: FakeAWS.now)
    try aws.write("second\n", to: "token")
    _ = try chain.credentials(now: FakeAWS.now)

    #expect(found.secretAccessKey == "a&b/c")
    #expect(found.sessionToken == "token//+=")
    #expect(found.expiresAt == FakeAWS.end)
    #expect(aws.server.requests.map { $0.form["WebIdentityToken"] } == ["first", "second"])
    let request = try #require(aws.server.requests.first)
    #expect(request.headers["authorization"] == nil)
    #expect(
      request.form == [
        "Action": "AssumeRoleWithWebIdentity", "Version": "2011-06-15", "RoleArn": FakeAWS.role,
        "RoleSessionName": "pod", "WebIdentityToken": "first",
      ])
  }

  @Test(
    "what is missing is named",
    arguments: [
      (["AWS_ROLE_ARN": ""], "x", "AWS_WEB_IDENTITY_TOKEN_FILE is set without AWS_ROLE_ARN"),
      (["AWS_WEB_IDENTITY_TOKEN_FILE": "~/nothing"], "x", "the web identity token file does not exist"),
      ([:], "\n", "the web identity token file is empty"),
    ])
  func missing(change: [String: String], token: String, message: String) throws {
    let aws = try FakeAWS()
    try aws.write(token, to: "token")
    let failure = aws.failure(CredentialsChainTests.webIdentity.merging(change) { $1 })

    #expect(failure?.message == message)
    #expect(failure?.exitCode == 2)
  }
}

@Suite struct ContainerCredentialsTests {
  @Test(
    "the token goes along, from a file before the variable",
    arguments: [
      ([:], nil), (["AWS_CONTAINER_AUTHORIZATION_TOKEN": "plain"], "plain"),
      (
        ["AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": "~/token", "AWS_CONTAINER_AUTHORIZATION_TOKEN": "plain"],
        "Bearer file"
      ),
    ] as [([String: String], String?)])
  func authorization(variables: [String: String], header: String?) throws {
    let aws = try FakeAWS()
    try aws.write("Bearer file\n", to: "token")
    let url = ["AWS_CONTAINER_CREDENTIALS_FULL_URI": aws.server.url + "/container"]

    let found = try aws.find(variables.merging(url) { $1 })
    #expect(found.secretAccessKey == "secret-of-CONTAINER")
    #expect(found.sessionToken == "token-of-CONTAINER")
    #expect(found.expiresAt == FakeAWS.end)
    #expect(aws.server.requests.map { $0.headers["authorization"] } == [header])
  }

  @Test("a relative address leads to the task's own endpoint, before a full one") func relative() throws {
    let aws = try FakeAWS()
    let environment = AWSEnvironment([
      "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/container", "AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://10.0.0.1/",
    ])

    let found = try ContainerCredentials(environment, relativeEndpoint: aws.server.url).credentials()
    #expect(found?.accessKeyID == "CONTAINER")
    #expect(aws.server.requests.map(\.path) == ["/container"])
  }

  @Test(
    "only AWS's own addresses and this host may get the token in clear",
    arguments: [
      ("https://example.com/x", true), ("http://localhost:80/x", true), ("http://127.0.0.1/x", true),
      ("http://127.9.8.7/x", true), ("http://169.254.170.2/x", true), ("http://169.254.170.23/v1/credentials", true),
      ("http://[fd00:ec2::23]/v1/credentials", true), ("http://[::1]:8080/x", true), ("http://example.com/x", false),
      ("http://10.0.0.1/x", false), ("http://169.254.169.254/x", false), ("http://127.0.0.1.example.com/x", false),
      ("http://127.0.0.1@example.com/x", false), ("http://localhost@example.com/x", false),
      ("http://localhost:80@example.com/x", false), ("http:///x", false),
      ("http://[::1].example.com/x", false), ("http://127.1/x", false), ("http://127.0.0.+1/x", false),
      ("file:///etc/passwd", false), ("", false),
    ])
  func allowed(url: String, isAllowed: Bool) {
    #expect(ContainerCredentials.isAllowed(url) == isAllowed)
  }

  @Test(
    "what can't be is said",
    arguments: [
      (
        ["AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://example.com/"],
        "AWS_CONTAINER_CREDENTIALS_FULL_URI leads to a host that may not get the token"
      ),
      (
        ["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "x@example.com"],
        "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI does not begin with /"
      ),
      (
        ["AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": "~/nothing"],
        "the container's authorization token file does not exist"
      ),
      (
        ["AWS_CONTAINER_AUTHORIZATION_TOKEN": "a\r\nX-Other: b"],
        "the container's authorization token holds a line break"
      ),
    ])
  func refused(variables: [String: String], message: String) throws {
    let aws = try FakeAWS()
    let url = ["AWS_CONTAINER_CREDENTIALS_FULL_URI": aws.server.url + "/container"]
    let failure = aws.failure(url.merging(variables) { $1 })

    #expect(failure?.message == message)
    #expect(failure?.exitCode == 2)
    #expect(aws.server.requests.isEmpty)
  }

  @Test(
    "an answer without credentials is none, and never shown",
    arguments: ["", "{}", "s3cret", #"{"AccessKeyId":"A"}"#, #"{"AccessKeyId":"A","SecretAccessKey":""}"#] + [
      #"{"AccessKeyId":"A","SecretAccessKey":"s3cret","Expiration":"soon"}"#
    ])
  func unreadable(body: String) throws {
    let aws = try FakeAWS()
    aws.plan("/container", 200, body)
    let failure = aws.failure(["AWS_CONTAINER_CREDENTIALS_FULL_URI": aws.server.url + "/container"])

    #expect(failure?.message == "the container's credentials service answers without credentials")
    #expect(failure?.location == "127.0.0.1:\(aws.server.port)")
    #expect(failure?.description.contains("s3cret") == false)
  }

  @Test("a busy service is asked up to three times") func busy() throws {
    let aws = try FakeAWS()
    let url = ["AWS_CONTAINER_CREDENTIALS_FULL_URI": aws.server.url + "/container"]
    aws.plan("/container", 503)
    aws.plan("/container", 429)
    #expect(try aws.find(url).accessKeyID == "CONTAINER")

    for status in [500, 502, 503] { aws.plan("/container", status) }
    let failure = aws.failure(url)
    #expect(failure?.message == "the container's credentials service answers with HTTP status 503")
    #expect(failure?.isTransient == true)
    #expect(aws.server.requests.count == 6)
  }

  @Test("an answer without an end is cut off") func tooLarge() throws {
    let aws = try FakeAWS()
    for _ in 0..<3 { aws.plan("/container", 200, String(repeating: "x", count: 1 << 20 + 1)) }
    let failure = aws.failure(["AWS_CONTAINER_CREDENTIALS_FULL_URI": aws.server.url + "/container"])

    #expect(
      failure?.message == "the container's credentials service does not answer: the answer is larger than 1 MiB")
  }
}

@Suite struct InstanceMetadataTests {
  @Test("every question carries the token that was asked for first") func requests() throws {
    let aws = try FakeAWS()
    let found = try aws.find(aws.instance)

    #expect(found.sessionToken == "token-of-INSTANCE")
    #expect(found.expiresAt == FakeAWS.end)
    let role = "/latest/meta-data/iam/security-credentials/"
    #expect(
      aws.server.requests.map { "\($0.method) \($0.path)" }
        == ["PUT /latest/api/token", "GET \(role)", "GET \(role)web%20role"])
    #expect(aws.server.requests[0].headers["x-aws-ec2-metadata-token-ttl-seconds"] == "21600")
    #expect(aws.server.requests[0].headers["content-length"] == "0")
    #expect(aws.server.requests.dropFirst().allSatisfy { $0.headers["x-aws-ec2-metadata-token"] == "metadata-token" })
  }

  @Test("a service that gives no token is not asked without one", arguments: [403, 404, 405])
  func noWayBack(status: Int) throws {
    let aws = try FakeAWS()
    aws.plan("/latest/api/token", status)
    let failure = aws.failure(aws.instance)

    #expect(failure?.message == "no AWS credentials found")
    #expect(
      failure?.location.hasSuffix("the instance metadata service gives no token (HTTP status \(status))") == true)
    #expect(aws.server.requests.count == 1)
  }

  @Test("silence ends after two seconds, with the reason that containers have") func silence() throws {
    let aws = try FakeAWS()
    aws.planSilence("/latest/api/token")
    let start = ContinuousClock.now
    let failure = aws.failure(aws.instance)

    #expect(failure?.location.contains("the instance's metadata hop limit must be 2") == true)
    #expect(ContinuousClock.now - start < .seconds(60))
    #expect(aws.server.requests.count == 1)
  }

  @Test(
    "an instance without a role has none, and one with a broken role may have it again",
    arguments: [
      ("/latest/meta-data/iam/security-credentials/", 404, "", "no AWS credentials found", false),
      (
        "/latest/meta-data/iam/security-credentials/web", 200, #"{"Code":"AssumeRoleUnauthorizedAccess"}"#,
        "the instance metadata service has no credentials for the role web role: AssumeRoleUnauthorizedAccess", true
      ),
      (
        "/latest/meta-data/iam/security-credentials/web", 200, "<html>",
        "the instance metadata service has no credentials for the role web role: unreadable", true
      ),
    ])
  func roles(path: String, status: Int, body: String, message: String, isTransient: Bool) throws {
    let aws = try FakeAWS()
    aws.plan(path, status, body)
    let failure = aws.failure(aws.instance)

    #expect(failure?.message == message)
    #expect(failure?.isTransient == isTransient)
  }

  @Test("an address that is none is refused") func endpoint() throws {
    let aws = try FakeAWS()
    let failure = aws.failure(["AWS_EC2_METADATA_DISABLED": "", "AWS_EC2_METADATA_SERVICE_ENDPOINT": "169.254.169.254"])

    #expect(failure?.message == "AWS_EC2_METADATA_SERVICE_ENDPOINT is not a URL of a host")
  }
}
