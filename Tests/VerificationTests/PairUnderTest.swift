import Foundation
import PenstockTestKit
import Synchronization
import Testing

/// Two databases of a test's own, and the real program between them.
final class PairUnderTest: Sendable {
  let sourceCluster: TestCluster
  let targetCluster: TestCluster
  let sourceName: String
  let targetName: String
  let name: String
  private let file: String
  private let emulator: ChildProcess?

  private static let counter = Atomic<Int>(0)
  private static let certificates = Result { try temporaryDirectory("certificates") }
  private static let credentials = [
    "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "c2VjcmV0", "AWS_SESSION_TOKEN": "",
  ]

  /// - Parameters:
  ///   - schema: SQL that fills the source.
  ///   - sourceOptions: the rest of the source's `CREATE DATABASE`.
  ///   - pipeline: more lines of the section `pipeline`.
  ///   - sink: more lines of the section `sink`.
  init(
    _ schema: String, sourceOptions: String = "", isDSQL: Bool = false, pipeline: [String] = [], sink: [String] = [],
    root: [String] = []
  ) async throws {
    sourceCluster = try TestCluster.sources
    targetCluster = try TestCluster.shared
    name = "v\(Self.counter.add(1, ordering: .relaxed).newValue)"
    sourceName = try sourceCluster.createDatabase(options: sourceOptions)
    targetName = try targetCluster.createDatabase()
    file = try temporaryDirectory("pair") + "/pipeline.yaml"
    try sourceCluster.psql(schema, database: sourceName)
    var lines = ["pipeline:", "  name: \(name)"] + pipeline.map { "  " + $0 }
    lines += [
      "source:", "  type: postgres", "  hostname: 127.0.0.1", "  port: \(sourceCluster.port)",
      "  database-name: \(sourceName)", "  username: postgres", "  tables: [\"*.*\"]", "sink:",
    ]
    if isDSQL {
      let folder = try Self.certificates.get()
      let process = try BinaryUnderTest.dsqlEmulator.start(
        ["--backend", targetCluster.url(database: targetName), "--make-certificate", folder, "--connect-rate", "1000"],
        environment: Self.credentials)
      let ready = /listening on [^:]+:(\d+)/
      try await eventually("the emulator to listen: \(process.standardError)") {
        process.standardOutput.contains(ready)
      }
      let port = try #require(process.standardOutput.firstMatch(of: ready)).1
      emulator = process
      lines += [
        "  type: dsql", "  host: localhost", "  port: \(port)", "  username: admin", "  region: us-east-1",
        "  ssl-root-cert: \(folder)/ca.crt",
      ]
    } else {
      emulator = nil
      lines += [
        "  type: postgres", "  host: 127.0.0.1", "  port: \(targetCluster.port)", "  database: \(targetName)",
        "  username: postgres",
      ]
    }
    lines += sink.map { "  " + $0 }
    lines += ["  flush-interval: 100ms", "  retry: { initial-delay: 20ms, max-delay: 300ms, max-elapsed: 5m }"] + root
    try Data((lines.joined(separator: "\n") + "\n").utf8).write(to: URL(fileURLWithPath: file))
  }

  deinit {
    emulator?.kill()
    try? sourceCluster.dropDatabase(sourceName)
    try? targetCluster.dropDatabase(targetName)
  }

  @discardableResult
  func source(_ sql: String) throws -> String { try sourceCluster.psql(sql, database: sourceName) }

  @discardableResult
  func target(_ sql: String) throws -> String { try targetCluster.psql(sql, database: targetName) }

  /// Starts `penstock COMMAND FILE …`.
  func start(_ command: String, _ arguments: [String] = []) throws -> ChildProcess {
    try BinaryUnderTest.penstock.start([command, file] + arguments, environment: Self.credentials)
  }

  /// Runs a command to its end.
  func perform(
    _ command: String, _ arguments: [String] = [], timeout: Duration = .seconds(120)
  ) async throws -> CommandEnd {
    let process = try start(command, arguments)
    let status = try await process.wait(timeout: timeout)
    return CommandEnd(
      status: status, output: process.standardOutput, errors: process.standardError,
      peakBytes: process.peakResidentBytes)
  }

  /// Loads the source into the target and follows it to what is committed now.
  func load(sourceLocation: SourceLocation = #_sourceLocation) async throws {
    let end = try await perform("run", ["--exit-when-caught-up"])
    #expect(end.status == .exited(0), "\(end.errors)", sourceLocation: sourceLocation)
  }

  /// What `verify` prints and ends with; times and rates are cut off.
  func verify(
    _ arguments: [String] = [], sourceLocation: SourceLocation = #_sourceLocation
  ) async throws -> CommandEnd {
    var end = try await perform("verify", arguments)
    end.output = end.output.replacing(/, [0-9.]+ s, \d+ rows\/s\n/, with: "\n")
    return end
  }

  /// Waits until a started `run` follows the stream.
  func waitForStream(_ process: ChildProcess) async throws {
    try await eventually("streaming: \(process.standardError)") {
      try #require(process.isRunning, "\(process.standardError)")
      return process.standardError.contains("penstock: streaming")
    }
  }
}

/// How a command ended.
struct CommandEnd {
  var status: PenstockTestKit.ExitStatus
  var output: String
  var errors: String
  var peakBytes: Int
}
