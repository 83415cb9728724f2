import Foundation
import Synchronization

/// A small HTTP server on 127.0.0.1 that answers as a test says, and remembers what it was asked.
package final class HTTPServer: Sendable {
  package struct Request: Hashable, Sendable {
    package var method: String
    /// With the query.
    package var path: String
    /// Names in lower case.
    package var headers: [String: String]
    package var body: String

    /// The fields of a form in the body, decoded.
    package var form: [String: String] {
      var fields: [String: String] = [:]
      for pair in body.split(separator: "&") {
        let sides = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        fields[sides[0]] = sides.count == 2 ? sides[1].removingPercentEncoding : ""
      }
      return fields
    }
  }

  package struct Answer: Hashable, Sendable {
    package var status: Int
    package var body: String
    /// The answer never comes; the connection stays open until the client leaves.
    package var isSilence = false

    package init(_ status: Int = 200, _ body: String = "") {
      self.status = status
      self.body = body
    }

    package static var silence: Answer {
      var answer = Answer()
      answer.isSilence = true
      return answer
    }
  }

  package typealias Handler = @Sendable (Request) -> Answer

  package let port: Int
  private let listener: Int32
  private let received = Received()

  private final class Received: Sendable { let requests = Mutex<[Request]>([]) }

  /// Listens until it is let go.
  package init(_ handler: @escaping Handler) throws {
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
    guard descriptor >= 0 else { throw SystemFailure(call: "socket", code: errno) }
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = inet_addr("127.0.0.1")
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let code = withUnsafeMutablePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        bind(descriptor, $0, length) == 0 && listen(descriptor, 64) == 0 ? getsockname(descriptor, $0, &length) : -1
      }
    }
    guard code == 0 else {
      let failure = SystemFailure(call: "listen", code: errno)
      close(descriptor)
      throw failure
    }
    listener = descriptor
    port = Int(UInt16(bigEndian: address.sin_port))
    Thread.detachNewThread { [received] in
      while true {
        let client = accept(descriptor, nil, nil)
        guard client >= 0 else {
          close(descriptor)
          return
        }
        Thread.detachNewThread {
          HTTPServer.serve(client) { request in
            received.requests.withLock { $0.append(request) }
            return handler(request)
          }
        }
      }
    }
  }

  deinit { shutdown(listener, Int32(SHUT_RDWR)) }

  package var url: String { "http://127.0.0.1:\(port)" }

  /// In the order they came.
  package var requests: [Request] { received.requests.withLock { $0 } }

  private static func serve(_ client: Int32, _ handler: Handler) {
    defer { close(client) }
    guard let request = read(client) else { return }
    let answer = handler(request)
    guard !answer.isSilence else {
      var byte: UInt8 = 0
      while recv(client, &byte, 1, 0) > 0 {}
      return
    }
    let text =
      "HTTP/1.1 \(answer.status) Answer\r\nContent-Length: \(answer.body.utf8.count)\r\nConnection: close\r\n\r\n"
      + answer.body
    var rest = Array(text.utf8)[...]
    while !rest.isEmpty {
      let sent = rest.withUnsafeBytes { send(client, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
      guard sent > 0 else { return }
      rest = rest.dropFirst(sent)
    }
  }

  private static func read(_ client: Int32) -> Request? {
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 4096)
    while true {
      if let request = parse(bytes) { return request }
      let count = recv(client, &buffer, buffer.count, 0)
      guard count > 0 else { return nil }
      bytes += buffer[..<count]
    }
  }

  /// `nil` until the request is complete.
  private static func parse(_ bytes: [UInt8]) -> Request? {
    let text = String(decoding: bytes, as: UTF8.self)
    guard let end = text.range(of: "\r\n\r\n") else { return nil }
    let lines = text[..<end.lowerBound].components(separatedBy: "\r\n")
    let words = lines[0].split(separator: " ").map(String.init)
    guard words.count == 3 else { return nil }
    var headers: [String: String] = [:]
    for line in lines.dropFirst() {
      let sides = line.split(separator: ":", maxSplits: 1)
      headers[sides[0].lowercased()] = sides.count == 2 ? sides[1].trimmingCharacters(in: .whitespaces) : ""
    }
    let body = text[end.upperBound...]
    guard body.utf8.count >= Int(headers["content-length"] ?? "0") ?? 0 else { return nil }
    return Request(method: words[0], path: words[1], headers: headers, body: String(body))
  }
}
