package import ChangeModel
internal import Synchronization

/// Gives out pieces of work to several workers, until one of them fails.
package final class WorkQueue<Piece: Sendable>: Sendable {
  private let state: Mutex<(left: [Piece], failure: Failure?)>

  /// - Parameter pieces: given out from the first to the last.
  package init(_ pieces: [Piece]) { state = Mutex((pieces.reversed(), nil)) }

  package var failure: Failure? { state.withLock { $0.failure } }

  package func next() -> Piece? { state.withLock { $0.left.popLast() } }

  /// Ends the work. The first failure counts.
  package func fail(_ failure: Failure) {
    state.withLock { state in
      state.failure = state.failure ?? failure
      state.left = []
    }
  }
}
