import Foundation
import Synchronization

/// A real PostgreSQL server of its own, in a temporary folder, on a free port of 127.0.0.1 and a Unix socket.
///
/// It trusts everyone, has the superuser `postgres`, logs for logical decoding, and does not survive the test process.
package final class TestCluster: Sendable {
  /// The TCP port on 127.0.0.1, and the number in the Unix socket's name.
  package let port: Int
  /// The folder that holds everything of the cluster, the Unix socket included.
  package let directory: String
  private let owner: ServerOwner
  private let cleanup: DeathWatch.Cleanup
  private let databases = Atomic<Int>(0)

  private static let sharedResult = Result { try TestCluster.start() }
  private static let sourcesResult = Result { try TestCluster.start() }

  /// The cluster that all tests of this process share, each with databases of its own. Started at first use.
  ///
  /// A test that stops the server or changes its settings starts one for itself instead. So does one that makes a
  /// slot, or it uses `sources`: making a slot waits for every writing transaction in the whole cluster.
  package static var shared: TestCluster { get throws { try sharedResult.get() } }

  /// The cluster that the sources of all pipelines share. Only programs wait here for slots, never a test's thread:
  /// the test whose transaction is waited for may need that thread to end it.
  package static var sources: TestCluster { get throws { try sourcesResult.get() } }

  /// Makes and starts a cluster.
  ///
  /// - Parameters:
  ///   - settings: for `postgresql.conf`, over the defaults of this type.
  ///   - locale: for `initdb`; the encoding is always UTF-8.
  package static func start(
    settings: [String: String] = [:], locale: String = "C.UTF-8"
  ) throws -> TestCluster {
    let owner = try ServerOwner()
    let directory = try owner.makeDirectory()
    try owner.run(
      "initdb",
      [
        "-D", "data", "-A", "trust", "-U", "postgres", "-E", "UTF8", "--locale", locale, "--no-sync",
        "--no-instructions",
      ],
      in: directory)
    var lastError: (any Error)?
    // The free port may be taken by another process before the server opens it.
    for _ in 0..<3 {
      let cluster = try TestCluster(port: freePort(), directory: directory, owner: owner)
      do {
        try cluster.configure(settings)
        try cluster.launch()
        return cluster
      } catch {
        lastError = error
        cluster.cleanup.forget()
      }
    }
    throw lastError!
  }

  private init(port: Int, directory: String, owner: ServerOwner) throws {
    self.port = port
    self.directory = directory
    self.owner = owner
    cleanup = try DeathWatch.shared.register(
      """
      pid=$(head -n 1 '\(directory)/data/postmaster.pid' 2>/dev/null)
      if [ -n "$pid" ]; then
        kill -QUIT "$pid" 2>/dev/null
        # A killed server may stay a zombie for as long as process 1 likes.
        for i in $(seq 200); do grep -q '^State:.[^ZX]' "/proc/$pid/status" 2>/dev/null || break; sleep 0.02; done
      fi
      rm -rf '\(directory)'
      """)
  }

  deinit { try? cleanup.run() }

  /// The URL that libpq takes, as the superuser.
  package func url(database: String = "postgres") -> String {
    "postgresql://postgres@127.0.0.1:\(port)/\(database)"
  }

  /// Makes an empty database and returns its name.
  ///
  /// - Parameters:
  ///   - name: by default a new one.
  ///   - options: the rest of `CREATE DATABASE`, such as `TEMPLATE other`.
  package func createDatabase(_ name: String? = nil, options: String = "") throws -> String {
    let name = name ?? "test_\(databases.add(1, ordering: .relaxed).newValue)"
    try psql("CREATE DATABASE \"\(name)\" \(options)")
    return name
  }

  /// Drops a database with its replication slots, ending the sessions in it.
  package func dropDatabase(_ name: String) throws {
    try psql(
      """
      SELECT pg_terminate_backend(active_pid, 10000) FROM pg_replication_slots
        WHERE database = '\(name)' AND active_pid IS NOT NULL;
      SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE database = '\(name)';
      DROP DATABASE "\(name)" WITH (FORCE);
      """)
  }

  /// Runs SQL through psql, statement by statement, and returns what it prints: rows by line, columns by `|`.
  ///
  /// - Throws: `CommandFailure` with the server's message at the first error.
  @discardableResult
  package func psql(_ sql: String, database: String = "postgres") throws -> String {
    let output = try runCommand(
      owner.path("psql"), ["-XAtq", "-v", "ON_ERROR_STOP=1", "-d", url(database: database), "-f", "-"],
      environment: ["PGOPTIONS": "", "PGCLIENTENCODING": "UTF8"], input: sql)
    return output.hasSuffix("\n") ? String(output.dropLast()) : output
  }

  /// The path of another of PostgreSQL's programs, such as `pgbench`.
  package func program(_ name: String) -> String { owner.path(name) }

  /// The end of the server's log.
  package var log: String {
    let data = FileManager.default.contents(atPath: directory + "/log") ?? Data()
    return String(decoding: data.suffix(20_000), as: UTF8.self)
  }

  /// Stops the server.
  ///
  /// - Parameter immediate: as if it crashed, with recovery at the next start; else sessions are ended and a
  ///   checkpoint is made.
  package func stop(immediate: Bool = false) throws {
    try owner.run("pg_ctl", ["-D", "data", "-w", "-m", immediate ? "immediate" : "fast", "stop"], in: directory)
  }

  /// Stops the server if it runs, and starts it on the same port.
  package func restart() throws {
    if serverPID != nil { try stop() }
    try launch()
  }

  /// Kills the server and all its sessions with SIGKILL. `restart()` brings it back.
  package func kill9() throws {
    guard let server = serverPID else { return }
    let processes = [server] + childProcesses(of: server)
    for pid in processes { kill(pid, SIGKILL) }
    let limit = ContinuousClock.now + .seconds(10)
    while processes.contains(where: isAlive) {
      guard ContinuousClock.now < limit else { throw TimedOut(waited: .seconds(10), what: "a killed server to vanish") }
      usleep(2000)
    }
    // While a killed server is a zombie, its lock files look valid to the next one.
    unlink(directory + "/data/postmaster.pid")
    unlink(directory + "/.s.PGSQL.\(port).lock")
  }

  /// Stops the server and removes its files; also done when the value is released and when the process ends.
  package func remove() throws { try cleanup.run() }

  /// The postmaster's process id, `nil` when it does not run.
  package var serverPID: Int32? {
    guard let data = FileManager.default.contents(atPath: directory + "/data/postmaster.pid"),
      let line = String(decoding: data, as: UTF8.self).split(separator: "\n").first, let pid = Int32(line)
    else { return nil }
    return isAlive(pid) ? pid : nil
  }

  private func configure(_ settings: [String: String]) throws {
    let defaults = [
      "listen_addresses": "127.0.0.1", "port": "\(port)", "unix_socket_directories": directory,
      "wal_level": "logical", "max_connections": "200", "max_replication_slots": "40", "max_wal_senders": "40",
      "fsync": "off", "full_page_writes": "off", "shared_buffers": "64MB", "max_wal_size": "2GB",
      "timezone": "UTC", "log_timezone": "UTC", "lc_messages": "C", "log_line_prefix": "%m [%p] %q%a ",
    ]
    let lines = defaults.merging(settings) { $1 }.map { name, value in
      "\(name) = '\(value.replacingOccurrences(of: "'", with: "''"))'"
    }
    let file = directory + "/data/postgresql.auto.conf"
    try Data((lines.sorted().joined(separator: "\n") + "\n").utf8).write(to: URL(fileURLWithPath: file))
    chmod(file, 0o644)
  }

  private func launch() throws {
    try owner.run("pg_ctl", ["-D", "data", "-w", "-t", "60", "-s", "-l", "log", "start"], in: directory)
  }
}

/// Living child processes of a process.
private func childProcesses(of parent: Int32) -> [Int32] {
  let names = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
  return names.compactMap { Int32($0) }.filter { processState(of: $0)?.parent == parent }
}

/// Whether a process runs; a zombie does not.
package func isAlive(_ pid: Int32) -> Bool { processState(of: pid).map { $0.state != "Z" } ?? false }

private func processState(of pid: Int32) -> (state: Substring, parent: Int32)? {
  guard let data = FileManager.default.contents(atPath: "/proc/\(pid)/stat") else { return nil }
  let fields = String(decoding: data, as: UTF8.self).split(separator: ")").last?.split(separator: " ") ?? []
  return fields.count > 1 ? (fields[0], Int32(fields[1]) ?? 0) : nil
}
