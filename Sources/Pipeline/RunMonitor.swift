package import DSQLSink
package import FullLoad
package import PostgresSource
internal import Synchronization

/// What a run shows to the outside while it works; safe to read from any thread.
package final class RunMonitor: Sendable {
  package enum Phase: String, Sendable {
    case starting, loading, indexing = "building indexes", catchingUp = "catching up", streaming, draining, waiting
  }

  /// How far behind a DynamoDB source's streams are.
  package struct StreamLag: Hashable, Sendable {
    /// Since the oldest record was made that may not be read yet; 0 when all are.
    package var seconds: Int64
    /// Until DynamoDB forgets it.
    package var secondsLeft: Int64
    /// Calls that DynamoDB refused for their rate.
    package var throttles: Int
  }

  private let current = Mutex(Phase.starting)
  private let lag = Mutex<StreamLag?>(nil)
  package let load = LoadProgress()
  package let stream = StreamProgress()
  package let apply = ApplyProgress()

  package init() {}

  /// `nil` for any other source.
  package var streamLag: StreamLag? {
    get { lag.withLock { $0 } }
    set { lag.withLock { $0 = newValue } }
  }

  package var phase: Phase {
    get { current.withLock { $0 } }
    set { current.withLock { $0 = newValue } }
  }
}
