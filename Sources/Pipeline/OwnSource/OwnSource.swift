internal import ChangeModel
internal import PenstockExtensions
internal import Runtime
internal import Synchronization

/// A registered source with the thread that its calls run on: one call at a time, which a stop cancels.
package final class OwnSource: Sendable {
  /// What `source.type` calls it.
  package let name: String
  private let source: any ChangeSource
  private let executor = ThreadExecutor(name: "source")
  private let call = Mutex(Call())

  private struct Call {
    var isStopped = false
    var cancel: (@Sendable () -> Void)?
  }

  init(_ source: any ChangeSource, name: String) {
    self.source = source
    self.name = name
  }

  deinit { executor.shutdown() }

  /// Calls the source.
  ///
  /// - Throws: what the source throws, as a failure that may pass.
  func call<Value: Sendable>(
    _ work: @escaping @Sendable (any ChangeSource) async throws -> Value
  ) async throws(Failure) -> Value {
    let source = source
    let task = Task(executorPreference: executor) { try await work(source) }
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
        .source, "source \"\(name)\" failed: \(error)", location: name,
        hint: "Look at what the source reads; it goes on from its last committed position.", isTransient: true)
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
