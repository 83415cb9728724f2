import ChangeModel
import DSQLSink
import DynamoDBSource
import Glibc
import Operations
import Pipeline
import Postgres
import PostgresSource
import Runtime
import Settings
import Verification

/// `penstock verify`: 0 when both sides are equal, 1 when rows differ.
func verifyPipeline(
  _ settings: PipelineSettings, _ surroundings: Surroundings, json: Bool, log: Log
) async -> Int32 {
  do throws(Failure) {
    let report = try await compare(settings, surroundings, log)
    writeAll(json ? report.json : report.description, to: STDOUT_FILENO)
    return report.isEqual ? 0 : 1
  } catch {
    log.error("\(error)")
    return error.exitCode
  }
}

private func compare(
  _ settings: PipelineSettings, _ surroundings: Surroundings, _ log: Log
) async throws(Failure) -> VerificationReport {
  try await onThread("verify") { () throws(Failure) in
    let endpoints = try Endpoints(settings, surroundings, log: log)
    if let dynamodb = endpoints.dynamodb { return try await compareItems(settings, dynamodb, endpoints, log) }
    let preparation = try Preparation(settings, endpoints)
    let verification = Verification(
      preparation.mappings, source: InstanceProbe.observing(endpoints.source), sink: endpoints.sink,
      slot: settings.mode.follows ? settings.source.slotName : nil, workers: settings.sink.parallelism, log: log)
    let display = display(verification.progress, log)
    defer { display.end() }
    return try await verification.run()
  }
}

private func compareItems(
  _ settings: PipelineSettings, _ source: DynamoDBAccess, _ endpoints: Endpoints, _ log: Log
) async throws(Failure) -> VerificationReport {
  let service = try source.service()
  let session = SinkSession(endpoints.sink, log: log)
  let store = StateStore(pipeline: settings.name)
  // The columns are those that the first run has decided on.
  let inferences = try session.retrying("reading the state") { connection throws(Failure) in
    try store.itemMappings(connection)
  }
  let preparation = try await Preparation(
    settings, source.settings, service, inferences: inferences, dialect: endpoints.sink.dialect)
  let pairs = zip(preparation.mappings, preparation.items).map {
    ItemPair($0, $1.mapping, expiry: ItemExpiry(source.settings.expiry))
  }
  let options = DynamoDBVerification.Options(
    readsConsistently: source.settings.readsConsistently,
    segments: source.settings.segments ?? settings.sink.parallelism, pageItems: source.settings.pageItems,
    readCapacity: source.settings.readCapacity, workers: settings.sink.parallelism, follows: settings.mode.follows)
  let verification = DynamoDBVerification(
    pairs, service, sink: endpoints.sink, pipeline: settings.name, options, log: log)
  let display = display(verification.progress, log)
  defer { display.end() }
  return try await verification.run()
}

private func display(_ progress: VerificationProgress, _ log: Log) -> StatusDisplay {
  StatusDisplay(log: log.named("verify")) { _ in
    let line = progressLine(progress.state)
    return .init(lines: line.map { [$0] } ?? [], summary: line)
  }
}

private func progressLine(_ state: VerificationProgress.State) -> String? {
  if let again = state.lookingAgain { return "looking again at \(grouped(again)) rows" }
  guard state.rangesTotal > 0 else { return nil }
  let seconds = max(0.001, (monotonicNow() - state.startedAt).seconds)
  return "compared \(grouped(state.rows)) rows, \(state.rangesDone) of \(state.rangesTotal) ranges, "
    + "\(grouped(Int(Double(state.rows) / seconds))) rows/s; \(grouped(state.suspects)) rows to look at again"
}
