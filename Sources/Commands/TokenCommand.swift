import AWS
import ChangeModel
import CommandLineArguments
import Glibc
import Pipeline
import Runtime
import Settings

/// `penstock token`: one token on standard output.
func printToken(_ request: TokenRequest, _ surroundings: Surroundings) async -> Int32 {
  var log = Log(level: .warning)
  let token: @Sendable () throws(Failure) -> String
  switch request.cluster {
  case .endpoint(let host, let user, let region, let role):
    let login = DSQLLogin(
      host: host, user: user, region: region, role: role.map { STS.Role(arn: $0) },
      lifetimeSeconds: request.lifetimeSeconds ?? DSQLToken.defaultLifetimeSeconds,
      environment: surroundings.environment, log: log)
    token = { () throws(Failure) in try login.tokens.authToken() }
  case .sink(let file):
    do throws(SettingsProblems) {
      let settings = try surroundings.settings(file)
      log = Log(level: .warning, format: settings.logFormat)
      guard settings.sink.own == nil, settings.sink.login.provider != "password" else {
        log.error("the sink's login is by password or a matter of its own, so there is no token for it")
        return 2
      }
      token = sinkToken(settings, surroundings, lifetimeSeconds: request.lifetimeSeconds, log)
    } catch {
      writeAll("\(error)\n", to: STDERR_FILENO)
      return 2
    }
  }
  do throws(Failure) {
    writeAll(try await onThread("token", token) + "\n", to: STDOUT_FILENO)
    return 0
  } catch {
    log.error("\(error)")
    return error.exitCode
  }
}

/// What signs in to a pipeline's sink: a token of the given life, or what a registered provider gives.
private func sinkToken(
  _ settings: PipelineSettings, _ surroundings: Surroundings, lifetimeSeconds: Int64?, _ log: Log
) -> @Sendable () throws(Failure) -> String {
  let login = Endpoints.login(
    settings, environment: surroundings.environment, lifetimeSeconds: lifetimeSeconds, log: log)
  return { () throws(Failure) in
    if let login { return try login.tokens.authToken() }
    return try Endpoints(settings, surroundings, log: log).sinkLogin.password()
  }
}
