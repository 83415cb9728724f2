@testable import AWS
import ChangeModel
import Foundation
import PenstockTestKit
import Testing

@Suite struct ProfileTests {
  static let base = """

    [profile base]
    aws_access_key_id = BASE
    aws_secret_access_key = secret-of-BASE
    """

  /// What the profile `p` of a configuration file gives.
  func find(_ config: String, _ more: [String: String] = [:], aws: FakeAWS? = nil) throws -> AWSCredentials {
    let aws = try aws ?? FakeAWS()
    try aws.write(config + Self.base, to: ".aws/config")
    return try aws.find(["AWS_PROFILE": "p"].merging(more) { $1 })
  }

  @Test(
    "within a profile a role counts most, then a web identity, SSO, keys, a process",
    arguments: [
      ("role_arn = \(FakeAWS.role)\nsource_profile = base", "ROLE-BY-BASE"),
      ("role_arn = \(FakeAWS.role)\nweb_identity_token_file = ~/token", "ROLE-BY-web-token"),
      ("sso_start_url = u\nsso_region = r\nsso_account_id = 1\nsso_role_name = n", "SSO"),
      ("aws_access_key_id = KEYS\naws_secret_access_key = s", "KEYS"),
      (
        "credential_process = printf '{\"Version\":1,\"AccessKeyId\":\"PROCESS\",\"SecretAccessKey\":\"s\"}'", "PROCESS"
      ),
    ])
  func order(first: String, id: String) throws {
    let aws = try FakeAWS()
    try aws.write("web-token", to: "token")
    try aws.cacheToken(for: "u", expires: FakeAWS.end)
    let all = [
      "role_arn = \(FakeAWS.role)\nsource_profile = base",
      "role_arn = \(FakeAWS.role)\nweb_identity_token_file = ~/token",
      "sso_start_url = u\nsso_region = r\nsso_account_id = 1\nsso_role_name = n",
      "aws_access_key_id = KEYS\naws_secret_access_key = s",
      "credential_process = printf '{\"Version\":1,\"AccessKeyId\":\"PROCESS\",\"SecretAccessKey\":\"s\"}'",
    ]
    let index = try #require(all.firstIndex(of: first))

    #expect(try find("[profile p]\n" + all[index...].joined(separator: "\n"), aws: aws).accessKeyID == id)
  }

  @Test("a role is assumed at STS in the profile's region, signed with the source's keys, as the profile says")
  func assumeRole() throws {
    let aws = try FakeAWS()
    let found = try find(
      """
      [profile p]
      role_arn = \(FakeAWS.role)
      source_profile = base
      external_id = a/b
      role_session_name = me
      duration_seconds = 900
      region = eu-west-3
      """, aws: aws)

    #expect(found.accessKeyID == "ROLE-BY-BASE")
    #expect(found.origin == "role \(FakeAWS.role)")
    let request = try #require(aws.server.requests.first)
    #expect(
      request.form == [
        "Action": "AssumeRole", "Version": "2011-06-15", "RoleArn": FakeAWS.role, "RoleSessionName": "me",
        "ExternalId": "a/b", "DurationSeconds": "900",
      ])
    let expected = SigV4.signedHeaders(
      [("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")], host: "127.0.0.1:\(aws.server.port)",
      body: Array(request.body.utf8), scope: .init(date: FakeAWS.now, region: "eu-west-3", service: "sts"),
      credentials: AWSCredentials(accessKeyID: "BASE", secretAccessKey: "secret-of-BASE"))
    #expect(request.headers["authorization"] == expected.first { $0.name == "Authorization" }?.value)
    #expect(request.headers["host"] == "127.0.0.1:\(aws.server.port)")
    #expect(request.headers["x-amz-date"] == "20260915T120000Z")
  }

  @Test(
    "roles are assumed one by another",
    arguments: [
      (
        "role_arn = r2\nsource_profile = q\n[profile q]\nrole_arn = r1\nsource_profile = base", "ROLE-BY-ROLE-BY-BASE",
        2
      ),
      ("role_arn = r1\nsource_profile = p\naws_access_key_id = OWN\naws_secret_access_key = s", "ROLE-BY-OWN", 1),
      (
        """
        role_arn = r2
        source_profile = q
        [profile q]
        role_arn = r1
        source_profile = base
        aws_access_key_id = Q
        aws_secret_access_key = s
        """, "ROLE-BY-Q", 1
      ),
      ("role_arn = r1\ncredential_source = Environment", "ROLE-BY-ENV", 1),
      ("role_arn = r1\ncredential_source = EcsContainer", "ROLE-BY-CONTAINER", 2),
      ("role_arn = r1\ncredential_source = Ec2InstanceMetadata", "ROLE-BY-INSTANCE", 4),
    ])
  func chains(profile: String, id: String, requests: Int) throws {
    let aws = try FakeAWS()
    try aws.write("[profile p]\n\(profile)\n" + Self.base, to: ".aws/config")
    var variables = aws.instance
    variables["AWS_PROFILE"] = "p"
    variables["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = aws.server.url + "/container"
    if profile.contains("Environment") {
      variables.merge(["AWS_ACCESS_KEY_ID": "ENV", "AWS_SECRET_ACCESS_KEY": "s"]) { $1 }
    }
    let environment = AWSEnvironment(aws.environment(variables))
    let region = AWSRegion(configured: "eu-west-1", host: "", environment: environment)

    let found = try ProfileCredentials(environment: environment, region: region).find(now: FakeAWS.now)
    #expect(found?.accessKeyID == id)
    #expect(aws.server.requests.count == requests)
  }

  @Test(
    "a profile that can't be is explained",
    arguments: [
      ("[profile q]\na = 1", "there is no AWS profile \"p\""),
      ("[profile p]\nrole_arn = r", "profile \"p\" has role_arn, but nothing to assume the role with"),
      (
        "[profile p]\nrole_arn = r\nsource_profile = base\ncredential_source = Environment",
        "profile \"p\" has both source_profile and credential_source"
      ),
      (
        "[profile p]\nrole_arn = r\nsource_profile = q",
        "profile \"p\" names the source_profile \"q\", which is missing"
      ),
      (
        "[profile p]\nrole_arn = r\nsource_profile = q\n[profile q]\nregion = x",
        "profile \"p\" names the source_profile \"q\", which has no credentials"
      ),
      (
        "[profile p]\nrole_arn = r\nsource_profile = q\n[profile q]\nrole_arn = r\nsource_profile = p",
        "profile \"q\" is its own source: p → q → p"
      ),
      ("[profile p]\nrole_arn = r\nsource_profile = p", "profile \"p\" is its own source: p → p"),
      (
        "[profile p]\nrole_arn = r\nsource_profile = base\nmfa_serial = m",
        "profile \"p\" asks for a one-time code (mfa_serial), which a service can't type"
      ),
      (
        "[profile p]\nrole_arn = r\ncredential_source = Elsewhere", "profile \"p\" has an unknown credential_source"
      ),
      (
        "[profile p]\nrole_arn = r\ncredential_source = Environment",
        "profile \"p\" takes its credentials from Environment, which has none"
      ),
      (
        "[profile p]\naws_access_key_id = s3cret", "profile \"p\" has no aws_secret_access_key"
      ),
      ("[profile p]\naws_secret_access_key = s3cret", "profile \"p\" has no aws_access_key_id"),
      (
        "[profile p]\nlogin_session = arn:aws:iam::123456789012:user/u\nregion = x",
        "profile \"p\" was signed in by aws login, whose credentials only AWS's tools renew"
      ),
      (
        "[profile p]\nrole_arn = r\nsource_profile = q\n[profile q]\nlogin_session = l",
        "profile \"q\" was signed in by aws login, whose credentials only AWS's tools renew"
      ),
      ("[profile p]\nsso_session = x", "profile \"p\" names the sso-session \"x\", which is missing"),
      (
        "[profile p]\nsso_session = x\n[sso-session x]\nsso_start_url = u",
        "profile \"p\" signs in by SSO and has no sso_region"
      ),
    ])
  func explained(config: String, message: String) throws {
    let failure = #expect(throws: Failure.self) { try find(config) }

    #expect(failure?.message == message)
    #expect(failure?.exitCode == 2)
    #expect(failure?.hint.isEmpty == false)
    #expect(failure?.description.contains("s3cret") == false)
  }

  @Test("a profile without credentials leaves the rest of the chain") func regionOnly() throws {
    let aws = try FakeAWS()

    #expect(try find("[profile p]\nregion = x", aws.instance, aws: aws).accessKeyID == "INSTANCE")
  }

  @Test("a file that can't be read is named") func unreadable() throws {
    let failure = try FakeAWS().failure(["AWS_CONFIG_FILE": "/"])

    #expect(failure?.message == "/ can't be read, or is larger than 1 MiB")
  }
}

@Suite struct CredentialProcessTests {
  func run(_ command: String, limit: Duration = .seconds(60)) throws -> AWSCredentials {
    try CredentialProcess(command: command, profile: "p", limit: limit).credentials()
  }

  @Test("its JSON gives credentials, run by the shell") func success() throws {
    let found = try run(
      """
      cat <<END
      {"Version": 1, "AccessKeyId": "A$((1 + 1))", "SecretAccessKey": "s", "SessionToken": "t", \
      "Expiration": "2026-09-15T13:00:00Z"}
      END
      """)

    #expect(
      found
        == AWSCredentials(
          accessKeyID: "A2", secretAccessKey: "s", sessionToken: "t", expiresAt: FakeAWS.end,
          origin: "credential_process of profile \"p\""))
  }

  @Test(
    "what it does wrong is said, without what it prints",
    arguments: [
      ("echo s3cret; exit 3", "credential_process fails with status 3"),
      ("echo s3cret", "credential_process prints no credentials"),
      (
        #"printf '{"AccessKeyId":"A","SecretAccessKey":"s3cret"}'"#, "credential_process prints no credentials"
      ),
      (
        #"printf '{"Version":2,"AccessKeyId":"A","SecretAccessKey":"s3cret"}'"#,
        "credential_process prints no credentials"
      ),
      ("kill -9 $$", "credential_process is ended by signal 9"),
      ("yes s3cret", "credential_process does not end in time, or prints too much"),
    ])
  func failing(command: String, message: String) {
    let failure = #expect(throws: Failure.self) { try run(command) }

    #expect(failure?.message == message)
    #expect(failure?.location == "profile \"p\"")
    #expect(failure?.description.contains("s3cret") == false)
  }

  @Test("one that hangs is ended, with what it has started") func hanging() async throws {
    let mark = "86400.\(UInt32.random(in: 1...999_999))"
    let failure = #expect(throws: Failure.self) { try run("sleep \(mark) & sleep \(mark)", limit: .milliseconds(300)) }

    #expect(failure?.message == "credential_process does not end in time, or prints too much")
    #expect(failure?.isTransient == true)
    try await eventually("its children to end") {
      let look = try ChildProcess("pgrep", ["-f", "^sleep \(mark)"])
      try await look.wait()
      return look.standardOutput == ""
    }
  }
}
