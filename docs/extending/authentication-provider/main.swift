import Foundation
import Penstock

/// Signs in with what a command prints, such as a vault's client or a cloud's own tool.
///
///     sink:
///       auth-provider: command
///       auth-options: { command: "vault read -field=token database/creds/sync", seconds: "900" }
actor LoginCommand: AuthenticationProvider {
  private let command: String
  private let seconds: Double
  private var token = ""
  private var expiresAt = Date.distantPast

  init(_ context: LoginContext) throws {
    guard let command = context.options["command"] else { throw Problem(description: "the option command is missing") }
    guard let seconds = Double(context.options["seconds"] ?? "600"), seconds > 0 else {
      throw Problem(description: "the option seconds is no number of seconds")
    }
    self.command = command
    self.seconds = seconds
  }

  func authToken() -> String { token }

  func isTokenExpired() -> Bool { Date.now >= expiresAt }

  func refreshToken(after refusal: LoginRefusal?) throws {
    let began = Date.now
    let process = Process()
    let output = Pipe()
    process.executableURL = URL(fileURLWithPath: "/bin/sh")
    process.arguments = ["-c", command]
    process.standardOutput = output
    try process.run()
    let printed = try output.fileHandleForReading.readToEnd() ?? Data()
    process.waitUntilExit()
    let text = String(decoding: printed, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)
    guard process.terminationStatus == 0, !text.isEmpty else {
      throw Problem(
        description: "the command ended with \(process.terminationStatus) and printed \(printed.count) bytes")
    }
    token = text
    expiresAt = began.addingTimeInterval(seconds)
  }
}

struct Problem: Error, CustomStringConvertible { let description: String }

var extensions = Extensions()
extensions.registerAuthenticationProvider("command") { try LoginCommand($0) }
await extensions.main()
