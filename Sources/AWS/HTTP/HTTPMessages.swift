/// One request to an HTTP service.
struct HTTPRequest: Sendable {
  var method = "GET"
  /// `http` or `https`, nothing else.
  var url: String
  var headers: [(name: String, value: String)] = []
  var body: [UInt8] = []
  var connectTimeout = Duration.seconds(3)
  /// From the first packet to the last byte of the answer.
  var timeout = Duration.seconds(10)
  /// A longer answer is no answer.
  var answerBytesMax = 1 << 20
  /// A service of this machine or its host: no proxy of the environment leads there.
  var isLocal = false
  /// Certificates to trust in place of the system's, as `AWS_CA_BUNDLE` names them.
  var certificates: String?
}

struct HTTPResponse: Sendable {
  let status: Int
  /// Names in lower case; of a name that comes twice, the last value.
  let headers: [String: String]
  let body: [UInt8]
}

/// No answer came.
struct HTTPFailure: Error, Sendable {
  /// Why, as libcurl says it; never a part of the request but its host.
  let reason: String
  /// Nobody was there: no route, no listener, or silence until the time limit.
  let isAbsence: Bool
  /// The task that waited for the answer was cancelled.
  var isCancellation = false
}
