import PenstockTestKit
import Testing

@Suite("What check says of a target", .queued)
struct TargetCheckTests {
  private static let schema = "CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t VALUES (1, 'x')"

  @Test("a state that it goes on from is told, one of another source is an error", arguments: SinkUnderTest.allCases)
  func state(sink: SinkUnderTest) async throws {
    let pipeline = try await PipelineUnderTest(sink, schema: Self.schema)
    try await pipeline.runToEnd()
    let known = try pipeline.start(command: "check")
    try await known.wait()
    #expect(known.standardOutput.contains("info: pipeline \(pipeline.name): "))
    #expect(known.standardOutput.contains("holds its state, streaming; a run goes on from it [target.state]"))

    let other = try TestDatabase(pipeline.source.cluster)
    try other.run(Self.schema)
    let check = try pipeline.start(
      command: "check", changing: ["database-name: \(pipeline.source.name)": "database-name: \(other.name)"])

    #expect(try await check.wait() == .exited(1))
    #expect(check.standardOutput.contains("error: pipeline \(pipeline.name): "))
    #expect(check.standardOutput.contains("of a pipeline of that name from another source [target.state]"))
    try pipeline.source.cluster.dropDatabase(other.name)
  }

  /// What a role lacks in the target, and what check says of it.
  private static let lacks: [(there: String, subject: String, evidence: String)] = [
    ("CREATE SCHEMA penstock; CREATE SCHEMA app", "schema app", "the role may not use it"),
    ("", "schema penstock", "it does not exist, and the role may not create it"),
    ("CREATE SCHEMA penstock", "schema penstock", "the role may not use it"),
    ("CREATE SCHEMA penstock; GRANT USAGE ON SCHEMA penstock TO ROLE", "schema penstock", "the role may not use it"),
    ("", "public.t", "it does not exist, and the role may not create it"),
    ("REVOKE ALL ON SCHEMA public FROM public", "schema public", "the role may not use it"),
    (
      "CREATE TABLE t (id int PRIMARY KEY, v text); GRANT SELECT, INSERT, UPDATE ON t TO ROLE", "public.t",
      "the role may not read and write it"
    ),
  ]

  @Test("a role that lacks a right is told the GRANT that gives it, and can work then", arguments: lacks.indices)
  func privilege(index: Int) async throws {
    let (there, subject, evidence) = Self.lacks[index]
    let isRouted = subject.hasSuffix("app")
    let pipeline = try await PipelineUnderTest(
      schema: Self.schema,
      settings: ExtraSettings(root: isRouted ? ["route: [{ source-table: public.t, sink-table: app.t }]"] : []))
    let role = "writer_\(pipeline.target.name)"
    try pipeline.target.run("CREATE ROLE \(role) LOGIN; \(there.replacing("ROLE", with: role))")
    let user = "database: \(pipeline.target.name)\n  username: "
    var check = try pipeline.start(command: "check", changing: [user + "postgres": user + role])
    #expect(try await check.wait() == .exited(1), "\(check.standardError)")
    #expect(
      check.standardOutput.contains("error: \(subject): \(evidence) [target.privilege]"), "\(check.standardOutput)")

    // One GRANT may be needed before another can be named.
    for _ in 0..<3 where check.status == .exited(1) {
      for grant in check.standardOutput.matches(of: /to do: (GRANT .*;)/) { try pipeline.target.run(String(grant.1)) }
      check = try pipeline.start(command: "check")
      try await check.wait()
    }

    #expect(check.status == .exited(0), "\(check.standardOutput)")
    try await pipeline.runToEnd()
    #expect(try pipeline.target.number("SELECT count(*) FROM \(isRouted ? "app" : "public").t") == 1)
  }
}
