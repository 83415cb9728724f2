internal import AWS
internal import ChangeModel
internal import DSQLSink
internal import Postgres
internal import Runtime
internal import SQLMapping
internal import Settings

extension PipelineRun {
  /// From the state in the target to the end, or to the first failure, with a DynamoDB source.
  func attempt(_ access: DynamoDBAccess, _ identity: inout WriterIdentity?) async throws(Failure) {
    let service = try access.service()
    let session = SinkSession(endpoints.sink, interrupt: stopSignal, log: log)
    let store = StateStore(pipeline: settings.name)
    let inferences = try session.retrying("reading the state") { connection throws(Failure) -> [String: String] in
      guard try store.exists(connection), try store.read(connection) != nil else { return [:] }
      try store.migrate(connection)
      return try store.itemMappings(connection)
    }
    let preparation = try await Preparation(
      settings, access.settings, service, inferences: inferences, dialect: endpoints.sink.dialect)
    if settings.mode.follows { for item in preparation.items { try checkStream(item.table, access.settings) } }
    var state = try openState(preparation, session, store) { () throws(Failure) in
      PipelineState(
        pipeline: settings.name, epoch: 0, phase: settings.mode.loads ? .loading : .streaming,
        source: preparation.sourceIdentity, slot: "", publication: "", madeSlot: false, madePublication: false)
    }
    let owner = try own(&identity, preparation, store, session)
    state.epoch = owner.epoch
    for item in preparation.items {
      guard let inference = item.newInference else { continue }
      try session.retrying("writing the state") { connection throws(Failure) in
        try store.write(itemMapping: inference, of: item.table.name, owner, connection)
      }
    }
    let (stage, reporter) = try makeStage(preparation, session, store, owner)
    defer { reporter.end() }
    try await stage.replicate(service, access.settings, state)
  }

  /// Refuses a table whose changes can't be followed.
  private func checkStream(_ table: DynamoDBTable, _ source: DynamoDBSettings) throws(Failure) {
    guard table.isStreamEnabled, table.latestStreamARN != nil else {
      throw Failure(
        .source, "table \(table.name) has no stream, so its changes can't be followed", location: table.name,
        hint: "aws dynamodb update-table --table-name \(table.name) --stream-specification "
          + "StreamEnabled=true,StreamViewType=NEW_AND_OLD_IMAGES; or set pipeline.mode: full-load.")
    }
    guard let view = table.streamViewType, !source.views.contains(view) else { return }
    throw Failure(
      .source, "the stream of table \(table.name) has the view type \(view), which does not show what is needed",
      location: table.name,
      hint:
        "Its view type can't be changed: disable the stream and enable it with NEW_AND_OLD_IMAGES, then start again.")
  }
}
