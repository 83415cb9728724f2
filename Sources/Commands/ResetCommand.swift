import ChangeModel
import Glibc
import Operations
import Pipeline
import Runtime
import Settings

/// `penstock reset --yes`.
func resetPipeline(_ settings: PipelineSettings, _ surroundings: Surroundings, log: Log) async -> Int32 {
  do throws(Failure) {
    try await onThread("reset") { () throws(Failure) in
      try PipelineReset(settings, Endpoints(settings, surroundings, log: log)).run { sentence in
        writeAll(sentence + "\n", to: STDOUT_FILENO)
      }
    }
    return 0
  } catch {
    log.error("\(error)")
    return error.exitCode
  }
}
