import ChangeModel
import Foundation
import PenstockExtensions
import PenstockTestKit
@testable import Postgres
import Runtime
import Synchronization
import Testing

/// A server that asks for a password and refuses all but one, with the error a test wants.
final class RefusingServer: Sendable {
  struct Refusal: Sendable {
    var state: String
    var message: String
    var hint = ""
  }

  let port: Int
  private let listener: Int32
  private let seen = Seen()

  private final class Seen: Sendable { let passwords = Mutex<[String]>([]) }

  var passwords: [String] { seen.passwords.withLock { $0 } }

  init(accepting accepted: String = "right", _ refusal: Refusal) throws {
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = inet_addr("127.0.0.1")
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let code = withUnsafeMutablePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        bind(descriptor, $0, length) == 0 && listen(descriptor, 8) == 0 ? getsockname(descriptor, $0, &length) : -1
      }
    }
    try #require(code == 0, "no port to listen on: errno \(errno)")
    listener = descriptor
    port = Int(UInt16(bigEndian: address.sin_port))
    Thread.detachNewThread { [seen] in
      while true {
        let client = accept(descriptor, nil, nil)
        guard client >= 0 else { break }
        Self.serve(client, accepted, refusal) { password in seen.passwords.withLock { $0.append(password) } }
        close(client)
      }
      close(descriptor)
    }
  }

  deinit { shutdown(listener, Int32(SHUT_RDWR)) }

  private static func serve(_ client: Int32, _ accepted: String, _ refusal: Refusal, _ note: (String) -> Void) {
    var bytes = [UInt8](repeating: 0, count: 4096)
    guard recv(client, &bytes, bytes.count, 0) > 0 else { return }
    write(client, message("R", [0, 0, 0, 3]))
    let count = recv(client, &bytes, bytes.count, 0)
    guard count > 6 else { return }
    let password = String(decoding: bytes[5..<(count - 1)], as: UTF8.self)
    note(password)
    if password == accepted {
      write(client, message("R", [0, 0, 0, 0]) + message("Z", [UInt8(ascii: "I")]))
      _ = recv(client, &bytes, bytes.count, 0)
      return
    }
    let fields = [("S", "FATAL"), ("V", "FATAL"), ("C", refusal.state), ("M", refusal.message), ("H", refusal.hint)]
    let body = fields.filter { !$0.1.isEmpty }.map { $0.0 + $0.1 + "\0" }.joined() + "\0"
    write(client, message("E", Array(body.utf8)))
  }

  private static func message(_ type: Character, _ body: [UInt8]) -> [UInt8] {
    let length = UInt32(body.count + 4)
    return [type.asciiValue!] + withUnsafeBytes(of: length.bigEndian, Array.init) + body
  }

  private static func write(_ client: Int32, _ bytes: [UInt8]) {
    _ = bytes.withUnsafeBytes { send(client, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
  }

  /// Settings that lead here.
  func settings(
    renewing: (@Sendable (_ refused: String, _ refusal: Failure) throws(Failure) -> String?)? = nil,
    policy: (any ErrorPolicy)? = nil
  ) -> ConnectionSettings {
    var settings = ConnectionSettings(
      role: .sink,
      parameters: [
        ("host", "127.0.0.1"), ("port", "\(port)"), ("user", "admin"), ("dbname", "postgres"), ("sslmode", "disable"),
        ("gssencmode", "disable"),
      ], password: { () throws(Failure) in "wrong" })
    settings.renewedPassword = renewing
    settings.errorPolicy = policy
    return settings
  }
}

@Suite("Connects that the server refuses") struct RefusedConnectTests {
  static let denied = "unable to accept connection, access denied"

  @Test(
    "each refusal of DSQL is told apart: what may pass is tried again, what will not, or is unknown, is explained",
    arguments: [
      ("08006", denied, "User: arn:aws:iam::1:user/x is not authorized to access this resource", false, "IAM policy"),
      ("08006", denied, "Wrong user to action mapping. user: admin, action: DbConnect", false, "check the user"),
      ("08006", denied, "Signature expired: 20260915T120000Z is now earlier", false, "clock"),
      (
        "08006", denied, "The security token included in the request is expired", false,
        "the role's session has ended"
      ),
      ("08006", denied, "", false, "penstock check says whose they are"),
      ("28000", "IAM authentication failed for user \"app\"", "", false, "AWS IAM GRANT user TO 'arn'"),
      ("53300", "Unable to accept connection, too many open connections.", "", true, "quota of connections"),
      ("53400", "Unable to accept connection, rate exceeded.", "", true, "100 new connections per second"),
      ("57P03", "unable to accept connection, waking up cluster, please retry later", "", true, "a moment"),
      ("08006", "unable to accept connection, sni was not received", "", false, "the cluster's own host name"),
      (
        "0A000", "setting configuration parameter \"statement_timeout\" not supported", "", false,
        "Remove the connection option"
      ),
      ("53100", "Current cluster size exceeds cluster size limit.", "", false, "storage quota"),
      ("XX000", "something nobody has seen", "", false, "its log"),
    ])
  func decisions(state: String, message: String, hint: String, isTransient: Bool, advice: String) throws {
    let server = try RefusingServer(.init(state: state, message: message, hint: hint))

    let failure = #expect(throws: Failure.self) { try Connection(server.settings()) }
    #expect(failure?.message.contains(message) == true)
    #expect(failure?.message.contains(hint) == true || hint.isEmpty)
    #expect(failure?.isTransient == isTransient)
    #expect(failure?.hint.contains(advice) == true || advice.isEmpty)
    #expect(failure?.state == nil || failure?.state == SQLState(state))
    #expect(failure?.connectionLost == true)
    #expect(failure?.kind == .sink)
  }

  @Test("a refused password may be replaced, and the connect goes on with the other") func renewed() throws {
    let server = try RefusingServer(.init(state: "08006", message: Self.denied, hint: "Signature expired"))
    let connection = try Connection(
      server.settings { (refused, refusal) throws(Failure) in
        refused == "wrong" && refusal.message.contains("Signature expired") ? "right" : nil
      })

    #expect(connection.isAlive)
    #expect(server.passwords == ["wrong", "right"])
  }

  @Test("one other password is tried, no more") func once() throws {
    let server = try RefusingServer(.init(state: "08006", message: Self.denied))
    let failure = #expect(throws: Failure.self) {
      try Connection(server.settings { (refused, _) throws(Failure) in refused + "er" })
    }

    #expect(failure?.message.contains(Self.denied) == true)
    #expect(server.passwords == ["wrong", "wronger"])
  }

  @Test("who makes passwords may say better what is wrong") func explained() throws {
    let server = try RefusingServer(.init(state: "08006", message: Self.denied))
    let failure = #expect(throws: Failure.self) {
      try Connection(server.settings { (_, _) throws(Failure) in throw Failure(.sink, "the clock is wrong") })
    }

    #expect(failure?.message == "the clock is wrong")
    #expect(server.passwords == ["wrong"])
  }

  @Test(
    "the system's certificates are named as each libpq knows them",
    arguments: [
      (160_004, "verify-full", "system"), (160_004, "verify-ca", "/etc/passwd"),
      (150_008, "verify-full", "/etc/passwd"),
    ])
  func certificates(version: Int, mode: String, expected: String) throws {
    let settings = ConnectionSettings(role: .sink, parameters: [("sslmode", mode), ("sslrootcert", "system")])
    let resolved = try SystemCertificates.resolve(
      settings, libraryVersion: version, bundles: ["/nowhere/bundle.crt", "/etc/passwd"])

    #expect(resolved.filter { $0.keyword == "sslrootcert" }.map(\.value) == [expected])
    let failure = #expect(throws: Failure.self) {
      try SystemCertificates.resolve(settings.adding([("sslmode", "verify-ca")]), bundles: ["/nowhere/bundle.crt"])
    }
    #expect(failure?.hint.contains("ca-certificates") == true)
  }
}
