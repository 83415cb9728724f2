import Foundation
import PenstockTestKit
import Testing

/// Everything at once, for as long as one likes: `make fire` runs this for minutes, the suite for seconds.
@Suite("Under fire", .queued)
struct FireTests {
  private static let duration = Duration.seconds(
    Int(ProcessInfo.processInfo.environment["PENSTOCK_FIRE_SECONDS"] ?? "15")!)
  /// In the suite several sessions and tokens come to their ends too.
  private static let tokenSeconds = min(20, max(5, duration.components.seconds / 4))
  private static let sessionSeconds = min(5, max(2, tokenSeconds / 2))
  /// Twice the age at which connections are given up, and a little: room for a transaction under way, for the pool, which
  /// looks every two seconds, and for a machine that stands still; not for a forgotten one.
  private static let sessionSecondsMax = 2 * sessionSeconds + 10

  private static let faults = [
    "--conflict-rate", "0.05", "--cut-before-commit-rate", "0.01", "--cut-after-commit-rate", "0.01",
    "--refuse-connect-rate", "0.05", "--unavailable-rate", "0.001", "--waking-connects", "2", "--commit-latency", "5ms",
    "--max-session-age", "\(sessionSecondsMax)s", "--log", "debug",
  ]

  @Test("a pipeline under faults and writers ends equal, parks nothing, and keeps no session for too long")
  func fire() async throws {
    var random = SeededGenerator()
    let pipeline = try await PipelineUnderTest(
      .dsql, schema: Workload.schema,
      settings: ExtraSettings(
        pipeline: ["chunk-size: 256KiB"],
        sink: [
          "parallelism: 3", "connection-max-lifetime: \(Self.sessionSeconds)s", "on-error: dead-letter",
          "retry: { initial-delay: 20ms, max-delay: 1s, max-elapsed: 2min }",
        ]),
      emulatorOptions: Self.faults + ["--seed", "\(random.next() >> 1)"],
      environment: ["PENSTOCK_TOKEN_LIFETIME_SECONDS": "\(Self.tokenSeconds)"])
    try await Workload.addAccounts(to: pipeline.source, scale: Self.duration >= .seconds(60) ? 10 : 1)
    let writer = try Workload.start(
      on: pipeline.source, seed: random.next(), transactionsPerSecond: 200, clients: 4,
      scripts: ["-b", "tpcb-like@60"])
    let process = try pipeline.start()
    try await pipeline.wait(for: "streaming", from: process, timeout: .seconds(300))
    try await Task.sleep(for: Self.duration)
    try await writer.stop()
    try await pipeline.drain(process)
    expectFire(pipeline.emulatorLog)

    let verify = try await pipeline.command("verify FILE", timeout: .seconds(600))
    #expect(verify.status == .exited(0), "\(verify.standardOutput) \(verify.standardError)")
    #expect(verify.standardOutput.contains("source and target are equal"))
    let letters = try await pipeline.command("dlq list FILE")
    #expect(letters.status == .exited(0), "\(letters.standardError)")
    #expect(letters.standardOutput.contains("0 letters"), "\(letters.standardOutput)")
    try pipeline.expectEqual()
  }

  /// Whether every fault has struck, and no session lived until the emulator ended it.
  private func expectFire(_ log: String) {
    // Not the log itself, which a failed expectation would print.
    let missing = ["rate exceeded", "waking up", "cut before COMMIT", "cut after COMMIT"].filter { !log.contains($0) }
    #expect(missing == [])
    let ages = log.matches(of: /session of (\d+) ms ended/).compactMap { Int($0.1) }
    #expect(ages.count > 10)
    let outlived = log.contains("session age")
    #expect(!outlived)
    print("fire: \(ages.count) sessions, the oldest lived \(ages.max() ?? 0) ms of \(1000 * Self.sessionSecondsMax)")
  }
}
