import Foundation

/// The package's programs and examples as this test run built them: they lie next to the test bundle.
package enum BinaryUnderTest: String, Sendable {
  case penstock
  case dsqlEmulator = "dsql-emulator"
  case loginCommand = "LoginCommand"
  case byState = "ByState"
  case journal = "Journal"
  case archive = "Archive"

  package var path: String {
    let bundle = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? "."
    return URL(fileURLWithPath: bundle).deletingLastPathComponent().appendingPathComponent(rawValue).path
  }

  /// Starts the program.
  ///
  /// - Parameter environment: added to this process's own; an empty value removes a variable.
  package func start(
    _ arguments: [String] = [], environment: [String: String] = [:], directory: String? = nil
  ) throws -> ChildProcess {
    try ChildProcess(path, arguments, environment: environment, directory: directory)
  }
}
