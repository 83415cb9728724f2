import ChangeModel
import Dispatch
import Glibc
import Operations
import Pipeline
import Runtime
import Settings

/// `penstock run`.
func runPipeline(
  _ settings: PipelineSettings, _ surroundings: Surroundings, exitWhenCaughtUp: Bool, log: Log
) async -> Int32 {
  let run: PipelineRun
  do throws(Failure) {
    run = try PipelineRun(settings, surroundings, exitWhenCaughtUp: exitWhenCaughtUp, log: log)
  } catch {
    log.error("\(error)")
    return error.exitCode
  }
  let signals = StopSignals { run.requestStop() }
  let display = RunDisplay(run.monitor).show(log: log)
  defer {
    display.end()
    withExtendedLifetime(signals) {}
  }
  do throws(Failure) {
    try await run.run()
    return 0
  } catch {
    log.error("\(error)")
    return error.exitCode
  }
}

/// SIGTERM and SIGINT: the first one drains, a second one ends the process at once with 128 + its number.
final class StopSignals {
  private let sources: [any DispatchSourceSignal]

  init(_ stop: @escaping @Sendable () -> Void) {
    sources = [SIGTERM, SIGINT].map { number in
      let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
      nonisolated(unsafe) var isSecond = false
      source.setEventHandler { @Sendable in
        if unsafe isSecond { _exit(128 + number) }
        unsafe isSecond = true
        stop()
      }
      source.resume()
      return source
    }
  }
}
