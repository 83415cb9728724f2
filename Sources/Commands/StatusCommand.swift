import ChangeModel
import Glibc
import Operations
import Pipeline
import Runtime
import Settings

/// `penstock status`: 0 when both sides answered.
func showStatus(
  _ settings: PipelineSettings, _ surroundings: Surroundings, watch: Bool, json: Bool, log: Log
) async -> Int32 {
  do throws(Failure) {
    return try await onThread("status") { () throws(Failure) in
      let endpoints = try Endpoints(settings, surroundings, log: log)
      // Until the user interrupts: the signal ends the process.
      while watch {
        show(StatusReport(settings, endpoints), json: json, clearing: isatty(STDOUT_FILENO) != 0)
        Wakeup().wait(for: .seconds(1))
      }
      let report = StatusReport(settings, endpoints)
      show(report, json: json, clearing: false)
      if let failure = report.failure { throw failure }
      return 0
    }
  } catch {
    log.error("\(error)")
    return error.exitCode
  }
}

private func show(_ report: StatusReport, json: Bool, clearing: Bool) {
  let text = json ? report.json : report.description
  writeAll((clearing && !json ? "\u{1B}[H\u{1B}[2J" : "") + text, to: STDOUT_FILENO)
}
