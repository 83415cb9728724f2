import CommandLineArguments
import Foundation
import Runtime

@main
struct Main {
  static func main() async { exit(await start(Array(CommandLine.arguments.dropFirst()))) }

  /// Off the main actor, as is everything it calls.
  @concurrent private static func start(_ arguments: [String]) async -> Int32 {
    ProcessUsage.tuneMemory()
    do throws(UsageError) {
      return await perform(try Invocation.parse(arguments), environment: takenEnvironment())
    } catch {
      writeAll("\(error)\n", to: STDERR_FILENO)
      return 2
    }
  }

  /// The environment as it was, for `${NAME}` in settings; libpq's own variables are then gone, so that nothing but the
  /// configuration says where a connection goes.
  private static func takenEnvironment() -> [String: String] {
    let environment = ProcessInfo.processInfo.environment
    for name in environment.keys where name.hasPrefix("PG") { unsafe unsetenv(name) }
    return environment
  }
}
