package import Apply
package import ChangeModel
package import Postgres
package import Runtime
package import SQLMapping

/// How the sink is reached and what it may be asked to do: everything a writer needs to know.
package struct SinkOptions: Sendable {
  package var dialect: SinkDialect
  package let connection: ConnectionSettings
  /// Shared by every copy of these options.
  package let pool: SinkPool
  /// Shared by every copy of these options.
  package let limiter: ConcurrencyLimiter
  package var envelope: Envelope
  package var retry: Backoff.Limits
  /// Send a whole transaction without waiting in between; off, each statement waits for its answer.
  package var isPipelined: Bool
  /// Shared by every copy of these options.
  package let deadLetters: DeadLetters

  package init(
    dialect: SinkDialect, connection: ConnectionSettings, envelope: Envelope, pool limits: PoolState.Limits,
    limiter: ConcurrencyLimiter, retry: Backoff.Limits, isPipelined: Bool,
    deadLetters: DeadLetters = DeadLetters(classes: [], perMinute: 0)
  ) {
    self.dialect = dialect
    self.connection = connection
    self.envelope = envelope
    pool = SinkPool(connection, limits)
    self.limiter = limiter
    self.retry = retry
    self.isPipelined = isPipelined
    self.deadLetters = deadLetters
  }
}

extension SinkOptions {
  /// The same with another way to connect, and so a pool of its own.
  package func connecting(_ connection: ConnectionSettings) -> SinkOptions {
    SinkOptions(
      dialect: dialect, connection: connection, envelope: envelope, pool: pool.limits, limiter: limiter, retry: retry,
      isPipelined: isPipelined, deadLetters: deadLetters)
  }
}

/// Which run of which pipeline writes: every transaction proves it.
package struct WriterIdentity: Hashable, Sendable {
  package var pipeline: String
  /// The epoch this instance has taken; an older one may write no more.
  package var epoch: Int64

  package init(pipeline: String, epoch: Int64) {
    self.pipeline = pipeline
    self.epoch = epoch
  }

  /// What an instance says that finds a newer epoch.
  package var fenced: Failure {
    Failure(
      .fenced, "another instance has taken over pipeline \"\(pipeline)\"", location: "epoch \(epoch)",
      hint: "Only one instance may run a pipeline. This one has stopped and writes nothing more.")
  }
}

extension Failure {
  /// Whether a statement of ours has divided by zero, which is how our state rows and guards make a transaction fail.
  package var isGuardRefusal: Bool { state == "22012" }
}
