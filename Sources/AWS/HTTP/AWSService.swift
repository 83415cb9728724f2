internal import ChangeModel
internal import FoundationEssentials
internal import Runtime

/// A service that is asked for credentials, and how it is asked: a few times when the reason may pass.
struct AWSService: Sendable {
  /// As messages name it: `STS`, `the container's credentials service`.
  let name: String
  /// Certificates to trust in place of the system's.
  var certificates: String?

  static let attempts = 3

  /// The answer, whatever its status, unless the service is overloaded or broken.
  /// - Throws: a transient failure.
  func send(_ request: HTTPRequest) throws(Failure) -> HTTPResponse {
    try send(request) { $0 == 429 || $0 >= 500 }
  }

  private func send(_ request: HTTPRequest, isBusy: (Int) -> Bool) throws(Failure) -> HTTPResponse {
    var request = request
    request.certificates = certificates
    var backoff = Backoff(
      .init(initialDelay: .milliseconds(100), maxDelay: .seconds(1), maxElapsed: nil))
    while true {
      let problem: Failure
      do throws(HTTPFailure) {
        let response = try HTTPClient.send(request)
        guard isBusy(response.status) else { return response }
        problem = failure("\(name) answers with HTTP status \(response.status)", request, isTransient: true)
      } catch {
        problem = failure(
          "\(name) does not answer: \(error.reason)", request,
          hint: "Check that this machine reaches it, through a proxy, a VPC endpoint or a route.", isTransient: true)
      }
      guard let delay = backoff.next(now: monotonicNow(), random: .random(in: 0..<1)), backoff.attempts < Self.attempts
      else { throw problem }
      Wakeup().wait(for: delay)
    }
  }

  /// - Parameter request: its URL without the path and the query is shown.
  func failure(
    _ message: String, _ request: HTTPRequest, hint: String = "", isTransient: Bool = false
  ) -> Failure {
    let parts = request.url.split(separator: "/", maxSplits: 2, omittingEmptySubsequences: false)
    let place = parts.count > 2 ? parts[2].prefix { $0 != "/" && $0 != "?" } : ""
    return Failure(.sink, message, location: String(place), hint: hint, isTransient: isTransient)
  }
}

extension Decodable {
  /// The value in a JSON document; `nil` for anything else, which may hold secrets and so is never shown.
  init?(json: [UInt8]) {
    guard let value = try? JSONDecoder().decode(Self.self, from: Data(json)) else { return nil }
    self = value
  }
}

/// Credentials as the container's and the instance's services and the programs of `credential_process` write them.
struct CredentialsDocument: Decodable {
  // The names are those of the documents.
  let AccessKeyId: String?
  let SecretAccessKey: String?
  let Token: String?
  let SessionToken: String?
  let Expiration: String?
  let Version: Int?
  let Code: String?
  let Message: String?

  /// `nil` when a key is missing or the date can't be read.
  func credentials(origin: String) -> AWSCredentials? {
    guard let id = AccessKeyId, !id.isEmpty, let secret = SecretAccessKey, !secret.isEmpty else { return nil }
    var expiresAt: UnixTime?
    if let Expiration {
      guard let time = UnixTime(iso8601: Expiration) else { return nil }
      expiresAt = time
    }
    let token = Token ?? SessionToken
    return AWSCredentials(
      accessKeyID: id, secretAccessKey: secret, sessionToken: token?.isEmpty == true ? nil : token,
      expiresAt: expiresAt, origin: origin)
  }
}
