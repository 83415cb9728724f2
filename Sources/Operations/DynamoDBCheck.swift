internal import AWS
package import ChangeModel
internal import DSQLSink
internal import DynamoDBSource
package import Pipeline
package import PostgresSource
internal import SQLMapping
package import Settings

/// Holds the tables of a DynamoDB source against what the pipeline will read. Changes nothing.
package struct DynamoDBCheck {
  private let settings: PipelineSettings
  private let source: DynamoDBAccess
  private let endpoints: Endpoints

  package init(_ settings: PipelineSettings, _ source: DynamoDBAccess, _ endpoints: Endpoints) {
    self.settings = settings
    self.source = source
    self.endpoints = endpoints
  }

  /// - Throws: when nobody answers, or the credentials are refused.
  package func findings() async throws(Failure) -> [Finding] {
    let service = try source.service()
    let preparation = try await Preparation(
      settings, source.settings, service, inferences: [:], dialect: endpoints.sink.dialect)
    var found = [
      Finding(
        .sourceIdentity, .info, "dynamodb \(service.endpoints.region)",
        "signed in with credentials from \(try source.login.origin())")
    ]
    for item in preparation.items {
      if settings.mode.follows { found += streamFindings(item.table) }
      found += tableFindings(item)
    }
    return try found
      + TargetCheck(settings, endpoints).findings(preparation.mappings, sourceIdentity: preparation.sourceIdentity)
  }

  private func streamFindings(_ table: DynamoDBTable) -> [Finding] {
    let enable =
      "aws dynamodb update-table --table-name \(table.name) --stream-specification "
      + "StreamEnabled=true,StreamViewType=NEW_AND_OLD_IMAGES"
    guard table.isStreamEnabled, let view = table.streamViewType else {
      return [
        Finding(
          .tableStream, .error, table.name, "the table has no stream, so its changes can't be followed", fix: enable)
      ]
    }
    if source.settings.views.contains(view) { return [] }
    return [
      Finding(
        .tableStream, .error, table.name,
        "its stream has the view type \(view), and needs \(source.settings.views.joined(separator: " or "))",
        fix:
          "aws dynamodb update-table --table-name \(table.name) --stream-specification StreamEnabled=false\n\(enable)")
    ]
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
