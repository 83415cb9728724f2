internal import CCurl

/// Blocking requests by libcurl, each on a connection of its own.
///
/// Call it on a thread that may block.
enum HTTPClient {
  static func send(_ request: HTTPRequest) throws(HTTPFailure) -> HTTPResponse {
    let transfer = try HTTPTransfer(request)
    return try transfer.end(unsafe curl_easy_perform(transfer.handle))
  }
}
