package import AWS
package import ChangeModel
internal import Runtime
package import Settings

/// How a DynamoDB source is reached. Looks nothing up before it is asked.
package struct DynamoDBAccess: Sendable {
  package let settings: DynamoDBSettings
  private let environment: [String: String]
  private let retry: Backoff.Limits
  private let log: Log

  init(_ settings: DynamoDBSettings, environment: [String: String], retry: Backoff.Limits, log: Log) {
    self.settings = settings
    self.environment = environment
    self.retry = retry
    self.log = log
  }

  /// Who calls DynamoDB.
  package var login: AWSLogin {
    let login = settings.login
    return AWSLogin(
      .source, region: login.region,
      role: login.role.map { STS.Role(arn: $0, sessionName: login.sessionName, externalID: login.externalID) },
      environment: environment, log: log.named("login"))
  }

  /// A client of its own, which opens connections when it is used. May block while the region is looked for.
  package func service() throws(Failure) -> DynamoDBService {
    let login = login
    let endpoints = try DynamoDBEndpoints(
      region: login.regionName(), endpoint: settings.endpoint, streamsEndpoint: settings.streamsEndpoint,
      usesFIPS: settings.usesFIPS, environment: environment)
    return DynamoDBService(endpoints, login: login, retry: retry)
  }

  /// For messages: where it is, as far as the file says.
  var place: String { settings.endpoint ?? settings.login.region.map { "dynamodb, \($0)" } ?? "dynamodb" }
}
