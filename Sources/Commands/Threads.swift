import ChangeModel
import Runtime

/// Does a command's work on a thread of its own, where it may block.
func onThread<Value: Sendable>(
  _ name: String, _ work: @escaping @Sendable () async throws(Failure) -> Value
) async throws(Failure) -> Value {
  let executor = ThreadExecutor(name: name)
  defer { executor.shutdown() }
  let end: Result<Value, Failure> = await withTaskExecutorPreference(executor) {
    do throws(Failure) { return .success(try await work()) } catch { return .failure(error) }
  }
  return try end.get()
}
