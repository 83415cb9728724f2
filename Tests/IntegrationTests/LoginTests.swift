import Foundation
import PenstockTestKit
import Testing

@Suite("Signing in to a cluster", .queued) struct LoginTests {
  @Test("sessions go on while one token after another expires") func expiringTokens() async throws {
    // Sessions and tokens live for seconds, so that most sessions begin with a token that was not there at the start.
    let pipeline = try await PipelineUnderTest(
      .dsql, schema: SmallTable.schema, settings: ExtraSettings(sink: ["connection-max-lifetime: 1s"]))
    try await pipeline.runToEnd()
    let process = try pipeline.start(environment: ["PENSTOCK_TOKEN_LIFETIME_SECONDS": "9"])
    try await SmallTable.change(in: pipeline, for: .seconds(20))
    try await pipeline.becomesEqual(by: process)
    process.signal(SIGTERM)

    #expect(try await process.wait() == .exited(0), "\(process.standardError)")
    #expect(!process.standardError.contains("denied"), "\(process.standardError)")
  }

  @Test("credentials that a process gives sign in, and check says whose they are") func credentialProcess() async throws
  {
    let pipeline = try await PipelineUnderTest(.dsql, schema: SmallTable.schema)
    let home = try temporaryDirectory("home")
    let document = #"{"Version":1,"AccessKeyId":"AKIDEXAMPLE","SecretAccessKey":"c2VjcmV0"}"#
    let config = "[profile sync]\ncredential_process = echo '\(document)'\n"
    try Data(config.utf8).write(to: URL(fileURLWithPath: home + "/config"))
    let sts = try HTTPServer { _ in
      .init(200, "<R><Arn>arn:aws:iam::123456789012:user/me</Arn><Account>123456789012</Account></R>")
    }
    let environment = [
      "AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "AWS_PROFILE": "sync", "AWS_CONFIG_FILE": home + "/config",
      "AWS_ENDPOINT_URL_STS": sts.url,
    ]
    let check = try pipeline.start(command: "check", environment: environment)

    #expect(try await check.wait() == .exited(0), "\(check.standardError)")
    #expect(
      check.standardOutput.contains(
        "info: user admin: signed in as arn:aws:iam::123456789012:user/me, with credentials from credential_process of "
          + "profile \"sync\" [target.identity]"), "\(check.standardOutput)")
    #expect(sts.requests.map { $0.form["Action"] } == ["GetCallerIdentity"])
  }

  @Test("an identity that is denied is told what it lacks") func denied() async throws {
    let pipeline = try await PipelineUnderTest(.dsql, schema: SmallTable.schema)
    let sts = try HTTPServer { _ in
      .init(200, "<R><Arn>arn:aws:sts::123456789012:assumed-role/sync/me</Arn><Account>123456789012</Account></R>")
    }
    let check = try pipeline.start(
      command: "check", environment: ["AWS_SECRET_ACCESS_KEY": "s3cret", "AWS_ENDPOINT_URL_STS": sts.url])

    #expect(try await check.wait() == .exited(1), "\(check.standardError)")
    let output = check.standardOutput
    #expect(output.contains("error: admin@localhost:"), "\(output)")
    #expect(output.contains("access denied"))
    #expect(
      output.contains(
        "Add to the IAM policy of arn:aws:iam::123456789012:role/sync: "
          + #"{"Effect":"Allow","Action":"dsql:DbConnectAdmin","Resource":"arn:aws:dsql:us-east-1:123456789012:cluster/*"}"#
      ))
    #expect(!(output + check.standardError).contains("s3cret"))
  }

  @Test("a token that the program prints is a password for psql") func token() async throws {
    let pipeline = try await PipelineUnderTest(.dsql, schema: SmallTable.schema)
    let token = try pipeline.start(command: "token")
    try await token.wait()
    let session = try pipeline.psql(
      "SELECT 'in as ' || current_user", password: token.standardOutput.trimmingCharacters(in: .newlines))
    try await session.wait()

    #expect(session.standardOutput == "in as admin\n", "\(session.standardError)")
  }
}
