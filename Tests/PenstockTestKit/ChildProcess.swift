import CTestKit
import Foundation
import Synchronization

/// A program that a test runs, watches and kills. It does not outlive the test process.
package final class ChildProcess: Sendable {
  package let pid: Int32
  private let outputPath: String
  private let errorPath: String
  private let watch: Watch

  /// Starts the program. Its output goes to files, so it never blocks on a full pipe.
  ///
  /// - Parameters:
  ///   - executable: a path, or a name to look up in `PATH`.
  ///   - environment: added to this process's own; an empty value removes a variable.
  package init(
    _ executable: String, _ arguments: [String] = [], environment: [String: String] = [:], directory: String? = nil
  ) throws {
    outputPath = DeathWatch.shared.uniquePath("stdout")
    errorPath = DeathWatch.shared.uniquePath("stderr")
    let flags = O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC
    let output = open(outputPath, flags, 0o600)
    let errors = open(errorPath, flags, 0o600)
    defer {
      close(output)
      close(errors)
    }
    pid = try spawn(
      executable, arguments, environment: environment, directory: directory, output: output, errors: errors)
    // The start time tells our child from a later process with the same id.
    let born = statFields(of: pid)?.startTime ?? "none"
    let cleanup = try DeathWatch.shared.register(
      """
      born=$(sed 's/.*) //' /proc/\(pid)/stat 2>/dev/null | cut -d' ' -f20)
      [ "$born" != "\(born)" ] || kill -9 \(pid)
      """)
    watch = Watch(pid: pid, cleanup: cleanup)
    // A thread, not a task: tests that block must not keep it from looking.
    Thread.detachNewThread { [watch, pid] in while !watch.look() { _ = penstock_test_wait(pid, 50) } }
  }

  deinit { kill() }

  /// What it has written so far.
  package var standardOutput: String { text(outputPath) }
  package var standardError: String { text(errorPath) }

  private func text(_ path: String) -> String {
    String(decoding: FileManager.default.contents(atPath: path) ?? Data(), as: UTF8.self)
  }

  /// The exit status, or `nil` while it runs.
  package var status: ExitStatus? { watch.state.withLock(\.status) }

  package var isRunning: Bool { status == nil }

  /// The peak of its resident memory in bytes, read every 50 ms while it ran.
  ///
  /// The kernel's own number at exit can't be used, since it counts the parent before `exec`.
  package var peakResidentBytes: Int { watch.state.withLock(\.peakResidentBytes) }

  /// The processor time it has used.
  package var cpuTime: Duration { watch.state.withLock(\.cpuTime) }

  /// Waits for its end.
  ///
  /// - Throws: `TimedOut` with the end of its standard error; it then still runs.
  @discardableResult
  package func wait(timeout: Duration = .seconds(120)) async throws -> ExitStatus {
    let limit = ContinuousClock.now + timeout
    while true {
      if let status { return status }
      guard ContinuousClock.now < limit else {
        throw TimedOut(waited: timeout, what: "process \(pid) to end; stderr: \(standardError.suffix(2000))")
      }
      try await Task.sleep(for: .milliseconds(10))
    }
  }

  /// Sends a signal, unless it has ended.
  package func signal(_ number: Int32) {
    // The lock keeps the watch from reaping, so the id can't belong to another process.
    watch.state.withLock { if $0.status == nil { _ = Foundation.kill(pid, number) } }
  }

  /// Ends it with SIGKILL and waits until it is gone.
  package func kill() {
    signal(SIGKILL)
    while isRunning { usleep(1000) }
  }
}

/// Looks at one child process until it has ended; the only place that reaps it.
private final class Watch: Sendable {
  struct State {
    var status: ExitStatus?
    var peakResidentBytes = 0
    var cpuTime = Duration.zero
  }
  let state = Mutex(State())
  private let pid: Int32
  private let cleanup: DeathWatch.Cleanup

  init(pid: Int32, cleanup: DeathWatch.Cleanup) {
    self.pid = pid
    self.cleanup = cleanup
  }

  /// Takes the measures, and the exit status once there is one.
  ///
  /// - Returns: whether the process has ended.
  func look() -> Bool {
    state.withLock { state in
      if let now = peakResident(of: pid) { state.peakResidentBytes = max(state.peakResidentBytes, now) }
      if let now = statFields(of: pid)?.cpuTime { state.cpuTime = now }
      var raw: Int32 = 0
      var usage = rusage()
      guard wait4(pid, &raw, WNOHANG, &usage) == pid else { return false }
      state.cpuTime = Duration(usage.ru_utime) + Duration(usage.ru_stime)
      state.status = ExitStatus(raw)
      cleanup.forget()
      return true
    }
  }
}

extension Duration {
  fileprivate init(_ time: timeval) { self = .seconds(time.tv_sec) + .microseconds(time.tv_usec) }
}

/// `VmHWM` of a living process, in bytes; `nil` once it has ended.
private func peakResident(of pid: pid_t) -> Int? {
  guard let data = FileManager.default.contents(atPath: "/proc/\(pid)/status") else { return nil }
  let line = String(decoding: data, as: UTF8.self).split(separator: "\n").first { $0.hasPrefix("VmHWM:") }
  return line?.split(separator: " ").dropFirst().first.flatMap { Int($0) }.map { $0 * 1024 }
}

/// Start time (in clock ticks since boot) and processor time of a process.
private func statFields(of pid: pid_t) -> (startTime: String, cpuTime: Duration)? {
  guard let data = FileManager.default.contents(atPath: "/proc/\(pid)/stat") else { return nil }
  // The program's name, in parentheses, may hold spaces; fields count from its end.
  guard let rest = String(decoding: data, as: UTF8.self).split(separator: ")").last else { return nil }
  let fields = rest.split(separator: " ")
  guard fields.count > 19, let user = Int(fields[11]), let system = Int(fields[12]) else { return nil }
  return (String(fields[19]), .milliseconds((user + system) * 1000 / sysconf(Int32(_SC_CLK_TCK))))
}
