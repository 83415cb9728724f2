internal import ChangeModel

/// The metadata service of an EC2 instance, version 2: every question carries a token that was asked for with PUT.
/// There is no way back to version 1, which answers whoever can make this host send a GET.
struct InstanceMetadata: Sendable {
  /// `nil` when it is switched off.
  private let endpoint: ServiceEndpoint?
  private let service = AWSService(name: "the instance metadata service")

  /// - Throws: a configuration failure for an endpoint that is none.
  init(_ environment: AWSEnvironment) throws(Failure) {
    if environment.isTrue("AWS_EC2_METADATA_DISABLED") {
      endpoint = nil
    } else if let url = environment["AWS_EC2_METADATA_SERVICE_ENDPOINT"] {
      guard let given = ServiceEndpoint(url: url) else {
        throw Failure(
          .configuration, "AWS_EC2_METADATA_SERVICE_ENDPOINT is not a URL of a host", location: "environment",
          hint: "Write it as http://169.254.169.254, or unset it.")
      }
      endpoint = given
    } else {
      let usesIPv6 = environment["AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE"]?.lowercased() == "ipv6"
      endpoint = ServiceEndpoint(scheme: "http", host: usesIPv6 ? "[fd00:ec2::254]" : "169.254.169.254")
    }
  }

  enum Answer {
    case found(AWSCredentials)
    /// Why there are none.
    case absent(String)
  }

  /// The credentials of the instance's role.
  func credentials() throws(Failure) -> Answer {
    let folder = "/latest/meta-data/iam/security-credentials/"
    guard let endpoint else { return .absent("AWS_EC2_METADATA_DISABLED is true") }
    let token: String
    switch try sessionToken(endpoint) {
    case .success(let text): token = text
    case .failure(let absence): return .absent(absence.reason)
    }
    let list = try get(folder, endpoint, token)
    let names = String(decoding: list.body, as: UTF8.self).split(whereSeparator: \.isNewline)
    guard list.status == 200, let role = names.first else { return .absent("the EC2 instance has no role") }
    let request = request(folder + SigV4.percentEncoded(String(role)), endpoint, token)
    let answer = try service.send(request)
    let document = CredentialsDocument(json: answer.body)
    guard answer.status == 200, document?.Code ?? "Success" == "Success",
      let found = document?.credentials(origin: "instance role \(role)")
    else {
      throw service.failure(
        "the instance metadata service has no credentials for the role \(role): \(document?.Code ?? "unreadable")",
        request, hint: "Check that the role exists and that EC2 may assume it.", isTransient: true)
    }
    return .found(found)
  }

  /// `nil` when this is no EC2 instance.
  func region() throws(Failure) -> String? {
    guard let endpoint, case .success(let token) = try sessionToken(endpoint) else { return nil }
    let answer = try get("/latest/meta-data/placement/region", endpoint, token)
    let name = String(decoding: answer.body, as: UTF8.self)
    let isName =
      !name.isEmpty && name.utf8.allSatisfy { $0 == 0x2D || (0x30...0x39).contains($0) || (0x61...0x7A).contains($0) }
    return answer.status == 200 && isName ? name : nil
  }

  private struct Absence: Error { let reason: String }

  /// The token for the questions that follow. One try: who is not on EC2 shall not wait.
  private func sessionToken(_ endpoint: ServiceEndpoint) throws(Failure) -> Result<String, Absence> {
    var request = HTTPRequest(
      method: "PUT", url: endpoint.url + "/latest/api/token",
      headers: [("X-aws-ec2-metadata-token-ttl-seconds", "21600")])
    (request.connectTimeout, request.timeout, request.isLocal) = (.seconds(1), .seconds(2), true)
    let response: HTTPResponse
    do throws(HTTPFailure) {
      response = try HTTPClient.send(request)
    } catch {
      let why = "no instance metadata service answers (in a container, the instance's metadata hop limit must be 2)"
      if error.isAbsence { return .failure(Absence(reason: why)) }
      throw service.failure("the instance metadata service fails: \(error.reason)", request, isTransient: true)
    }
    switch response.status {
    case 200 where !response.body.isEmpty: return .success(String(decoding: response.body, as: UTF8.self))
    case 403, 404, 405:
      return .failure(Absence(reason: "the instance metadata service gives no token (HTTP status \(response.status))"))
    default:
      throw service.failure(
        "the instance metadata service answers with HTTP status \(response.status)", request, isTransient: true)
    }
  }

  private func request(_ path: String, _ endpoint: ServiceEndpoint, _ token: String) -> HTTPRequest {
    HTTPRequest(
      url: endpoint.url + path, headers: [("X-aws-ec2-metadata-token", token)], connectTimeout: .seconds(1),
      timeout: .seconds(2), isLocal: true)
  }

  private func get(_ path: String, _ endpoint: ServiceEndpoint, _ token: String) throws(Failure) -> HTTPResponse {
    try service.send(request(path, endpoint, token))
  }
}
