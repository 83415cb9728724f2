import CommandLineArguments
import Glibc
import Runtime
import Settings

/// The version that `penstock version` prints.
let version = "0.1.0"

/// Does what was asked for.
///
/// - Parameter environment: what `${NAME}` in the configuration stands for.
/// - Returns: the process's exit code.
func perform(_ invocation: Invocation, environment: [String: String]) async -> Int32 {
  switch invocation {
  case .help(let command):
    writeAll(command?.help ?? Command.programHelp, to: STDOUT_FILENO)
    return 0
  case .version:
    writeAll("penstock \(version)\n", to: STDOUT_FILENO)
    return 0
  case .token(let request): return await printToken(request, environment: environment)
  case .schema(let markdown):
    let description = PipelineSettings.description
    writeAll(markdown ? description.reference : description.jsonSchema.text() + "\n", to: STDOUT_FILENO)
    return 0
  case .check(let file, _), .plan(let file), .run(let file, _), .status(let file, _, _), .verify(let file, _),
    .reset(let file):
    return await perform(invocation, file: file, environment: environment)
  case .dlq(let order): return await perform(invocation, file: order.file, environment: environment)
  }
}

/// Does a command that works on a pipeline, once its file is read.
private func perform(_ invocation: Invocation, file: String, environment: [String: String]) async -> Int32 {
  do throws(SettingsProblems) {
    let settings = try PipelineSettings.load(path: file, environment: environment)
    return await perform(invocation, settings, environment)
  } catch {
    writeAll("\(error)\n", to: STDERR_FILENO)
    return 2
  }
}

/// Does a command that works on a pipeline.
private func perform(
  _ invocation: Invocation, _ settings: PipelineSettings, _ environment: [String: String]
) async -> Int32 {
  let log = Log(level: settings.logLevel, format: settings.logFormat)
  switch invocation {
  case .run(_, let exitWhenCaughtUp):
    return await runPipeline(settings, environment: environment, exitWhenCaughtUp: exitWhenCaughtUp, log: log)
  case .verify(_, let json):
    return await verifyPipeline(settings, environment: environment, json: json, log: log)
  case .check(_, let json):
    return await checkPipeline(settings, environment: environment, json: json, log: log)
  case .plan:
    return await planPipeline(settings, environment: environment, log: log)
  case .status(_, let watch, let json):
    return await showStatus(settings, environment: environment, watch: watch, json: json, log: log)
  case .dlq(let order):
    return await workOnDeadLetters(order, settings, environment: environment, log: log)
  case .reset:
    return await resetPipeline(settings, environment: environment, log: log)
  case .token, .schema, .help, .version: return 0
  }
}
