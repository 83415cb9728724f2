import CTestKit
import Foundation

/// A system call that failed.
package struct SystemFailure: Error, CustomStringConvertible {
  package let call: String
  /// `errno` after the call.
  package let code: Int32

  package var description: String { "\(call): \(String(cString: strerror(code)))" }
}

/// Starts a program with default signals and no other descriptors than the three given.
///
/// - Parameters:
///   - executable: a path, or a name to look up in `PATH`.
///   - environment: added to this process's own; an empty value removes a variable.
///   - input: descriptors for the program's standard streams; -1 stands for `/dev/null`. The caller keeps and
///     closes its own.
///   - newSession: whether signals of the terminal shall not reach the program.
/// - Returns: the process id; the caller must wait for it.
func spawn(
  _ executable: String, _ arguments: [String], environment: [String: String] = [:], directory: String? = nil,
  input: Int32 = -1, output: Int32 = -1, errors: Int32 = -1, newSession: Bool = false
) throws -> pid_t {
  var variables = ProcessInfo.processInfo.environment
  variables.merge(environment) { $1 }
  let words = ([executable] + arguments).map { strdup($0) } + [nil]
  let settings = variables.filter { !$0.value.isEmpty }.map { strdup("\($0.key)=\($0.value)") } + [nil]
  defer { for pointer in words + settings { free(pointer) } }

  var pid: pid_t = 0
  let code = penstock_test_spawn(
    &pid, executable, words, settings, directory, [input, output, errors], newSession ? 1 : 0)
  guard code == 0 else { throw SystemFailure(call: "start \(executable)", code: code) }
  return pid
}

/// How a process ended.
package enum ExitStatus: Hashable, Sendable {
  case exited(Int32)
  case signalled(Int32)

  /// - Parameter status: what `waitpid` reported.
  init(_ status: Int32) {
    self = status & 0x7f == 0 ? .exited(status >> 8 & 0xff) : .signalled(status & 0x7f)
  }
}

/// A program that ended with anything but 0.
package struct CommandFailure: Error, CustomStringConvertible {
  package let command: String
  package let status: ExitStatus
  package let standardError: String

  package var description: String { "\(command) ended with \(status): \(standardError)" }
}

/// Runs a short program to its end and returns its standard output. Blocks the calling thread.
///
/// - Parameter input: text for its standard input.
/// - Throws: `CommandFailure` unless it exits with 0.
@discardableResult
package func runCommand(
  _ executable: String, _ arguments: [String], environment: [String: String] = [:], directory: String? = nil,
  input: String = ""
) throws -> String {
  let files = try (0..<3).map { _ in try anonymousFile() }
  defer { for file in files { close(file) } }
  var bytes = input.utf8[...]
  while !bytes.isEmpty {
    let written = Array(bytes.prefix(1 << 20)).withUnsafeBytes { write(files[0], $0.baseAddress, $0.count) }
    guard written > 0 else { throw SystemFailure(call: "write", code: errno) }
    bytes = bytes.dropFirst(written)
  }
  lseek(files[0], 0, SEEK_SET)

  let pid = try spawn(
    executable, arguments, environment: environment, directory: directory, input: files[0], output: files[1],
    errors: files[2])
  var status: Int32 = 0
  while waitpid(pid, &status, 0) < 0 {
    guard errno == EINTR else { throw SystemFailure(call: "waitpid \(executable)", code: errno) }
  }
  guard ExitStatus(status) == .exited(0) else {
    throw CommandFailure(
      command: ([executable] + arguments).joined(separator: " "), status: ExitStatus(status),
      standardError: contents(of: files[2]))
  }
  return contents(of: files[1])
}

/// A descriptor of an empty file that has no name.
private func anonymousFile() throws -> Int32 {
  let path = DeathWatch.shared.uniquePath("stream")
  let descriptor = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
  guard descriptor >= 0 else { throw SystemFailure(call: "open \(path)", code: errno) }
  unlink(path)
  return descriptor
}

/// The whole text of an open file, from its start; bytes that are not UTF-8 are replaced.
private func contents(of descriptor: Int32) -> String {
  lseek(descriptor, 0, SEEK_SET)
  let data = FileHandle(fileDescriptor: descriptor, closeOnDealloc: false).readDataToEndOfFile()
  return String(decoding: data, as: UTF8.self)
}
