import Foundation
import PenstockTestKit
import Testing

@Suite struct ProgramTests {
  @Test("the program says where it listens, serves psql, and ends with 0 on SIGTERM")
  func program() async throws {
    let cluster = try TestCluster.shared
    let database = try cluster.createDatabase()
    let folder = try temporaryDirectory("certificates") + "/made"
    let process = try BinaryUnderTest.dsqlEmulator.start([
      "--listen", "127.0.0.1:0", "--backend", cluster.url(database: database), "--make-certificate", folder,
    ])
    try await eventually("the emulator to listen") { process.standardOutput.contains("listening on 127.0.0.1:") }
    let port = process.standardOutput.split(separator: ":").last.map { $0.dropLast() } ?? ""

    let answer = try runCommand(
      cluster.program("psql"),
      [
        "-XAt",
        "host=\(ServerUnderTest.host) hostaddr=127.0.0.1 port=\(port) user=admin dbname=postgres "
          + "sslmode=verify-full sslrootcert=\(folder)/ca.crt", "-c", "SELECT version()",
      ], environment: ["PGPASSWORD": ServerUnderTest.token()])

    #expect(answer == "PostgreSQL 16\n")
    #expect(process.standardOutput.hasPrefix("certificate authority: \(folder)/ca.crt\n"))
    process.signal(SIGTERM)
    #expect(try await process.wait() == .exited(0))
  }

  @Test("a wrong command line or backend is said in one line, exit code 2")
  func failures() async throws {
    let folder = try temporaryDirectory("certificates")
    for (arguments, message) in [
      (["--port", "1"], "dsql-emulator: unknown option --port; see --help\n"),
      (
        ["--backend", "host=/nowhere", "--make-certificate", folder],
        "dsql-emulator: the backend cannot be prepared: the backend refuses connections: "
      ),
      (
        ["--backend", "host=/nowhere", "--certificate", "/no.crt", "--key", "/no.key"],
        "dsql-emulator: certificate /no.crt cannot be read: "
      ),
    ] {
      let process = try BinaryUnderTest.dsqlEmulator.start(arguments)
      #expect(try await process.wait() == .exited(2))
      #expect(process.standardError.hasPrefix(message), "\(process.standardError)")
    }
  }
}
