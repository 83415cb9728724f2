import Foundation

/// Where PostgreSQL's programs lie, and which user runs them: the server refuses to run as root.
struct ServerOwner: Sendable {
  private let binaries: String
  /// The account to change to; `nil` when the current one will do.
  private let account: (name: String, uid: uid_t, gid: gid_t)?

  /// - Throws: `MissingPostgreSQL` when no server is installed.
  init() throws {
    binaries = try newestBinaries()
    guard geteuid() == 0 else {
      account = nil
      return
    }
    guard let entry = getpwnam("postgres") else {
      throw MissingPostgreSQL(reason: "the account \"postgres\" does not exist")
    }
    account = ("postgres", entry.pointee.pw_uid, entry.pointee.pw_gid)
  }

  func path(_ program: String) -> String { "\(binaries)/\(program)" }

  /// A new folder that belongs to the server's account.
  func makeDirectory() throws -> String {
    let path = try temporaryDirectory("cluster")
    if let account {
      guard chown(path, account.uid, account.gid) == 0 else { throw SystemFailure(call: "chown \(path)", code: errno) }
    }
    return path
  }

  /// Runs one of PostgreSQL's programs as the server's account.
  func run(_ program: String, _ arguments: [String], in directory: String) throws {
    let command = [path(program)] + arguments
    let words = account.map { ["runuser", "-u", $0.name, "--"] + command } ?? command
    do {
      try runCommand(words[0], Array(words.dropFirst()), environment: ["LC_ALL": "C.UTF-8"], directory: directory)
    } catch let failure as CommandFailure {
      let log = FileManager.default.contents(atPath: directory + "/log") ?? Data()
      throw CommandFailure(
        command: failure.command, status: failure.status,
        standardError: failure.standardError + String(decoding: log.suffix(2000), as: UTF8.self))
    }
  }
}

/// No PostgreSQL server can be started here.
package struct MissingPostgreSQL: Error, CustomStringConvertible {
  package let reason: String
  package var description: String { "\(reason); run scripts/install-dependencies" }
}

/// The folder of the newest server's programs: Debian's, else the first in `PATH`.
private func newestBinaries() throws -> String {
  let debian = "/usr/lib/postgresql"
  let versions = ((try? FileManager.default.contentsOfDirectory(atPath: debian)) ?? []).compactMap { Int($0) }
  let folders = versions.sorted(by: >).map { "\(debian)/\($0)/bin" }
  let searched = (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":").map(String.init)
  guard let found = (folders + searched).first(where: { access($0 + "/initdb", X_OK) == 0 }) else {
    throw MissingPostgreSQL(reason: "no PostgreSQL server under \(debian) or in PATH")
  }
  return found
}
