package import DSQLSink
package import FullLoad
package import PostgresSource
internal import Synchronization

/// What a run shows to the outside while it works; safe to read from any thread.
package final class RunMonitor: Sendable {
  package enum Phase: String, Sendable {
    case starting, loading, indexing = "building indexes", catchingUp = "catching up", streaming, draining, waiting
  }

  private let current = Mutex(Phase.starting)
  package let load = LoadProgress()
  package let stream = StreamProgress()
  package let apply = ApplyProgress()

  package init() {}

  package var phase: Phase {
    get { current.withLock { $0 } }
    set { current.withLock { $0 = newValue } }
  }
}
