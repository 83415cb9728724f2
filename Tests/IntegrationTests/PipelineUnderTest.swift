import Foundation
import PenstockTestKit
import Synchronization
import Testing

/// What a pipeline writes to.
enum SinkUnderTest: String, CaseIterable, CustomTestStringConvertible, Sendable {
  case postgres, dsql

  var testDescription: String { rawValue }
}

/// A database of a test's own.
struct TestDatabase: Sendable {
  let cluster: TestCluster
  let name: String

  init(_ cluster: TestCluster) throws {
    self.cluster = cluster
    name = try cluster.createDatabase()
  }

  @discardableResult
  func run(_ sql: String) throws -> String { try cluster.psql(sql, database: name) }

  /// A number that a query answers with.
  func number(_ sql: String) throws -> Int { Int(try run(sql)) ?? -1 }
}

/// Lines added to the sections of a pipeline's configuration, each with its indentation inside the section.
struct ExtraSettings: Sendable {
  var pipeline: [String] = []
  var source: [String] = []
  var sink: [String] = []
  var root: [String] = []
  var tables = "[\"*.*\"]"
  /// The section `source` of a registered source.
  var ownSource: [String]?
  /// The section `sink` of a registered sink.
  var ownSink: [String]?
  /// How a cluster is signed in to.
  var login = ["region: us-east-1"]
  /// In place of the usual user of a PostgreSQL target.
  var sinkUser = "postgres"
  /// In place of `penstock`.
  var program = BinaryUnderTest.penstock
  /// In place of the usual user of the source.
  var sourceUser = "postgres"
}

/// One pipeline between two databases of its own, run by the real program.
///
/// For `dsql` the program `dsql-emulator` stands before the target. What a test reads back it reads past the emulator.
final class PipelineUnderTest: Sendable {
  let sink: SinkUnderTest
  let source: TestDatabase
  let target: TestDatabase
  let settings: ExtraSettings
  let name: String
  private let file: String
  private let environment: [String: String]
  private let emulator: ChildProcess?
  private let sinkPort: Int
  private let authority: String

  private static let counter = Atomic<Int>(0)
  private static let certificates = Result { try temporaryDirectory("certificates") }

  /// - Parameters:
  ///   - schema: SQL that fills the source.
  ///   - emulatorOptions: faults and limits.
  ///   - environment: for each of the pipeline's commands.
  init(
    _ sink: SinkUnderTest = .postgres, source: TestCluster? = nil, target: TestCluster? = nil, schema: String,
    settings: ExtraSettings = ExtraSettings(), emulatorOptions: [String] = [],
    environment: [String: String] = [:]
  ) async throws {
    self.sink = sink
    self.settings = settings
    self.environment = Self.credentials.merging(environment) { $1 }
    name = "p\(Self.counter.add(1, ordering: .relaxed).newValue)"
    self.source = try TestDatabase(source ?? TestCluster.sources)
    self.target = try TestDatabase(target ?? TestCluster.shared)
    file = try temporaryDirectory("pipeline") + "/pipeline.yaml"
    try self.source.run(schema)
    guard sink == .dsql else {
      (emulator, sinkPort, authority) = (nil, self.target.cluster.port, "")
      try write()
      return
    }
    let folder = try Self.certificates.get()
    let process = try BinaryUnderTest.dsqlEmulator.start(
      [
        "--backend", self.target.cluster.url(database: self.target.name), "--make-certificate", folder,
        "--verify-signatures", "--connect-rate", "1000",
      ] + emulatorOptions, environment: Self.credentials)
    let ready = /listening on [^:]+:(\d+)/
    try await eventually("the emulator to listen") {
      guard process.isRunning else { throw CommandEnded(process) }
      return process.standardOutput.contains(ready)
    }
    (emulator, authority) = (process, folder + "/ca.crt")
    sinkPort = process.standardOutput.firstMatch(of: ready).flatMap { Int($0.1) } ?? 0
    try write()
  }

  deinit {
    emulator?.kill()
    try? source.cluster.dropDatabase(source.name)
    try? target.cluster.dropDatabase(target.name)
  }

  private static let credentials = [
    "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "c2VjcmV0", "AWS_SESSION_TOKEN": "",
  ]

  var slot: String { "penstock_\(name)" }

  /// The configuration file; the sink's lines depend on its kind.
  private func write() throws {
    var lines = ["pipeline:", "  name: \(name)"] + settings.pipeline.map { "  " + $0 }
    lines +=
      settings.ownSource.map { ["source:"] + $0.map { "  " + $0 } } ?? [
        "source:", "  type: postgres", "  hostname: 127.0.0.1", "  port: \(source.cluster.port)",
        "  database-name: \(source.name)", "  username: \(settings.sourceUser)", "  tables: \(settings.tables)",
      ]
    lines += settings.source.map { "  " + $0 }
    if let own = settings.ownSink {
      lines += ["sink:"] + own.map { "  " + $0 }
    } else {
      lines += sinkLines()
    }
    lines += settings.sink.map { "  " + $0 }
    if !settings.sink.contains(where: { $0.hasPrefix("retry") }) {
      lines += ["  retry: { initial-delay: 20ms, max-delay: 300ms, max-elapsed: 5m }"]
    }
    lines += settings.root
    try Data((lines.joined(separator: "\n") + "\n").utf8).write(to: URL(fileURLWithPath: file))
  }

  private func sinkLines() -> [String] {
    let lines = ["sink:", "  type: \(sink.rawValue)", "  port: \(sinkPort)"]
    switch sink {
    case .postgres:
      return lines + ["  host: 127.0.0.1", "  database: \(target.name)", "  username: \(settings.sinkUser)"]
    case .dsql:
      return lines + ["  host: localhost", "  username: admin", "  ssl-root-cert: \(authority)"]
        + settings.login.map { "  " + $0 }
    }
  }

  /// Starts `penstock run`, or another command, on the pipeline.
  ///
  /// - Parameter changing: text in the configuration file to put other text in place of, for this and later runs.
  func start(
    _ arguments: [String] = [], command: String = "run", environment: [String: String] = [:],
    changing: [String: String] = [:]
  ) throws -> ChildProcess {
    if !changing.isEmpty {
      var text = try String(contentsOfFile: file, encoding: .utf8)
      for (old, new) in changing {
        precondition(text.contains(old), "the configuration has no \(old)")
        text = text.replacingOccurrences(of: old, with: new)
      }
      try Data(text.utf8).write(to: URL(fileURLWithPath: file))
    }
    return try settings.program.start(
      [command, file] + arguments, environment: self.environment.merging(environment) { $1 })
  }

  /// A client of the emulator, as the user `admin`.
  func psql(_ sql: String, password: String) throws -> ChildProcess {
    let place =
      "host=localhost port=\(sinkPort) user=admin dbname=postgres sslmode=verify-full sslrootcert=\(authority)"
    return try ChildProcess("psql", ["-XAtc", sql, place], environment: ["PGPASSWORD": password])
  }

  /// Runs another command on the pipeline to its end: words, with `FILE` for the configuration.
  func command(_ words: String, timeout: Duration = .seconds(60)) async throws -> ChildProcess {
    let arguments = words.split(separator: " ").map { $0 == "FILE" ? file : String($0) }
    let process = try settings.program.start(arguments, environment: environment)
    _ = try await process.wait(timeout: timeout)
    return process
  }

  /// What the emulator has said.
  var emulatorLog: String { emulator?.standardError ?? "" }

  /// Waits until everything that is committed at the source now is confirmed, then ends the process in order.
  func drain(_ process: ChildProcess, timeout: Duration = .seconds(300)) async throws {
    let end = try source.run("SELECT pg_current_wal_insert_lsn()")
    let confirmed =
      "SELECT count(*) FROM pg_replication_slots WHERE slot_name = '\(slot)' AND confirmed_flush_lsn >= '\(end)'"
    try await eventually(timeout: timeout, every: .milliseconds(100), "all changes to be confirmed") {
      guard process.isRunning else { throw CommandEnded(process) }
      return try source.number(confirmed) == 1
    }
    process.signal(SIGTERM)
    #expect(try await process.wait(timeout: .seconds(60)) == .exited(0), "\(process.standardError)")
  }

  /// Runs until everything that is committed at the source now is in the target.
  @discardableResult
  func runToEnd(
    timeout: Duration = .seconds(240), changing: [String: String] = [:],
    sourceLocation: SourceLocation = #_sourceLocation
  ) async throws -> ChildProcess {
    let process = try start(["--exit-when-caught-up"], changing: changing)
    let status = try await process.wait(timeout: timeout)
    #expect(status == .exited(0), "\(process.standardError)", sourceLocation: sourceLocation)
    return process
  }

  /// Waits until the process has said something on standard error.
  func wait(for text: String, from process: ChildProcess, timeout: Duration = .seconds(120)) async throws {
    do {
      try await eventually(timeout: timeout, "\"\(text)\"") {
        if process.standardError.contains(text) { return true }
        guard process.isRunning else { throw CommandEnded(process) }
        return false
      }
    } catch let error as TimedOut {
      throw CommandEnded(process, error)
    }
  }

  // MARK: Comparing

  /// Names of the source's tables, as SQL: partitions are part of their roots.
  func tables() throws -> [String] {
    try source.run(
      """
      SELECT c.oid::regclass FROM pg_class c WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition
      AND c.relnamespace::regnamespace::text NOT IN ('pg_catalog', 'information_schema') ORDER BY 1
      """
    ).split(separator: "\n").map(String.init)
  }

  /// A line for each table: its name, rows and the sum of their hashes.
  private func digest(_ tables: [String], in database: TestDatabase) throws -> String {
    try database.run(
      "SET datestyle = 'ISO'; SET timezone = 'UTC'; SET intervalstyle = 'postgres';"
        + tables.map {
          "SELECT '\($0.replacingOccurrences(of: "'", with: "''"))', count(*), sum(hashtextextended(t::text, 0)) "
            + "FROM \($0) t;\n"
        }.joined())
  }

  /// Both sides must hold the same rows.
  func expectEqual(_ tables: [String]? = nil, sourceLocation: SourceLocation = #_sourceLocation) throws {
    let tables = try tables ?? self.tables()
    let (expected, found) = try (digest(tables, in: source), digest(tables, in: target))
    #expect(found == expected, sourceLocation: sourceLocation)
  }

  var isEqual: Bool {
    get throws {
      let tables = try tables()
      return try digest(tables, in: source) == digest(tables, in: target)
    }
  }

  /// Waits until the running pipeline has brought both sides together.
  ///
  /// - Parameter process: which pipeline that is, for the message.
  func becomesEqual(by process: ChildProcess, timeout: Duration = .seconds(120)) async throws {
    do {
      try await eventually(timeout: timeout, every: .milliseconds(100), "both sides to be equal") { try isEqual }
    } catch {
      try expectEqual()
      throw CommandEnded(process, error)
    }
  }
}

/// A program that ended when it should go on.
struct CommandEnded: Error, CustomStringConvertible {
  let description: String

  init(_ process: ChildProcess, _ cause: (any Error)? = nil) {
    let status = process.status.map { "it ended with \($0)" } ?? "it runs"
    let why = cause.map { "\($0); " } ?? ""
    description = "\(why)\(status): \(process.standardError.suffix(4000))"
  }
}

/// Lets a few tests at a time run: each has several processes of its own.
struct Queued: TestTrait, SuiteTrait, TestScoping {
  private static let gate = Gate(permits: 3)

  var isRecursive: Bool { true }

  @concurrent func provideScope(
    for test: Test, testCase: Test.Case?, performing function: @concurrent @Sendable () async throws -> Void
  ) async throws {
    guard testCase != nil else { return try await function() }
    await Self.gate.enter()
    do {
      try await function()
      await Self.gate.leave()
    } catch {
      await Self.gate.leave()
      throw error
    }
  }

  private actor Gate {
    private var permits: Int
    private var waiters: [CheckedContinuation<Void, Never>] = []

    init(permits: Int) { self.permits = permits }

    func enter() async {
      if permits > 0 {
        permits -= 1
        return
      }
      await withCheckedContinuation { waiters.append($0) }
    }

    func leave() {
      if waiters.isEmpty { permits += 1 } else { waiters.removeFirst().resume() }
    }
  }
}

extension Trait where Self == Queued {
  /// A few at a time.
  static var queued: Queued { Queued() }
}
