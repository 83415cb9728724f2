import AWS
import ChangeModel
@testable import Operations
import PenstockTestKit
import PostgresSource
import Runtime
import Testing

@Suite("The check of a login with tokens") struct LoginCheckTests {
  static let host = "abcdefghijklmnopqrstuvwxyz.dsql.us-east-1.on.aws"
  static let denied = "cannot connect: FATAL:  unable to accept connection, access denied"
  static let unauthorized = denied + "; HINT:  User: arn:aws:sts::1:assumed-role/reader/me is not authorized"

  /// A login whose caller an STS of our own names, or refuses to name when there is none.
  static func check(
    arn: String?, user: String = "app", host: String = host, role: String? = nil
  ) throws -> (check: LoginCheck, sts: HTTPServer) {
    let sts = try HTTPServer { _ in
      guard let arn else { return .init(403, "<Error><Code>InvalidClientTokenId</Code><Message>No.</Message></Error>") }
      return .init(200, "<R><Arn>\(arn)</Arn><Account>123456789012</Account></R>")
    }
    let login = DSQLLogin(
      host: host, user: user, region: "us-east-1",
      environment: [
        "AWS_ACCESS_KEY_ID": "AKID", "AWS_SECRET_ACCESS_KEY": "s3cret",
        host.hasSuffix(".on.aws") ? "AWS_ENDPOINT_URL_STS" : "UNUSED": sts.url,
      ], log: Log(level: .error))
    return (LoginCheck(login, role: role), sts)
  }

  @Test("who has signed in is said, with both names") func signedIn() throws {
    let (check, _sts) = try Self.check(arn: "arn:aws:iam::123456789012:user/me")

    #expect(
      withExtendedLifetime(_sts) { check.finding(databaseUser: "app") }
        == Finding(
          .targetIdentity, .info, "user app",
          "signed in as arn:aws:iam::123456789012:user/me, with credentials from the environment"))
  }

  @Test("STS that can't be asked is a warning, as tokens do without it") func noSTS() throws {
    let (check, sts) = try Self.check(arn: nil)
    let finding = withExtendedLifetime(sts) { check.finding(databaseUser: "app") }

    #expect(finding.severity == .warning)
    #expect(finding.evidence.hasSuffix("can't be said: STS refuses GetCallerIdentity: InvalidClientTokenId: No."))
    #expect(finding.fix == "Check the access key and secret from the environment.")
  }

  @Test("of an emulator's user STS is not asked") func emulator() throws {
    let (check, sts) = try Self.check(arn: nil, host: "localhost")

    #expect(check.finding(databaseUser: "app").evidence == "signed in with credentials from the environment")
    #expect(sts.requests.isEmpty)
  }

  static let assumed = "arn:aws:sts::123456789012:assumed-role/reader/me"
  static let path = "If the role has a path, it belongs into its ARN."

  static func policy(_ principal: String, _ action: String = "DbConnect") -> String {
    "Add to the IAM policy of \(principal): {\"Effect\":\"Allow\",\"Action\":\"dsql:\(action)\",\"Resource\":"
      + "\"arn:aws:dsql:us-east-1:123456789012:cluster/abcdefghijklmnopqrstuvwxyz\"}"
  }

  static func grant(_ principal: String) -> String {
    "In the cluster, as admin: AWS IAM GRANT \"app\" TO '\(principal)';"
  }

  @Test(
    "what a refused identity lacks is given word for word",
    arguments: [
      (
        denied, "app", nil,
        [policy("arn:aws:iam::123456789012:role/reader"), grant("arn:aws:iam::123456789012:role/reader"), path]
      ),
      (unauthorized, "app", nil, [policy("arn:aws:iam::123456789012:role/reader"), path]),
      (denied, "admin", nil, [policy("arn:aws:iam::123456789012:role/reader", "DbConnectAdmin"), path]),
      (
        "FATAL:  IAM authentication failed for user \"app\"", "app", nil,
        [grant("arn:aws:iam::123456789012:role/reader"), path]
      ),
      (
        denied, "app", "arn:aws:iam::123456789012:role/deep/reader",
        [policy("arn:aws:iam::123456789012:role/deep/reader"), grant("arn:aws:iam::123456789012:role/deep/reader")]
      ),
      (denied + "; HINT:  Signature expired: x", "app", nil, []),
      (denied + "; HINT:  Wrong user to action mapping. user: admin, action: DbConnect", "app", nil, []),
      ("Connection refused", "app", nil, []),
    ] as [(String, String, String?, [String])])
  func fixes(text: String, user: String, role: String?, steps: [String]) throws {
    let (check, sts) = try Self.check(arn: Self.assumed, user: user, role: role)
    let fix = withExtendedLifetime(sts) { check.fix(for: Failure(.sink, text)) }

    #expect(fix == (steps.isEmpty ? nil : steps.joined(separator: "\n")))
  }

  @Test("what is not known is left open") func unknown() throws {
    let (check, sts) = try Self.check(arn: nil)
    let fix = try #require(withExtendedLifetime(sts) { check.fix(for: Failure(.sink, Self.denied)) })

    #expect(fix.hasPrefix("Whose credentials these are can't be said: STS refuses GetCallerIdentity"))
    #expect(fix.contains("the identity that signs: {"))
    #expect(fix.contains("arn:aws:dsql:us-east-1:*:cluster/"))
    #expect(fix.contains("TO 'arn:aws:iam::…';"))
  }
}
