internal import Synchronization

/// Waits on the calling thread, which may block, for asynchronous work; that runs on a thread of its own and may block too.
///
/// - Returns: `nil` when the time was over first; the work is then cancelled, and left to end by itself.
package func waitFor<Value: Sendable>(
  _ name: String, atMost limit: Duration, _ work: @escaping @Sendable () async throws -> Value
) -> Result<Value, any Error>? {
  let executor = ThreadExecutor(name: name)
  let call = BlockingCall<Value>()
  let task = Task(executorPreference: executor) {
    let result: Result<Value, any Error>
    do { result = .success(try await work()) } catch { result = .failure(error) }
    call.result.withLock { $0 = result }
    call.end.signal()
    executor.shutdown()
  }
  call.end.wait(for: limit)
  let result = call.result.withLock { $0 }
  if result == nil { task.cancel() }
  return result
}

/// What the two threads of a call share.
private final class BlockingCall<Value: Sendable>: Sendable {
  let end = Wakeup()
  let result = Mutex<Result<Value, any Error>?>(nil)
}
