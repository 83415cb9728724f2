internal import AWS
package import ChangeModel
internal import DSQLSink
internal import DynamoDBSource
package import Pipeline
package import PostgresSource
package import Runtime
internal import SQLMapping
package import Settings

/// Holds the tables of a DynamoDB source against what the pipeline will read. Changes nothing.
package struct DynamoDBCheck {
  private let settings: PipelineSettings
  private let source: DynamoDBAccess
  private let endpoints: Endpoints
  private let log: Log

  package init(_ settings: PipelineSettings, _ source: DynamoDBAccess, _ endpoints: Endpoints, log: Log) {
    self.log = log
    self.settings = settings
    self.source = source
    self.endpoints = endpoints
  }

  /// - Throws: when nobody answers, or the credentials are refused.
  package func findings() async throws(Failure) -> [Finding] {
    let service = try source.service()
    let preparation = try await Preparation(
      settings, source.settings, service, inferences: Preparation.knownInferences(settings, endpoints, log: log),
      dialect: endpoints.sink.dialect)
    var found = [
      Finding(
        .sourceIdentity, .info, "dynamodb \(service.endpoints.region)",
        "signed in with credentials from \(try source.login.origin())")
    ]
    for item in preparation.items {
      if settings.mode.follows, let obstacle = item.streamObstacle(source.settings) {
        found.append(Finding(.tableStream, .error, item.table.name, obstacle.reason, fix: obstacle.fix))
      }
      found += tableFindings(item)
    }
    return try found
      + TargetCheck(settings, endpoints).findings(preparation.mappings, sourceIdentity: preparation.sourceIdentity)
  }

  private func tableFindings(_ item: ItemSource) -> [Finding] {
    let table = item.table
    var found: [Finding] = []
    if table.status != "ACTIVE" && table.status != "UPDATING" {
      found.append(
        Finding(
          .tableStatus, .error, table.name, "the table's status is \(table.status)", fix: "Wait until it is ACTIVE."))
    }
    if let units = table.provisionedReadUnits, settings.mode.loads, source.settings.readCapacity == nil {
      found.append(
        Finding(
          .tableCapacity, .warning, table.name,
          "the scan may use all of its \(units) provisioned read capacity units, and others are then throttled",
          fix: "Set source.max-read-capacity, such as to \(max(1, units / 2))."))
    }
    return found
  }
}
