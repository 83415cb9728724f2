import Foundation
import PenstockTestKit
import Testing

@Suite("Programs with extensions", .queued) struct ExtensionTests {
  @Test("an authentication provider of one's own signs in, again and again as its tokens end") func provider()
    async throws
  {
    let command = "\(BinaryUnderTest.penstock.path) token --host localhost --user admin --region us-east-1"
    var settings = ExtraSettings(sink: ["connection-max-lifetime: 1s"], program: .loginCommand)
    settings.login = ["auth-provider: command", "auth-options: { command: '\(command)', seconds: '5' }"]
    let pipeline = try await PipelineUnderTest(.dsql, schema: SmallTable.schema, settings: settings)
    try await pipeline.runToEnd()
    let process = try pipeline.start()
    try await SmallTable.change(in: pipeline, for: .seconds(12))
    try await pipeline.becomesEqual(by: process)
    process.signal(SIGTERM)

    #expect(try await process.wait() == .exited(0), "\(process.standardError)")
    #expect(!process.standardError.contains("denied"), "\(process.standardError)")
  }

  @Test("a provider that has no token is named, with what it says") func failingProvider() async throws {
    var settings = ExtraSettings(program: .loginCommand)
    settings.login = ["auth-provider: command", "auth-options: { command: 'echo s3cret; exit 7' }"]
    let pipeline = try await PipelineUnderTest(.dsql, schema: SmallTable.schema, settings: settings)
    let check = try pipeline.start(command: "check")

    #expect(try await check.wait() == .exited(1), "\(check.standardError)")
    let text = "authentication provider \"command\" gave no token: the command ended with 7 and printed 7 bytes"
    #expect(check.standardOutput.contains(text), "\(check.standardOutput)")
    #expect(!(check.standardOutput + check.standardError).contains("s3cret"))
  }

  @Test("an error policy waits for a right that Penstock alone would stop for") func policy() async throws {
    let role = "writer_\(UInt32.random(in: .min ... .max))"
    let pipeline = try await PipelineUnderTest(
      .postgres, schema: SmallTable.schema,
      settings: ExtraSettings(
        sink: ["error-policy: by-state", "error-options: { \"42501\": reconnect }"], sinkUser: role, program: .byState))
    try pipeline.target.run(
      "CREATE ROLE \(role) LOGIN; GRANT ALL ON DATABASE \(pipeline.target.name) TO \(role); GRANT ALL ON SCHEMA public TO \(role)"
    )
    try await pipeline.runToEnd()
    try pipeline.target.run("ALTER TABLE t OWNER TO postgres")
    let process = try pipeline.start()
    try pipeline.source.run("UPDATE t SET v = 'changed'")
    try await pipeline.wait(for: "permission denied for table t; try 2", from: process)

    try pipeline.target.run("GRANT ALL ON t TO \(role)")
    try await pipeline.becomesEqual(by: process)
    process.signal(SIGTERM)
    #expect(try await process.wait() == .exited(0), "\(process.standardError)")

    try pipeline.target.run("REVOKE ALL ON t FROM \(role)")
    try pipeline.source.run("UPDATE t SET v = 'more'")
    let strict = try pipeline.start(["--exit-when-caught-up"], changing: ["reconnect": "stop"])
    #expect(try await strict.wait() == .exited(4), "\(strict.standardError)")
    try pipeline.target.run("DROP OWNED BY \(role)")
  }

  @Test("an extension that can't be made ends the command as a wrong configuration does") func wrongOptions()
    async throws
  {
    let pipeline = try await PipelineUnderTest(
      .postgres, schema: SmallTable.schema,
      settings: ExtraSettings(
        sink: ["error-policy: by-state", "error-options: { \"42501\": forgive }"], program: .byState))
    let process = try pipeline.start()

    #expect(try await process.wait() == .exited(2))
    #expect(
      process.standardError.contains("error policy \"by-state\" can't be made: 42501: forgive is none of"),
      "\(process.standardError)")
  }

  @Test("the program describes its names, which penstock itself does not know") func names() async throws {
    let schema = try BinaryUnderTest.byState.start(["schema"])
    let plain = try BinaryUnderTest.penstock.start(["schema"])
    try await schema.wait()
    try await plain.wait()

    #expect(schema.standardOutput.contains("\"by-state\""))
    #expect(!plain.standardOutput.contains("\"by-state\""))
  }
}
