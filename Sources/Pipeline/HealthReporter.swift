internal import AWS
internal import ChangeModel
internal import DSQLSink
internal import Postgres
internal import Runtime

/// Writes into the target every few seconds how the instance is, for whoever asks there.
final class HealthReporter: Sendable {
  private static let period = Duration.seconds(5)
  private static let periodAfterFailure = Duration.seconds(1)

  private let store: StateStore
  private let identity: WriterIdentity
  private let options: SinkOptions
  private let tokens: TokenSource?
  private let collisions: Collisions
  private let log: Log
  private let stop = Wakeup()

  /// Starts to write, on a thread of its own.
  init(
    _ store: StateStore, _ identity: WriterIdentity, _ endpoints: Endpoints, collisions: Collisions, log: Log
  ) {
    self.store = store
    self.identity = identity
    options = endpoints.sink
    tokens = endpoints.login?.tokens
    self.collisions = collisions
    self.log = log.named("health")
    let executor = ThreadExecutor(name: "health")
    Task(executorPreference: executor) { [self] in
      defer { executor.shutdown() }
      run()
    }
  }

  /// Ends it, with a write that is under way.
  func end() { stop.signal() }

  private func run() {
    let session = SinkSession(options, interrupt: stop, log: log)
    while !stop.isSignalled {
      var pause = Self.period
      do throws(Failure) {
        try store.write(health, identity, session.connection())
        session.rest()
      } catch {
        // A target that is away is the writers' concern.
        session.discard()
        log.debug("not written: \(error.message)")
        pause = Self.periodAfterFailure
      }
      stop.wait(for: pause)
    }
  }

  private var health: PipelineHealth {
    PipelineHealth(
      concurrency: options.limiter.counts, pool: options.pool.counts, openings: options.pool.openings,
      collisions: collisions.count,
      tokens: tokens.map { tokens in
        let done = tokens.statistics
        return .init(
          refreshes: done.refreshes, failures: done.failures, expiresAt: tokens.tokenExpirationTime?.seconds)
      })
  }
}
