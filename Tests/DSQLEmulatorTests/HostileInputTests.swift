import CLibPQ
import Foundation
import PenstockTestKit
import Testing

@testable import DSQLEmulator

/// Bytes that no good client sends: errors, never a trap.
@Suite struct HostileInputTests {
  @Test("parsers answer to any bytes")
  func parsers() {
    var random = SeededGenerator(for: "hostile parser input")
    let alphabet = Array("{}[]\":,truefalsnu0123\\ '\"$;-/*()ABCreateindexASYNC\u{0}%&=?".utf8)
    for _ in 0..<5000 {
      let bytes = (0..<Int.random(in: 0..<80, using: &random)).map { _ in alphabet.randomElement(using: &random) ?? 0 }
      _ = JSON(bytes)
      _ = DSQLWords(bytes)
      _ = ErrorFields(body: bytes).response(withoutContext: true)
      _ = StartupMessage(bytes)
      _ = PresignedToken(String(decoding: bytes, as: UTF8.self))
      _ = BulkText.statement(bytes)
    }
  }

  @Test("deep nesting is an error")
  func nesting() {
    #expect(JSON(Array(String(repeating: "[", count: 100_000).utf8)) == nil)
    let deep = "SELECT \(String(repeating: "(", count: 50_000))1\(String(repeating: ")", count: 50_000))"
    #expect(StatementJudge.script(Array(deep.utf8)).syntaxError != nil)
  }

  @Test("a session that gets random messages ends or answers; others go on")
  func messages() throws {
    let server = try ServerUnderTest()
    var random = SeededGenerator(for: "hostile messages")
    for _ in 0..<60 {
      let peer = try RawClient(server)
      let types = Array("PBDEHSCQdcfXFpZz\u{0}".utf8)
      for _ in 0..<Int.random(in: 1...6, using: &random) {
        var body = (0..<Int.random(in: 0..<40, using: &random)).map { _ in UInt8.random(in: 0...255, using: &random) }
        if Bool.random(using: &random) { body += Array("SELECT 1\u{0}\u{0}\u{0}\u{0}\u{0}".utf8) }
        let claimed = UInt32(Bool.random(using: &random) ? body.count + 4 : Int.random(in: 0...60, using: &random))
        let length = withUnsafeBytes(of: claimed.bigEndian) { Array($0) }
        guard peer.send([types.randomElement(using: &random) ?? 0] + length + body) else { break }
      }
    }
    #expect(try server.connect().run("SELECT 1").rows == [["1"]])
  }

  @Test(
    "rows of a COPY that is not under way are passed over, also between other messages", arguments: Array("dcf".utf8))
  func straysOfCopy(type: UInt8) throws {
    let server = try ServerUnderTest()
    let peer = try RawClient(server)
    let parse = Frontend.parseMessage(name: "a", Array("SELECT 1".utf8))

    #expect(peer.send(parse + [type, 0, 0, 0, 5, 0] + Frontend.syncMessage))

    #expect(peer.receive(11) == [Reply.parseComplete, 0, 0, 0, 4] + Reply.readyForQueryMessage(UInt8(ascii: "I")))
  }

  @Test("bytes that are not even TLS are dropped")
  func notTLS() throws {
    let server = try ServerUnderTest()
    for bytes: [UInt8] in [
      [], [0], [0x16, 3, 1], Array("GET / HTTP/1.1\r\n\r\n".utf8), [0, 0, 0, 8, 4, 0xD2, 0x16, 0x2F],
    ] {
      let socket = plainSocket(port: server.emulator.port)
      _ = bytes.withUnsafeBytes { write(socket, $0.baseAddress, $0.count) }
      shutdown(socket, Int32(SHUT_WR))
      var answer: UInt8 = 0
      while read(socket, &answer, 1) > 0 {}
      close(socket)
    }
    #expect(try server.connect().run("SELECT 1").rows == [["1"]])
  }

  /// A signed-in session whose messages are made by hand, by way of libpq's socket and TLS.
  final class RawClient {
    private let raw: OpaquePointer?
    private let tls: OpaquePointer?

    init(_ server: ServerUnderTest) throws {
      let text = server.parameters().map { "\($0.key)='\($0.value)'" }.joined(separator: " ")
      raw = PQconnectdb(text)
      guard PQstatus(raw) == CONNECTION_OK else {
        throw Client.ConnectFailure(description: String(cString: PQerrorMessage(raw)))
      }
      tls = PQgetssl(raw).map { OpaquePointer($0) }
    }
    deinit { PQfinish(raw) }

    func send(_ bytes: [UInt8]) -> Bool { RawTLS.write(tls, bytes) }

    /// The next bytes, at most so many.
    func receive(_ count: Int) -> [UInt8] { RawTLS.read(tls, count) }
  }

  private func plainSocket(port: UInt16) -> Int32 {
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = port.bigEndian
    address.sin_addr.s_addr = inet_addr("127.0.0.1")
    _ = withUnsafePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
      }
    }
    return descriptor
  }
}
