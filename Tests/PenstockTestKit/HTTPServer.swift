import Foundation
import Synchronization

/// A small HTTP server on 127.0.0.1 that answers as a test says, and remembers what it was asked. It keeps connections.
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
    package var headers: [String: String]
    package var body: String
    /// The answer never comes; the connection stays open until the client leaves.
    package var isSilence = false
    /// The connection ends in place of an answer.
    package var isCut = false

    package init(_ status: Int = 200, _ body: String = "", headers: [String: String] = [:]) {
      self.status = status
      self.headers = headers
      self.body = body
    }

    package static var silence: Answer {
      var answer = Answer()
      answer.isSilence = true
      return answer
    }

    package static var cut: Answer {
      var answer = Answer()
      answer.isCut = true
      return answer
    }
  }

  /// Called on the connection's thread, which may block.
  package typealias Handler = @Sendable (Request) -> Answer

  package let port: Int
  private let listener: Int32
  private let received = Received()

  private final class Received: Sendable {
    let requests = Mutex<[Request]>([])
    let connections = Atomic(0)
  }

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
        received.connections.add(1, ordering: .relaxed)
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

  /// How many were opened so far.
  package var connections: Int { received.connections.load(ordering: .relaxed) }

  /// One request after the other, until the client leaves.
  private static func serve(_ client: Int32, _ handler: Handler) {
    defer { close(client) }
    var bytes: [UInt8] = []
    while let request = read(client, &bytes) {
      let answer = handler(request)
      if answer.isCut { return }
      if answer.isSilence {
        var byte: UInt8 = 0
        while recv(client, &byte, 1, 0) > 0 {}
        return
      }
      var head = "HTTP/1.1 \(answer.status) Answer\r\nContent-Length: \(answer.body.utf8.count)\r\n"
      for (name, value) in answer.headers.sorted(by: { $0.key < $1.key }) { head += "\(name): \(value)\r\n" }
      guard send(Array((head + "\r\n" + answer.body).utf8), to: client) else { return }
    }
  }

  private static func send(_ bytes: [UInt8], to client: Int32) -> Bool {
    var sent = 0
    while sent < bytes.count {
      let count = bytes.withUnsafeBytes { bytes in
        Glibc.send(client, bytes.baseAddress! + sent, bytes.count - sent, Int32(MSG_NOSIGNAL))
      }
      guard count > 0 else { return false }
      sent += count
    }
    return true
  }

  /// - Parameter bytes: received and not used yet.
  private static func read(_ client: Int32, _ bytes: inout [UInt8]) -> Request? {
    var buffer = [UInt8](repeating: 0, count: 16384)
    while true {
      if let (request, length) = parse(bytes) {
        bytes.removeFirst(length)
        return request
      }
      let count = recv(client, &buffer, buffer.count, 0)
      guard count > 0 else { return nil }
      bytes += buffer[..<count]
    }
  }

  /// The request and its length; `nil` until it is complete.
  private static func parse(_ bytes: [UInt8]) -> (Request, length: Int)? {
    guard let end = Data(bytes).range(of: Data("\r\n\r\n".utf8)) else { return nil }
    let lines = String(decoding: bytes[..<end.lowerBound], as: UTF8.self).components(separatedBy: "\r\n")
    let words = lines[0].split(separator: " ").map(String.init)
    guard words.count == 3 else { return nil }
    var headers: [String: String] = [:]
    for line in lines.dropFirst() {
      let sides = line.split(separator: ":", maxSplits: 1)
      headers[sides[0].lowercased()] = sides.count == 2 ? sides[1].trimmingCharacters(in: .whitespaces) : ""
    }
    let length = end.upperBound + (Int(headers["content-length"] ?? "0") ?? 0)
    guard bytes.count >= length else { return nil }
    let body = String(decoding: bytes[end.upperBound..<length], as: UTF8.self)
    return (Request(method: words[0], path: words[1], headers: headers, body: body), length)
  }
}
