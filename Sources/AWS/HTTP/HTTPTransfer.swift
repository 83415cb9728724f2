internal import CCurl

/// One request on its way and the answer as it comes in: the owner of a libcurl handle, used by one thread at a time.
///
/// It follows no redirects, has a time limit, and takes a bounded answer.
@safe final class HTTPTransfer {
  /// Good for as long as this value.
  @unsafe let handle: UnsafeMutableRawPointer
  private let answerBytesMax: Int
  private var headerLines: UnsafeMutablePointer<curl_slist>?
  private var headers: [String: String] = [:]
  private var body: [UInt8] = []
  private var isTooLarge = false

  private static let isReady: Bool = curl_global_init(3) == CURLE_OK  // CURL_GLOBAL_ALL

  init(_ request: HTTPRequest) throws(HTTPFailure) {
    guard Self.isReady, let handle = unsafe curl_easy_init() else {
      throw HTTPFailure(reason: "libcurl can't be started", isAbsence: false)
    }
    unsafe self.handle = handle
    answerBytesMax = request.answerBytesMax
    // A line break in a header would begin another one.
    for (name, value) in request.headers where (name + value).utf8.contains(where: { $0 < 0x20 || $0 == 0x7F }) {
      throw HTTPFailure(reason: "the header \(name) would hold a control character", isAbsence: false)
    }
    // The last two are libcurl's own ideas, not wanted here.
    for line in request.headers.map({ "\($0.name): \($0.value)" }) + ["Expect:"]
      + (request.headers.contains { $0.name.lowercased() == "content-type" } ? [] : ["Content-Type:"])
    {
      unsafe headerLines = curl_slist_append(headerLines, line)
    }
    var code = setOptions(request)
    if code == CURLE_OK { code = unsafe penstock_curl_set_headers(handle, headerLines) }
    if code == CURLE_OK { code = setReceivers() }
    guard code == CURLE_OK else { throw failure(code) }
  }

  deinit {
    unsafe curl_easy_cleanup(handle)
    unsafe curl_slist_free_all(headerLines)
  }

  /// What came of the request when libcurl has ended it with this code.
  func end(_ code: CURLcode) throws(HTTPFailure) -> HTTPResponse {
    guard code == CURLE_OK else { throw failure(code) }
    return HTTPResponse(status: number(CURLINFO_RESPONSE_CODE), headers: headers, body: body)
  }

  /// The connections that were opened for this request: none where one was kept from another.
  var connectionsOpened: Int { number(CURLINFO_NUM_CONNECTS) }

  private func number(_ info: CURLINFO) -> Int {
    var value = 0
    unsafe penstock_curl_get_long(handle, info, &value)
    return value
  }

  private func setOptions(_ request: HTTPRequest) -> CURLcode {
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
      // HTTP/2 where the server offers it in the TLS handshake, which is waited for before another connection is opened.
      (CURLOPT_HTTP_VERSION, 4), (CURLOPT_PIPEWAIT, request.url.hasPrefix("https:") ? 1 : 0),
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

  /// SAFETY: in both functions the context is this transfer, which outlives its handle, and libcurl calls from the thread
  /// that drives the handle.
  private func setReceivers() -> CURLcode {
    unsafe penstock_curl_set_receivers(
      handle,
      { data, size, count, context in
        guard let data = unsafe data, let context = unsafe context else { return 0 }
        let transfer = unsafe Unmanaged<HTTPTransfer>.fromOpaque(context).takeUnretainedValue()
        return unsafe transfer.take(UnsafeRawBufferPointer(start: data, count: size * count))
      },
      { data, size, count, context in
        guard let data = unsafe data, let context = unsafe context else { return 0 }
        let transfer = unsafe Unmanaged<HTTPTransfer>.fromOpaque(context).takeUnretainedValue()
        unsafe transfer.takeHeader(UnsafeRawBufferPointer(start: data, count: size * count))
        return size * count
      }, Unmanaged.passUnretained(self).toOpaque())
  }

  private func milliseconds(_ duration: Duration) -> Int { Int(duration / .milliseconds(1)) }

  private func failure(_ code: CURLcode) -> HTTPFailure {
    if isTooLarge {
      return HTTPFailure(reason: "the answer is larger than \(answerBytesMax >> 20) MiB", isAbsence: false)
    }
    let absences = [CURLE_COULDNT_CONNECT, CURLE_OPERATION_TIMEDOUT, CURLE_COULDNT_RESOLVE_HOST]
    return HTTPFailure(reason: unsafe String(cString: curl_easy_strerror(code)), isAbsence: absences.contains(code))
  }

  /// - Returns: the bytes taken; fewer than given make libcurl give up.
  @unsafe private func take(_ part: UnsafeRawBufferPointer) -> Int {
    guard body.count + part.count <= answerBytesMax else {
      isTooLarge = true
      return 0
    }
    if body.isEmpty, let length = headers["content-length"].flatMap({ Int($0) }), length <= answerBytesMax {
      body.reserveCapacity(length)
    }
    unsafe body.append(contentsOf: part)
    return part.count
  }

  /// - Parameter line: with its line break; the status line of an answer begins its headers anew.
  @unsafe private func takeHeader(_ line: UnsafeRawBufferPointer) {
    let text = unsafe String(decoding: line, as: UTF8.self)
    if text.hasPrefix("HTTP/") { return headers = [:] }
    guard let colon = text.firstIndex(of: ":") else { return }
    let value = text[text.index(after: colon)...].drop { $0 == " " || $0 == "\t" }
    headers[text[..<colon].lowercased()] = String(value.prefix { !$0.isNewline })
  }
}
