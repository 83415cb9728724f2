internal import ChangeModel
package import Runtime
internal import Synchronization

/// DynamoDB and its streams, for reading: signed calls that are repeated by AWS's rules, over kept connections.
///
/// Nothing here blocks a thread of the caller. Its failures are the source's.
package final class DynamoDBService: Sendable {
  package struct Statistics: Hashable, Sendable {
    /// Answered or not, repeated ones included.
    package internal(set) var requests = 0
    /// Calls that were sent once more, for whatever reason.
    package internal(set) var retries = 0
    /// Answers that said that the rate is too high.
    package internal(set) var throttles = 0
    package internal(set) var connectionsOpened = 0
  }

  package let endpoints: DynamoDBEndpoints
  private let credentials: SigningCredentials
  private let certificates: String?
  private let retry: Backoff.Limits
  private let session: HTTPSession
  private let counts = Mutex(Statistics())

  /// Sends nothing yet.
  /// - Parameters:
  ///   - retry: for one call, from its first failure on.
  ///   - connectionsMax: to each of the two services at a time.
  package init(
    _ endpoints: DynamoDBEndpoints, login: AWSLogin, retry: Backoff.Limits = defaultRetry, connectionsMax: Int = 32
  ) {
    self.endpoints = endpoints
    self.retry = retry
    credentials = SigningCredentials(login)
    certificates = login.environment.certificates
    session = HTTPSession(connectionsMax: connectionsMax)
  }

  /// As AWS's libraries begin for DynamoDB, and for long enough to outlive a partition that splits.
  package static let defaultRetry = Backoff.Limits(
    initialDelay: .milliseconds(50), maxDelay: .seconds(20), maxElapsed: .seconds(300))

  package var statistics: Statistics {
    var statistics = counts.withLock { $0 }
    statistics.connectionsOpened = session.statistics.connectionsOpened
    return statistics
  }

  /// Items with escapes and base64 may take several times the 1 MB that an answer holds.
  static let answerBytesMax = 16 << 20

  /// The answer to a call that succeeded.
  ///
  /// - Parameter expecting: exceptions that are an answer too: the caller gets their name.
  func call(_ call: DynamoDBCall, expecting: Set<String> = []) async throws(Failure) -> DynamoDBAnswer {
    var backoff = Backoff(retry, jitter: .full)
    var hasRenewed = false
    while true {
      let signer = try await credentials.credentials(now: .now)
      let problem: DynamoDBProblem
      switch await attempt(call, signer) {
      case .success(let body): return .body(body)
      case .failure(let found): problem = found
      }
      if problem.isThrottle { counts.withLock { $0.throttles += 1 } }
      if let exception = problem.exception, expecting.contains(exception) { return .exception(exception) }
      if problem.isExpiredToken, !hasRenewed {
        hasRenewed = true
        credentials.discard(signer)
        counts.withLock { $0.retries += 1 }
        continue
      }
      let failure = problem.failure(of: call, at: host(of: call), signedBy: signer)
      guard failure.isTransient, !problem.isCancellation,
        let delay = backoff.next(now: monotonicNow(), random: .random(in: 0..<1))
      else { throw failure }
      counts.withLock { $0.retries += 1 }
      do { try await Task.sleep(for: delay) } catch { throw failure }
    }
  }

  private func endpoint(of call: DynamoDBCall) -> ServiceEndpoint {
    call.isOfStreams ? endpoints.streams : endpoints.tables
  }

  private func host(of call: DynamoDBCall) -> String { endpoint(of: call).host }

  private func attempt(_ call: DynamoDBCall, _ signer: AWSCredentials) async -> Result<[UInt8], DynamoDBProblem> {
    let endpoint = endpoint(of: call)
    let now = UnixTime.now
    var request = HTTPRequest(method: "POST", url: endpoint.url + "/", body: call.body)
    request.headers = SigV4.signedHeaders(
      [("Content-Type", "application/x-amz-json-1.0"), ("X-Amz-Target", call.target)], host: endpoint.host,
      body: call.body, scope: .init(date: now, region: endpoints.region, service: "dynamodb"), credentials: signer)
    (request.connectTimeout, request.timeout) = (.seconds(5), .seconds(30))
    request.answerBytesMax = Self.answerBytesMax
    request.certificates = certificates
    counts.withLock { $0.requests += 1 }
    do throws(HTTPFailure) {
      let response = try await session.send(request)
      return DynamoDBProblem.check(response, now: now)
    } catch { return .failure(.noAnswer(error)) }
  }
}

/// One operation and what it is asked.
struct DynamoDBCall: Sendable {
  /// As the IAM action is called: `GetRecords`.
  let operation: String
  let body: [UInt8]
  /// What it happens to, for messages and policies: a table's name, a stream's ARN.
  let resource: String
  var isOfStreams = false

  var target: String { (isOfStreams ? "DynamoDBStreams" : "DynamoDB") + "_20120810." + operation }
}

enum DynamoDBAnswer: Sendable {
  case body([UInt8])
  /// One that the caller expects, by its name.
  case exception(String)
}
