internal import CommandLineArguments
internal import Foundation
internal import Glibc
internal import Pipeline
package import PenstockExtensions
internal import Runtime
internal import Settings

/// The version that `penstock version` prints.
let version = "0.1.0"

/// Does what the words of a command line ask for.
///
/// - Parameter arguments: without the program's name.
/// - Returns: the process's exit code.
package func perform(_ arguments: [String], extensions: Extensions) async -> Int32 {
  ProcessUsage.tuneMemory()
  do throws(UsageError) {
    return await perform(try Invocation.parse(arguments), Surroundings(takenEnvironment(), extensions))
  } catch {
    writeAll("\(error)\n", to: STDERR_FILENO)
    return 2
  }
}

/// The environment as it was, for `${NAME}` in settings; libpq's own variables are then gone, so that nothing but the
/// configuration says where a connection goes.
private func takenEnvironment() -> [String: String] {
  let environment = ProcessInfo.processInfo.environment
  for name in environment.keys where name.hasPrefix("PG") { unsafe unsetenv(name) }
  return environment
}

/// Does what was asked for.
private func perform(_ invocation: Invocation, _ surroundings: Surroundings) async -> Int32 {
  switch invocation {
  case .help(let command):
    writeAll(command?.help ?? Command.programHelp, to: STDOUT_FILENO)
    return 0
  case .version:
    writeAll("penstock \(version)\n", to: STDOUT_FILENO)
    return 0
  case .token(let request): return await printToken(request, surroundings)
  case .schema(let markdown):
    let description = PipelineSettings.description(surroundings.extensions)
    writeAll(markdown ? description.reference : description.jsonSchema.text() + "\n", to: STDOUT_FILENO)
    return 0
  case .check(let file, _), .plan(let file), .run(let file, _), .status(let file, _, _), .verify(let file, _),
    .reset(let file):
    return await perform(invocation, file: file, surroundings)
  case .dlq(let order): return await perform(invocation, file: order.file, surroundings)
  }
}

/// Does a command that works on a pipeline, once its file is read.
private func perform(_ invocation: Invocation, file: String, _ surroundings: Surroundings) async -> Int32 {
  do throws(SettingsProblems) {
    let settings = try surroundings.settings(file)
    return await perform(invocation, settings, surroundings)
  } catch {
    writeAll("\(error)\n", to: STDERR_FILENO)
    return 2
  }
}

/// Does a command that works on a pipeline.
private func perform(
  _ invocation: Invocation, _ settings: PipelineSettings, _ surroundings: Surroundings
) async -> Int32 {
  let log = Log(level: settings.logLevel, format: settings.logFormat)
  switch invocation {
  case .run(_, let exitWhenCaughtUp):
    return await runPipeline(settings, surroundings, exitWhenCaughtUp: exitWhenCaughtUp, log: log)
  case .verify(_, let json):
    return await verifyPipeline(settings, surroundings, json: json, log: log)
  case .check(_, let json):
    return await checkPipeline(settings, surroundings, json: json, log: log)
  case .plan:
    return await planPipeline(settings, surroundings, log: log)
  case .status(_, let watch, let json):
    return await showStatus(settings, surroundings, watch: watch, json: json, log: log)
  case .dlq(let order):
    return await workOnDeadLetters(order, settings, surroundings, log: log)
  case .reset:
    return await resetPipeline(settings, surroundings, log: log)
  case .token, .schema, .help, .version: return 0
  }
}
