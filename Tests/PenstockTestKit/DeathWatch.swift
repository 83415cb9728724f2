import Foundation
import Synchronization

/// Cleans up after this test process, however it ends: `exit`, a trap, or `kill -9`.
///
/// A shell in its own session waits for the end of a pipe that only this process holds open. Then it runs every
/// cleanup script that is still registered and removes the folder under which all temporary files of the process lie.
final class DeathWatch: Sendable {
  static let shared = DeathWatch()

  /// Parent of every temporary file of this process. Other users may pass through it, not list it.
  let root: String

  private let counter = Atomic<Int>(0)

  private init() {
    var template = Array("/tmp/penstock-test-XXXXXX".utf8CString)
    guard mkdtemp(&template) != nil else { fatalError("cannot make a folder in /tmp: errno \(errno)") }
    root = String(decoding: template.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)
    chmod(root, 0o711)
    mkdir(root + "/cleanup", 0o700)

    var ends: [Int32] = [-1, -1]
    guard pipe(&ends) == 0 else { fatalError("cannot make a pipe: errno \(errno)") }
    for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
    let script = """
      cat >/dev/null
      for script in "$0"/cleanup/*; do [ -f "$script" ] && sh "$script"; done
      rm -rf "$0"
      """
    do {
      // The write end stays open in `ends[1]` for as long as this process lives.
      _ = try spawn("/bin/sh", ["-c", script, root], input: ends[0], newSession: true)
    } catch {
      fatalError("\(error)")
    }
    close(ends[0])
  }

  /// A path under `root` that no one else gets.
  func uniquePath(_ prefix: String) -> String {
    "\(root)/\(prefix)-\(counter.add(1, ordering: .relaxed).newValue)"
  }

  /// Registers a shell script to be run when this process has ended.
  func register(_ script: String) throws -> Cleanup {
    let name = "\(root)/cleanup/\(counter.add(1, ordering: .relaxed).newValue).sh"
    try Data(script.utf8).write(to: URL(fileURLWithPath: name))
    return Cleanup(path: name)
  }

  /// A registered script.
  struct Cleanup: Sendable {
    fileprivate let path: String

    /// Runs the script now, and not again at the end of the process.
    func run() throws {
      guard access(path, F_OK) == 0 else { return }
      defer { forget() }
      try runCommand("/bin/sh", [path])
    }

    /// The script will not be run.
    func forget() { unlink(path) }
  }
}

/// A new empty folder, removed when the test process ends.
///
/// - Parameter prefix: the start of the folder's name, so that a person can tell what it is.
package func temporaryDirectory(_ prefix: String = "files") throws -> String {
  let path = DeathWatch.shared.uniquePath(prefix)
  guard mkdir(path, 0o755) == 0 else { throw SystemFailure(call: "mkdir \(path)", code: errno) }
  return path
}
