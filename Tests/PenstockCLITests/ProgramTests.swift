import Foundation
import PenstockTestKit
import Testing

/// What the program itself prints and ends with, each time as a process of its own.
@Suite("The program") struct ProgramTests {
  struct Output: Equatable {
    var status: PenstockTestKit.ExitStatus
    var standardOutput: String
    var standardError: String
  }

  static func run(_ arguments: [String], environment: [String: String] = [:], directory: String? = nil) async throws
    -> Output
  {
    let process = try BinaryUnderTest.penstock.start(arguments, environment: environment, directory: directory)
    let status = try await process.wait()
    return Output(status: status, standardOutput: process.standardOutput, standardError: process.standardError)
  }

  /// A command line and what it prints.
  struct Page: Sendable, CustomTestStringConvertible {
    let line: String
    let text: String
    var testDescription: String { line }
  }

  static let pages: [Page] = {
    let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("help.txt")
    let text = (try? String(contentsOf: file, encoding: .utf8)) ?? ""
    return text.components(separatedBy: "\n== ").dropFirst().compactMap { section in
      guard let end = section.firstIndex(of: "\n") else { return nil }
      return Page(line: String(section[..<end]), text: String(section[section.index(after: end)...]))
    }
  }()

  @Test("help is printed word for word", arguments: pages) func help(page: Page) async throws {
    let arguments = page.line.split(separator: " ").dropFirst().map(String.init)

    #expect(
      try await Self.run(arguments) == Output(status: .exited(0), standardOutput: page.text, standardError: ""))
  }

  @Test("every command has a page of help") func allPages() {
    #expect(Self.pages.count == 13)
  }

  @Test("help of a command is the same in both ways of asking", arguments: ["run", "reset", "schema"])
  func bothWays(command: String) async throws {
    #expect(try await Self.run(["help", command]) == (try await Self.run([command, "--help"])))
  }

  @Test("a wrong command line ends with 2 and says why on standard error only") func usage() async throws {
    #expect(
      try await Self.run(["rnu", "f"])
        == Output(
          status: .exited(2), standardOutput: "",
          standardError: """
            penstock: unknown command "rnu"; did you mean "run"?
            usage: penstock COMMAND [FILE] [OPTIONS]
            Try `penstock --help`.

            """))
  }

  @Test(
    "a wrong configuration ends every command with 2 and all its problems",
    arguments: [
      ["check"], ["plan"], ["run"], ["status"], ["verify"], ["reset", "--yes"], ["token"],
    ])
  func configuration(command: [String]) async throws {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("penstock-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    let text = """
      pipeline: { name: a, mod: cdc }
      source: { type: postgres, url: "postgresql://u:${PGPASSWORD}@h/d", tables: [a.b] }
      sink: { type: postgres, url: "postgresql://u@h/d", parallelism: "${PASSWORD}" }
      """
    try Data(text.utf8).write(to: folder.appendingPathComponent("p.yaml"))

    let output = try await Self.run(
      command + ["p.yaml"], environment: ["PGPASSWORD": "hunter2", "PASSWORD": "hunter3"], directory: folder.path)

    #expect(
      output
        == Output(
          status: .exited(2), standardOutput: "",
          standardError: """
            p.yaml:1:22: pipeline.mod: unknown key; did you mean "mode"?
            p.yaml:3:65: sink.parallelism: "${PASSWORD}" is not an integer; expected an integer from 1 to 64

            """))
  }

  /// Keys, and no way to find any others.
  static let keys = [
    "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "s3cret", "AWS_EC2_METADATA_DISABLED": "true",
  ]

  @Test(
    "a token is one line, signed for the user, the region and the time that were asked for",
    arguments: [
      (["--admin"], "DbConnectAdmin", "us-east-1", 900), (["--user", "app"], "DbConnect", "us-east-1", 900),
      (["--user=app", "--region=eu-west-1", "--expires-in=60"], "DbConnect", "eu-west-1", 60),
    ])
  func token(options: [String], action: String, region: String, seconds: Int) async throws {
    let host = "abcdefghijklmnopqrstuvwxyz.dsql.us-east-1.on.aws"
    let output = try await Self.run(["token", "--host", host] + options, environment: Self.keys)

    #expect(output.status == .exited(0))
    #expect(output.standardError == "")
    #expect(output.standardOutput.hasPrefix("\(host)/?Action=\(action)&X-Amz-Algorithm=AWS4-HMAC-SHA256&"))
    #expect(output.standardOutput.contains("%2F\(region)%2Fdsql%2Faws4_request&"))
    #expect(output.standardOutput.contains("&X-Amz-Expires=\(seconds)&"))
    #expect(output.standardOutput.hasSuffix("\n"))
    #expect(output.standardOutput.count { $0 == "\n" } == 1)
  }

  @Test("without credentials there is no token, and the exit code is 2") func noCredentials() async throws {
    let nothing = [
      "AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "AWS_EC2_METADATA_DISABLED": "true", "HOME": "/nowhere",
    ]
    let output = try await Self.run(["token", "--host", "h", "--admin", "--region", "r"], environment: nothing)

    #expect(output.status == .exited(2))
    #expect(output.standardOutput == "")
    #expect(output.standardError.contains("no AWS credentials found"))
  }

  @Test("the schema is JSON") func schema() async throws {
    let output = try await Self.run(["schema"])

    let schema = try JSONSerialization.jsonObject(with: Data(output.standardOutput.utf8)) as? [String: Any]
    #expect(output.status == .exited(0))
    #expect(schema?["$schema"] as? String == "https://json-schema.org/draft/2020-12/schema")
  }

  @Test("a reader that goes away does no harm") func closedOutput() async throws {
    let process = try ChildProcess(
      "sh", ["-c", "\(BinaryUnderTest.penstock.path) schema | head -c 1 >/dev/null; echo ended"])
    try await process.wait()

    #expect(process.standardOutput == "ended\n")
    #expect(process.standardError == "")
  }
}
