internal import ChangeModel
package import PenstockExtensions
internal import Runtime
internal import Synchronization

/// A registered source or sink with the thread that its calls run on: one call at a time, which a stop cancels.
package final class OwnSide<Side: Sendable>: Sendable {
  /// What its section's `type` calls it.
  package let name: String
  private let side: Side
  private let role: Failure.Kind
  private let executor: ThreadExecutor
  private let call = Mutex(Call())

  private struct Call {
    var isStopped = false
    var cancel: (@Sendable () -> Void)?
  }

  init(_ side: Side, name: String, role: Failure.Kind) {
    self.side = side
    self.name = name
    self.role = role
    executor = ThreadExecutor(name: role.rawValue)
  }

  deinit { executor.shutdown() }

  /// Calls it.
  ///
  /// - Throws: what it throws, as a failure that may pass.
  func call<Value: Sendable>(
    _ work: @escaping @Sendable (Side) async throws -> Value
  ) async throws(Failure) -> Value {
    let side = side
    let task = Task(executorPreference: executor) { try await work(side) }
    let isStopped = call.withLock { call in
      call.cancel = { task.cancel() }
      return call.isStopped
    }
    if isStopped { task.cancel() }
    switch await task.result {
    case .success(let value): return value
    case .failure(let failure as Failure): throw failure
    case .failure(let error):
      throw Failure(
        role, "\(role.rawValue) \"\(name)\" failed: \(error)", location: name,
        hint: "Look at what it needs. Nothing is lost: it goes on from what is committed.", isTransient: true)
    }
  }

  /// Cancels the call that is under way, and those that follow until `resume`.
  func stop() {
    let cancel = call.withLock { call in
      call.isStopped = true
      return call.cancel
    }
    cancel?()
  }

  func resume() { call.withLock { $0 = Call() } }
}

package typealias OwnSource = OwnSide<any ChangeSource>
package typealias OwnSink = OwnSide<any ChangeSink>
