internal import CCurl

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
  /// A service of this machine or its host: no proxy of the environment leads there.
  var isLocal = false
  /// Certificates to trust in place of the system's, as `AWS_CA_BUNDLE` names them.
  var certificates: String?
}

struct HTTPResponse: Sendable {
  let status: Int
  let body: [UInt8]
}

/// No answer came.
struct HTTPFailure: Error, Sendable {
  /// Why, as libcurl says it; never a part of the request but its host.
  let reason: String
  /// Nobody was there: no route, no listener, or silence until the time limit.
  let isAbsence: Bool
}

/// Blocking requests by libcurl: every one has a time limit, follows no redirects, and takes a bounded answer.
///
/// Call it on a thread that may block.
enum HTTPClient {
  static let answerBytesMax = 1 << 20

  private static let isReady: Bool = curl_global_init(3) == CURLE_OK  // CURL_GLOBAL_ALL

  static func send(_ request: HTTPRequest) throws(HTTPFailure) -> HTTPResponse {
    guard isReady, let handle = unsafe curl_easy_init() else {
      throw HTTPFailure(reason: "libcurl can't be started", isAbsence: false)
    }
    defer { unsafe curl_easy_cleanup(handle) }
    // A line break in a header would begin another one.
    for (name, value) in request.headers where (name + value).utf8.contains(where: { $0 < 0x20 || $0 == 0x7F }) {
      throw HTTPFailure(reason: "the header \(name) would hold a control character", isAbsence: false)
    }
    var headers: UnsafeMutablePointer<curl_slist>?
    defer { unsafe curl_slist_free_all(headers) }
    // The last two are libcurl's own ideas, not wanted here.
    for line in request.headers.map({ "\($0.name): \($0.value)" }) + ["Expect:"]
      + (request.headers.contains { $0.name.lowercased() == "content-type" } ? [] : ["Content-Type:"])
    {
      unsafe headers = curl_slist_append(headers, line)
    }
    let answer = Answer()
    var code = unsafe set(request, on: handle)
    if code == CURLE_OK { code = unsafe penstock_curl_set_headers(handle, headers) }
    if code == CURLE_OK {
      code = unsafe penstock_curl_set_receiver(
        handle,
        { data, size, count, context in
          guard let data = unsafe data, let context = unsafe context else { return 0 }
          // SAFETY: `answer` outlives the request, and libcurl calls from the thread that performs it.
          let answer = unsafe Unmanaged<Answer>.fromOpaque(context).takeUnretainedValue()
          return unsafe answer.take(UnsafeRawBufferPointer(start: data, count: size * count))
        }, Unmanaged.passUnretained(answer).toOpaque())
    }
    if code == CURLE_OK { code = unsafe curl_easy_perform(handle) }
    return try withExtendedLifetime(answer) { () throws(HTTPFailure) in
      guard code == CURLE_OK else { throw failure(code, answer) }
      var status = 0
      unsafe penstock_curl_get_long(handle, CURLINFO_RESPONSE_CODE, &status)
      return HTTPResponse(status: status, body: answer.bytes)
    }
  }

  @unsafe private static func set(_ request: HTTPRequest, on handle: UnsafeMutableRawPointer) -> CURLcode {
    var texts: [(CURLoption, String)] = [
      (CURLOPT_URL, request.url), (CURLOPT_CUSTOMREQUEST, request.method), (CURLOPT_PROTOCOLS_STR, "http,https"),
      (CURLOPT_USERAGENT, "penstock"),
    ]
    if request.isLocal { texts.append((CURLOPT_NOPROXY, "*")) }
    if let certificates = request.certificates { texts.append((CURLOPT_CAINFO, certificates)) }
    for (option, value) in texts {
      let code = unsafe penstock_curl_set_text(handle, option, value)
      if code != CURLE_OK { return code }
    }
    var numbers: [(CURLoption, Int)] = [
      (CURLOPT_NOSIGNAL, 1), (CURLOPT_FOLLOWLOCATION, 0), (CURLOPT_PATH_AS_IS, 1),
      (CURLOPT_CONNECTTIMEOUT_MS, milliseconds(request.connectTimeout)),
      (CURLOPT_TIMEOUT_MS, milliseconds(request.timeout)),
    ]
    if request.method != "GET" { numbers.append((CURLOPT_POSTFIELDSIZE, request.body.count)) }
    for (option, value) in numbers {
      let code = unsafe penstock_curl_set_long(handle, option, value)
      if code != CURLE_OK { return code }
    }
    guard request.method != "GET" else { return CURLE_OK }
    // The size is set already, so a zero byte ends nothing; libcurl copies.
    return unsafe (request.body + [0]).withUnsafeBytes {
      unsafe penstock_curl_set_text(handle, CURLOPT_COPYPOSTFIELDS, $0.baseAddress!.assumingMemoryBound(to: CChar.self))
    }
  }

  private static func milliseconds(_ duration: Duration) -> Int { Int(duration / .milliseconds(1)) }

  private static func failure(_ code: CURLcode, _ answer: Answer) -> HTTPFailure {
    if answer.isTooLarge {
      return HTTPFailure(reason: "the answer is larger than \(answerBytesMax >> 20) MiB", isAbsence: false)
    }
    let absences = [CURLE_COULDNT_CONNECT, CURLE_OPERATION_TIMEDOUT, CURLE_COULDNT_RESOLVE_HOST]
    return HTTPFailure(reason: unsafe String(cString: curl_easy_strerror(code)), isAbsence: absences.contains(code))
  }

  /// The body of an answer while it comes in.
  private final class Answer {
    private(set) var bytes: [UInt8] = []
    private(set) var isTooLarge = false

    /// - Returns: the bytes taken; fewer than given make libcurl give up.
    @unsafe func take(_ part: UnsafeRawBufferPointer) -> Int {
      guard bytes.count + part.count <= HTTPClient.answerBytesMax else {
        isTooLarge = true
        return 0
      }
      unsafe bytes.append(contentsOf: part)
      return part.count
    }
  }
}
