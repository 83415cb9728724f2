import AWS
import DSQLEmulator
import Foundation
import PenstockTestKit
import Synchronization

/// A running emulator before a database of its own on the shared cluster.
final class ServerUnderTest: Sendable {
  let emulator: Emulator
  let cluster: TestCluster
  let database: String

  static let host = "abcdefghijklmnopqrstuvwxyz.dsql.us-east-1.on.aws"
  static let credentials = AWSCredentials(accessKeyID: "AKIDEXAMPLE", secretAccessKey: "c2VjcmV0")
  private static let certificates = Result { try temporaryDirectory("certificates") }

  init(_ adjust: (inout EmulatorOptions) -> Void = { _ in }) throws {
    cluster = try TestCluster.shared
    database = try cluster.createDatabase()
    var options = EmulatorOptions()
    options.backend = cluster.url(database: database)
    options.certificateFolder = try Self.certificates.get()
    options.logsVerbosely = true
    adjust(&options)
    emulator = try Emulator(options, credentials: options.verifiesSignatures ? Self.credentials : nil)
  }

  deinit { emulator.stop() }

  /// Connection parameters of a well-behaved client.
  func parameters(user: String = "admin", host: String = ServerUnderTest.host) -> [String: String] {
    [
      "host": host, "hostaddr": "127.0.0.1", "port": "\(emulator.port)", "user": user, "dbname": "postgres",
      "sslmode": "verify-full", "sslrootcert": emulator.authorityFile ?? "", "gssencmode": "disable",
      "password": Self.token(user: user, host: host),
    ]
  }

  static func token(
    user: String = "admin", host: String = ServerUnderTest.host, region: String = "us-east-1",
    credentials: AWSCredentials = ServerUnderTest.credentials, date: UnixTime = .now, expires: Int64 = 900
  ) -> String {
    DSQLToken.sign(
      credentials: credentials, host: host, region: region, action: DSQLToken.Action(user: user), date: date,
      expiresAfterSeconds: expires)
  }

  func connect(_ changes: [String: String] = [:]) throws -> Client {
    try Client(parameters().merging(changes) { $1 })
  }

  /// Runs SQL on the backend itself, past every rule.
  @discardableResult
  func behind(_ sql: String) throws -> String { try cluster.psql(sql, database: database) }
}
