internal import ChangeModel

/// Why an attempt had no success, and what that means.
enum DynamoDBProblem: Error, Sendable {
  case noAnswer(HTTPFailure)
  /// The bytes are not those that were sent.
  case corrupt
  /// An exception by its name, or the status where the answer names none.
  case refusal(exception: String?, message: String, status: Int, requestID: String, skew: ClockSkew?)

  /// The body of a good answer.
  static func check(_ response: HTTPResponse, now: UnixTime) -> Result<[UInt8], DynamoDBProblem> {
    if let text = response.headers["x-amz-crc32"], UInt32(text) != CRC32.checksum(response.body) {
      return .failure(.corrupt)
    }
    guard response.status != 200 else { return .success(response.body) }
    let document = ExceptionDocument(json: response.body)
    // `com.amazonaws.dynamodb.v20120810#ResourceNotFoundException`
    let exception = document?.__type?.split(separator: "#").last.map(String.init)
    let message = document?.message ?? document?.Message ?? ""
    return .failure(
      .refusal(
        exception: exception,
        message: message.split(whereSeparator: \.isNewline).first.map { String($0.prefix(500)) } ?? "",
        status: response.status, requestID: response.headers["x-amzn-requestid"] ?? "",
        skew: ClockSkew(refusal: message, date: response.headers["date"], now: now)))
  }

  private struct ExceptionDocument: Decodable {
    // The names are those of the answers.
    let __type: String?
    let message: String?
    let Message: String?
  }

  var exception: String? {
    if case .refusal(let exception, _, _, _, _) = self { exception } else { nil }
  }

  /// The rate was too high: of the table, of the shard, of the account.
  var isThrottle: Bool { exception.map(Self.throttles.contains) ?? false }

  var isExpiredToken: Bool { exception.map(Self.expirations.contains) ?? false }

  var isCancellation: Bool {
    if case .noAnswer(let failure) = self { failure.isCancellation } else { false }
  }

  private static let throttles: Set<String> = [
    "ProvisionedThroughputExceededException", "ThrottlingException", "Throttling", "RequestLimitExceeded",
    "LimitExceededException",
  ]
  private static let expirations: Set<String> = ["ExpiredToken", "ExpiredTokenException"]

  func failure(of call: DynamoDBCall, at host: String, signedBy signer: AWSCredentials) -> Failure {
    switch self {
    case .noAnswer(let failure):
      return Failure(
        .source, "DynamoDB does not answer \(call.operation): \(failure.reason)", location: place(call, host),
        hint: failure.isCancellation
          ? "" : "Check that this machine reaches \(host), through a proxy, a VPC endpoint or a route.",
        isTransient: true)
    case .corrupt:
      return Failure(
        .source, "DynamoDB's answer to \(call.operation) was changed on its way: its checksum is another",
        location: place(call, host), hint: "Check what lies between this machine and \(host).", isTransient: true)
    case .refusal(let exception, let message, let status, let requestID, let skew):
      let isSignature = exception == "InvalidSignatureException" || exception == "RequestTimeTooSkewed"
      if isSignature, let skew, skew.isNotable { return skew.failure(at: host).blamed(on: .source) }
      let code = exception ?? "HTTP status \(status)"
      let isTransient =
        isThrottle || status >= 500 || status == 429 || exception == "InternalServerError"
        || exception == "InternalFailure" || exception == "ServiceUnavailable"
      return Failure(
        .source,
        "DynamoDB \(isThrottle ? "throttles" : "refuses") \(call.operation): \(code)"
          + (message.isEmpty ? "" : ": \(message)"),
        location: place(call, host) + (requestID.isEmpty ? "" : ", request \(requestID)"),
        hint: hint(exception, call, signer), isTransient: isTransient)
    }
  }

  private func place(_ call: DynamoDBCall, _ host: String) -> String {
    call.resource.isEmpty ? host : "\(call.resource) at \(host)"
  }

  private func hint(_ exception: String?, _ call: DynamoDBCall, _ signer: AWSCredentials) -> String {
    switch exception {
    case "AccessDeniedException":
      let resource = call.resource.isEmpty ? "*" : call.resource
      return "Allow dynamodb:\(call.operation) on \(resource) to whoever \(signer.origin) stands for."
    case "UnrecognizedClientException", "InvalidSignatureException", "MissingAuthenticationTokenException":
      return "Check the access key and secret from \(signer.origin)."
    case "ExpiredTokenException", "ExpiredToken": return "Renew the credentials from \(signer.origin)."
    case "ResourceNotFoundException": return "Check the name, the region and the account."
    case "UnknownOperationException":
      return "Check the endpoint: DynamoDB and its streams are two services, each with an address of its own."
    case let name? where Self.throttles.contains(name):
      return call.isOfStreams
        ? "Check whether another program reads the stream: a shard serves two readers at most."
        : "Give the table more read units, or let Penstock read fewer at a time."
    default: return ""
    }
  }
}

extension ClockSkew {
  /// By what a refusal says, else by the `Date` header that came with it.
  init?(refusal text: String, date: String?, now: UnixTime) {
    if let skew = ClockSkew(refusal: text, now: now) {
      self = skew
    } else if let theirs = date.flatMap(UnixTime.init(httpDate:)) {
      self.init(seconds: now - theirs)
    } else {
      return nil
    }
  }
}

extension UnixTime {
  /// Reads `Tue, 15 Sep 2026 12:00:00 GMT`, as the header `Date` has it; `nil` for anything else.
  init?(httpDate text: String) {
    let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
    let words = text.split(separator: " ")
    guard words.count == 6, words[5] == "GMT", let month = months.firstIndex(of: String(words[2])) else { return nil }
    let number = month + 1 < 10 ? "0\(month + 1)" : "\(month + 1)"
    self.init(basicFormat: "\(words[3])\(number)\(words[1])T\(words[4].filter { $0 != ":" })Z")
  }
}
