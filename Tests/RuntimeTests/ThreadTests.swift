import Foundation
import PenstockTestKit
import Runtime
import Testing

/// Runs `body` on a thread of its own, as lanes and streams run.
private func withThread<Result: Sendable>(
  named name: String, _ body: @escaping @Sendable () async throws -> Result
) async throws -> Result {
  let executor = ThreadExecutor(name: name)
  defer { executor.shutdown() }
  return try await withThrowingTaskGroup(of: Result.self) { group in
    group.addTask(executorPreference: executor) { try await body() }
    return try await group.next()!
  }
}

/// The name of the thread that runs this, as Linux keeps it.
private func threadName() -> String {
  let text = (try? String(contentsOfFile: "/proc/thread-self/comm", encoding: .utf8)) ?? ""
  return text.trimmingCharacters(in: .newlines)
}

/// Names of this process's threads.
private func threads() throws -> [String] {
  try FileManager.default.contentsOfDirectory(atPath: "/proc/self/task").map {
    let text = (try? String(contentsOfFile: "/proc/self/task/\($0)/comm", encoding: .utf8)) ?? ""
    return text.trimmingCharacters(in: .newlines)
  }
}

@Suite("Threads of our own")
struct ThreadTests {
  @Test("work runs on its own thread, before and after a suspension, and the thread ends with it")
  func ownThread() async throws {
    let names = try await withThread(named: "own-thread-1") {
      let before = threadName()
      await Task.yield()
      try await Task.sleep(for: .milliseconds(1))
      return [before, threadName()]
    }

    #expect(names == ["own-thread-1", "own-thread-1"])
    try await eventually("the thread to end") { try !threads().contains("own-thread-1") }
  }

  @Test("an error thrown on the thread arrives, and the thread ends all the same")
  func failure() async throws {
    struct Broken: Error {}
    await #expect(throws: Broken.self) { try await withThread(named: "own-thread-2") { throw Broken() } }
    try await eventually("the thread to end") { try !threads().contains("own-thread-2") }
  }

  @Test("several threads block at once without holding each other up")
  func blocking() async throws {
    let count = 8
    let arrived = Wakeup()
    let release = Wakeup()
    async let all = withThrowingTaskGroup(of: Void.self) { group in
      for index in 0..<count {
        group.addTask {
          try await withThread(named: "blocked-\(index)") {
            arrived.signal()
            release.wait(for: .seconds(30))
          }
        }
      }
      try await group.waitForAll()
    }
    try await eventually("all threads to block") {
      try threads().count { $0.hasPrefix("blocked-") } == count && arrived.isSignalled
    }
    release.signal()
    try await all
  }
}

@Suite("Wakeups")
struct WakeupTests {
  @Test("a signal sent before the wait is not lost, and clearing forgets all of them")
  func early() {
    let wakeup = Wakeup()
    #expect(!wakeup.isSignalled)
    wakeup.signal()
    wakeup.signal()
    #expect(wakeup.isSignalled)
    wakeup.wait(for: .seconds(30))
    #expect(wakeup.isSignalled)
    wakeup.clear()
    #expect(!wakeup.isSignalled)
    wakeup.clear()
  }

  @Test("a wait without a signal ends after its limit")
  func limit() {
    let start = monotonicNow()
    Wakeup().wait(for: .milliseconds(30))
    #expect(monotonicNow() - start >= .milliseconds(30))
  }

  @Test("a signal from another thread ends a wait without limit")
  func crossThread() async throws {
    let wakeup = Wakeup()
    async let waited: Void = withThread(named: "waiter") { wakeup.wait(for: nil) }
    wakeup.signal()
    try await waited
  }

  @Test(
    "milliseconds are rounded up",
    arguments: [
      (Duration.microseconds(1), Int64(1)), (.milliseconds(5), 5), (.zero, 0), (.microseconds(5001), 6),
      (.seconds(3), 3000),
    ])
  func milliseconds(duration: Duration, expected: Int64) {
    #expect(duration.wholeMilliseconds == expected)
  }
}
