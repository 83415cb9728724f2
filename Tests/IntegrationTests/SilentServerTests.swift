import Foundation
import PenstockTestKit
import Testing

@Suite("A server that takes connections and never answers does not hold a run up", .queued)
struct SilentServerTests {
  private static let schema = "CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t SELECT generate_series(1, 100)"

  private static let patient = ExtraSettings(source: ["connect-timeout: 10m"], sink: ["connect-timeout: 10m"])

  private func end(_ process: ChildProcess) async throws {
    process.signal(SIGTERM)
    // Long before it would give the server up.
    #expect(try await process.wait(timeout: .seconds(60)) == .exited(0), "\(process.standardError)")
  }

  @Test("SIGTERM ends a start that waits for it", arguments: Side.allCases)
  func start(side: Side) async throws {
    let pipeline = try await PipelineUnderTest(schema: Self.schema, settings: Self.patient)
    let silent = try SilentServer()
    let port = side.cluster(of: pipeline).port
    let process = try pipeline.start(changing: ["port: \(port)": "port: \(silent.port)"])
    try await eventually("a client") { silent.hasNewClient }

    try await end(process)
  }

  @Test("SIGTERM ends a stream that waits for it, and the next run goes on", arguments: Side.allCases)
  func stream(side: Side) async throws {
    let pipeline = try await PipelineUnderTest(
      source: try TestCluster.start(), target: try TestCluster.start(), schema: Self.schema,
      settings: Self.patient)
    let process = try pipeline.start()
    try await pipeline.wait(for: "streaming", from: process)
    let cluster = side.cluster(of: pipeline)
    try cluster.stop(immediate: true)
    let silent = try SilentServer(port: cluster.port)
    if side == .target { try pipeline.source.run("INSERT INTO t SELECT generate_series(101, 200)") }
    try await eventually("a client") { silent.hasNewClient }

    try await end(process)

    silent.hangUp()
    try cluster.restart()
    try await pipeline.runToEnd()
    try pipeline.expectEqual()
  }

  @Test("once the retry budget is spent, message and exit code tell which side it is", arguments: Side.allCases)
  func budget(side: Side) async throws {
    let pipeline = try await PipelineUnderTest(
      schema: Self.schema,
      settings: ExtraSettings(
        source: ["connect-timeout: 1s"],
        sink: ["connect-timeout: 1s", "retry: { initial-delay: 10ms, max-elapsed: 1500ms }"]))
    let silent = try SilentServer()
    let port = side.cluster(of: pipeline).port
    let process = try pipeline.start(changing: ["port: \(port)": "port: \(silent.port)"])

    #expect(try await process.wait() == .exited(side.exitCode), "\(process.standardError)")
    #expect(process.standardError.contains("no answer within 1.0 seconds while connecting"))
    #expect(process.standardError.contains("127.0.0.1:\(silent.port)"))
  }
}
