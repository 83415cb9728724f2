internal import CPenstockShims
internal import Glibc
internal import Synchronization

/// A task executor on one POSIX thread of its own, where blocking calls are allowed.
///
/// A task started with `executorPreference:` runs here between its suspensions, so libpq calls inside it never
/// hold up Swift's cooperative pool. The thread ends when `shutdown()` was called and the queue is empty.
package final class ThreadExecutor: TaskExecutor {
  private struct Queue {
    var jobs: [UnownedJob] = []
    var isShutDown = false
  }

  private let queue = Mutex(Queue())
  private let wakeup: Wakeup

  /// Starts the thread. Linux keeps 15 bytes of the name.
  package init(name: String) {
    wakeup = Wakeup()
    let context = unsafe Unmanaged.passRetained(ThreadStart(executor: self, name: name))
    var thread = pthread_t()
    let status = unsafe pthread_create(
      &thread, nil,
      { context in
        // SAFETY: the pointer was retained for this thread by `init` and is taken over exactly once.
        let start = unsafe Unmanaged<ThreadStart>.fromOpaque(context!).takeRetainedValue()
        unsafe start.name.withCString { unsafe penstock_name_thread($0) }
        start.executor.run()
        return nil
      }, context.toOpaque())
    precondition(status == 0, "the system gives no more threads (pthread_create: \(status))")
    pthread_detach(thread)
  }

  package func enqueue(_ job: consuming ExecutorJob) {
    let unowned = UnownedJob(job)
    queue.withLock { $0.jobs.append(unowned) }
    wakeup.signal()
  }

  /// Lets the thread end once nothing is queued. No job may be enqueued afterwards.
  package func shutdown() {
    queue.withLock { $0.isShutDown = true }
    wakeup.signal()
  }

  private func run() {
    let executor = unsafe asUnownedTaskExecutor()
    while true {
      let (jobs, isShutDown) = queue.withLock { queue in
        let jobs = queue.jobs
        queue.jobs.removeAll(keepingCapacity: true)
        return (jobs, queue.isShutDown)
      }
      for job in jobs { unsafe job.runSynchronously(on: executor) }
      if jobs.isEmpty {
        if isShutDown { return }
        wakeup.wait(for: nil)
        wakeup.clear()
      }
    }
  }
}

extension TaskGroup {
  /// Adds a task that has a thread of its own, where blocking calls are allowed.
  package mutating func addThread(named name: String, _ work: @escaping @Sendable () async -> ChildTaskResult) {
    let executor = ThreadExecutor(name: name)
    addTask(executorPreference: executor) {
      defer { executor.shutdown() }
      return await work()
    }
  }
}

/// What a new thread is told: the executor that it serves, kept alive by it.
private final class ThreadStart {
  let executor: ThreadExecutor
  let name: String

  init(executor: ThreadExecutor, name: String) {
    self.executor = executor
    self.name = name
  }
}
