import Foundation
import PenstockTestKit

/// A server that takes connections and never says a word, as a host behind a broken network does.
final class SilentServer: @unchecked Sendable {
  // Sendable: one test uses it.
  private let descriptor: Int32
  private var open: [Int32]
  let port: Int

  /// - Parameter port: 0 takes a free one.
  init(port: Int = 0) throws {
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_NONBLOCK.rawValue), 0)
    var yes: Int32 = 1
    setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &yes, socklen_t(MemoryLayout<Int32>.size))
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = in_port_t(UInt16(port)).bigEndian
    address.sin_addr.s_addr = inet_addr("127.0.0.1")
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let bound = withUnsafeMutablePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        bind(descriptor, $0, length) == 0 && listen(descriptor, 64) == 0 && getsockname(descriptor, $0, &length) == 0
      }
    }
    self.descriptor = descriptor
    open = [descriptor]
    self.port = Int(UInt16(bigEndian: address.sin_port))
    guard bound else { throw NotListening(code: errno) }
  }

  deinit { hangUp() }

  /// Whether somebody has connected who was not there before.
  var hasNewClient: Bool {
    let client = accept(descriptor, nil, nil)
    if client >= 0 { open.append(client) }
    return client >= 0
  }

  /// Frees the port.
  func hangUp() {
    for descriptor in open { close(descriptor) }
    open = []
  }
}

struct NotListening: Error { let code: Int32 }
