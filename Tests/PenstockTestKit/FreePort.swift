import Foundation

/// A TCP port of 127.0.0.1 on which nobody listens now.
///
/// Another process may take it before the caller does; who can let the kernel choose (port 0) should.
package func freePort() throws -> Int {
  let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
  guard descriptor >= 0 else { throw SystemFailure(call: "socket", code: errno) }
  defer { close(descriptor) }
  var address = sockaddr_in()
  address.sin_family = sa_family_t(AF_INET)
  address.sin_addr.s_addr = inet_addr("127.0.0.1")
  var length = socklen_t(MemoryLayout<sockaddr_in>.size)
  let code = withUnsafeMutablePointer(to: &address) {
    $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
      bind(descriptor, $0, length) == 0 ? getsockname(descriptor, $0, &length) : -1
    }
  }
  guard code == 0 else { throw SystemFailure(call: "bind", code: errno) }
  return Int(UInt16(bigEndian: address.sin_port))
}
