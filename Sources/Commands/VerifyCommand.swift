import ChangeModel
import DSQLSink
import Glibc
import Operations
import Pipeline
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
    let preparation = try Preparation(settings, endpoints)
    let verification = Verification(
      preparation.mappings, source: InstanceProbe.observing(endpoints.source), sink: endpoints.sink,
      slot: settings.mode.follows ? settings.source.slotName : nil, workers: settings.sink.parallelism, log: log)
    let display = StatusDisplay(log: log.named("verify")) { _ in
      let line = progressLine(verification.progress.state)
      return .init(lines: line.map { [$0] } ?? [], summary: line)
    }
    defer { display.end() }
    return try await verification.run()
  }
}

private func progressLine(_ state: VerificationProgress.State) -> String? {
  if let again = state.lookingAgain { return "looking again at \(grouped(again)) rows" }
  guard state.rangesTotal > 0 else { return nil }
  let seconds = max(0.001, (monotonicNow() - state.startedAt).seconds)
  return "compared \(grouped(state.rows)) rows, \(state.rangesDone) of \(state.rangesTotal) ranges, "
    + "\(grouped(Int(Double(state.rows) / seconds))) rows/s; \(grouped(state.suspects)) rows to look at again"
}
