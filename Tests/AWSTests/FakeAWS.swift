@testable import AWS
import ChangeModel
import Foundation
import PenstockTestKit
import Runtime
import Synchronization
import Testing

/// AWS's services at one address, answering as they do, with a home directory whose files a test writes.
final class FakeAWS: Sendable {
  static let now = UnixTime(basicFormat: "20260915T120000Z")!
  /// Of everything temporary, unless a test says otherwise.
  static let end = UnixTime(basicFormat: "20260915T130000Z")!
  static let role = "arn:aws:iam::123456789012:role/reader"

  let server: HTTPServer
  let home: String
  private let plans = Planned()

  init() throws {
    home = try temporaryDirectory("home")
    try FileManager.default.createDirectory(atPath: home + "/.aws/sso/cache", withIntermediateDirectories: true)
    server = try HTTPServer { [plans] request in plans.take(for: request) ?? FakeAWS.answer(request) }
  }

  /// Answers given in place of the usual ones, first to last.
  private final class Planned: Sendable {
    let answers = Mutex<[(key: String, answer: HTTPServer.Answer)]>([])

    func take(for request: HTTPServer.Request) -> HTTPServer.Answer? {
      answers.withLock { answers in
        let action = request.form["Action"]
        guard let index = answers.firstIndex(where: { request.path.hasPrefix($0.key) || $0.key == action }) else {
          return nil
        }
        return answers.remove(at: index).answer
      }
    }
  }

  /// The next answer to what begins with this path, or is this action of STS.
  func plan(_ key: String, _ status: Int, _ body: String = "") {
    plans.answers.withLock { $0.append((key, .init(status, body))) }
  }

  func planSilence(_ key: String) { plans.answers.withLock { $0.append((key, .silence)) } }

  /// - Parameter more: beside what leads every service here; the instance's is there only if asked for.
  func environment(_ more: [String: String] = [:]) -> [String: String] {
    ["HOME": home, "AWS_ENDPOINT_URL": server.url, "AWS_EC2_METADATA_DISABLED": "true", "AWS_REGION": "eu-central-1"]
      .merging(more) { $1 }
  }

  /// What makes the instance's metadata service this one.
  var instance: [String: String] {
    ["AWS_EC2_METADATA_DISABLED": "", "AWS_EC2_METADATA_SERVICE_ENDPOINT": server.url]
  }

  func write(_ text: String, to path: String) throws {
    try Data(text.utf8).write(to: URL(fileURLWithPath: home + "/" + path))
  }

  func chain(_ more: [String: String] = [:]) -> CredentialsChain {
    let environment = AWSEnvironment(environment(more))
    return CredentialsChain(environment, region: AWSRegion(configured: nil, host: "", environment: environment))
  }

  /// What the chain finds.
  func find(_ more: [String: String] = [:], now: UnixTime = now) throws -> AWSCredentials {
    try chain(more).credentials(now: now)
  }

  /// What the chain ends with.
  func failure(_ more: [String: String] = [:], now: UnixTime = now) -> Failure? {
    do throws(Failure) {
      _ = try chain(more).credentials(now: now)
      return nil
    } catch { return error }
  }

  // MARK: Answers

  private static func answer(_ request: HTTPServer.Request) -> HTTPServer.Answer {
    if request.method == "PUT", request.path == "/latest/api/token" { return .init(200, "metadata-token") }
    let isTokenGood = request.headers["x-aws-ec2-metadata-token"] == "metadata-token"
    switch request.path {
    case "/latest/meta-data/iam/security-credentials/": return isTokenGood ? .init(200, "web role") : .init(401)
    case "/latest/meta-data/iam/security-credentials/web%20role":
      return isTokenGood ? .init(200, document("INSTANCE", extra: #","Code":"Success""#)) : .init(401)
    case "/latest/meta-data/placement/region": return isTokenGood ? .init(200, "ap-south-1") : .init(401)
    case "/container": return .init(200, document("CONTAINER"))
    case "/token":
      return .init(200, #"{"accessToken":"renewed","expiresIn":28800,"refreshToken":"next","tokenType":"Bearer"}"#)
    default: break
    }
    if request.path.hasPrefix("/federation/credentials?") {
      return .init(
        200,
        """
        {"roleCredentials":{"accessKeyId":"SSO","secretAccessKey":"s","sessionToken":"t",\
        "expiration":\(end.seconds * 1000)}}
        """)
    }
    return request.path == "/" ? sts(request) : .init(404)
  }

  static func document(_ id: String, expires: UnixTime = end, extra: String = "") -> String {
    """
    {"AccessKeyId":"\(id)","SecretAccessKey":"secret-of-\(id)","Token":"token-of-\(id)",\
    "Expiration":"\(expires.iso8601)"\(extra)}
    """
  }

  private static func sts(_ request: HTTPServer.Request) -> HTTPServer.Answer {
    let form = request.form
    switch form["Action"] {
    case "AssumeRole", "AssumeRoleWithWebIdentity":
      let by = form["WebIdentityToken"] ?? signer(request)
      return .init(200, assumed("ROLE-BY-\(by)", form["Action"]!))
    case "GetCallerIdentity":
      return .init(
        200,
        """
        <GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult>
        <Arn>arn:aws:sts::123456789012:assumed-role/reader/me</Arn><UserId>AROA:me</UserId><Account>123456789012</Account>
        </GetCallerIdentityResult><ResponseMetadata><RequestId>1</RequestId></ResponseMetadata>
        </GetCallerIdentityResponse>
        """)
    default: return .init(400, error("InvalidAction", "no such action"))
    }
  }

  static func assumed(_ id: String, _ action: String = "AssumeRole", expires: UnixTime = end) -> String {
    """
    <\(action)Response xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><\(action)Result><AssumedRoleUser>
    <AssumedRoleId>AROA:me</AssumedRoleId><Arn>arn:aws:sts::123456789012:assumed-role/reader/me</Arn></AssumedRoleUser>
    <Credentials><AccessKeyId>\(id)</AccessKeyId><SecretAccessKey>a&amp;b&#x2F;c</SecretAccessKey>
    <SessionToken>token//+=</SessionToken><Expiration>\(expires.iso8601)</Expiration></Credentials></\(action)Result>
    <ResponseMetadata><RequestId>1</RequestId></ResponseMetadata></\(action)Response>
    """
  }

  static func error(_ code: String, _ message: String) -> String {
    """
    <ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type><Code>\(code)</Code>
    <Message>\(message)</Message></Error><RequestId>1</RequestId></ErrorResponse>
    """
  }

  /// The access key that signed a request.
  static func signer(_ request: HTTPServer.Request) -> String {
    let words = (request.headers["authorization"] ?? "").split(separator: "=")
    return words.count > 1 ? String(words[1].prefix { $0 != "/" }) : "nobody"
  }
}

/// Credentials as a test says.
struct GivenCredentials: CredentialsProvider {
  let give: @Sendable (UnixTime) throws(Failure) -> AWSCredentials

  func credentials(now: UnixTime) throws(Failure) -> AWSCredentials { try give(now) }
}

extension Log {
  /// Says nothing below an error, of which there are none.
  static let quiet = Log(level: .error)
}
