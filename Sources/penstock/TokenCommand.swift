import AWS
import ChangeModel
import CommandLineArguments
import Glibc
import Pipeline
import Runtime
import Settings

/// `penstock token`: one token on standard output.
func printToken(_ request: TokenRequest, environment: [String: String]) async -> Int32 {
  var log = Log(level: .warning)
  let login: DSQLLogin?
  switch request.cluster {
  case .endpoint(let host, let user, let region, let role):
    login = DSQLLogin(
      host: host, user: user, region: region, role: role.map { STS.Role(arn: $0) },
      lifetimeSeconds: request.lifetimeSeconds ?? DSQLToken.defaultLifetimeSeconds, environment: environment, log: log)
  case .sink(let file):
    do throws(SettingsProblems) {
      let settings = try PipelineSettings.load(path: file, environment: environment)
      log = Log(level: .warning, format: settings.logFormat)
      login = Endpoints.login(settings, environment: environment, lifetimeSeconds: request.lifetimeSeconds, log: log)
    } catch {
      writeAll("\(error)\n", to: STDERR_FILENO)
      return 2
    }
  }
  guard let login else {
    log.error("the sink's login is by password, so there is no token for it")
    return 2
  }
  do throws(Failure) {
    let token = try await onThread("token") { () throws(Failure) in try login.tokens.authToken() }
    writeAll(token + "\n", to: STDOUT_FILENO)
    return 0
  } catch {
    log.error("\(error)")
    return error.exitCode
  }
}
