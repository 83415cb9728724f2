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
    let inferences = try session.retrying("reading the state") { connection throws(Failure) in
      try store.itemMappings(connection)
    }
    let preparation = try await Preparation(
      settings, access.settings, service, inferences: inferences, dialect: endpoints.sink.dialect)
    if settings.mode.follows {
      for item in preparation.items { try item.checkStream(access.settings) }
    }
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
}
