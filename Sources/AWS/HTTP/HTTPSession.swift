internal import CCurl
internal import Runtime
internal import Synchronization

/// Many requests at once over few connections, which are kept: one thread drives them all by libcurl.
///
/// Waiting for an answer blocks no thread. The session ends when it is let go: what is under way then fails.
final class HTTPSession: Sendable {
  struct Statistics: Hashable, Sendable {
    var requests = 0
    /// Far fewer than requests where the service keeps connections.
    var connectionsOpened = 0
  }

  private let driver: HTTPDriver

  /// - Parameter connectionsMax: to one host at a time; further requests wait for a connection within their time limit.
  init(connectionsMax: Int) {
    let driver = HTTPDriver(connectionsMax: connectionsMax)
    self.driver = driver
    let executor = ThreadExecutor(name: "http")
    Task(executorPreference: executor) {
      driver.run()
      executor.shutdown()
    }
  }

  deinit { driver.close() }

  var statistics: Statistics { driver.statistics }

  /// The answer, whatever its status. Cancelling the task ends the request.
  func send(_ request: HTTPRequest) async throws(HTTPFailure) -> HTTPResponse {
    let order = HTTPOrder(request)
    let result = await withTaskCancellationHandler {
      await withCheckedContinuation { driver.start(order, answering: $0) }
    } onCancel: {
      order.isCancelled.store(true, ordering: .releasing)
      driver.wake()
    }
    return try result.get()
  }
}

typealias HTTPResult = Result<HTTPResponse, HTTPFailure>

/// A request that someone waits for.
private final class HTTPOrder: Sendable {
  let request: HTTPRequest
  let isCancelled = Atomic(false)

  init(_ request: HTTPRequest) { self.request = request }
}

/// The loop behind a session.
///
/// Sendable: the handle is used by the one thread that runs, but for `curl_multi_wakeup`, which any thread may call while
/// the handle lives; the lock sees to that.
@safe private final class HTTPDriver: @unchecked Sendable {
  private typealias Answering = CheckedContinuation<HTTPResult, Never>
  private struct State {
    var arrivals: [(order: HTTPOrder, answering: Answering)] = []
    var statistics = HTTPSession.Statistics()
    var isClosed = false
    /// The thread has left, and its handle is gone.
    var hasEnded = false
  }
  private struct Running {
    let order: HTTPOrder
    let answering: Answering
    let transfer: HTTPTransfer
  }

  private let multi: UnsafeMutableRawPointer?
  private let state = Mutex(State())

  init(connectionsMax: Int) {
    let multi = unsafe curl_multi_init()
    unsafe self.multi = multi
    if let multi = unsafe multi {
      unsafe penstock_curl_multi_set_long(multi, CURLMOPT_MAX_HOST_CONNECTIONS, connectionsMax)
      unsafe penstock_curl_multi_set_long(multi, CURLMOPT_MAXCONNECTS, connectionsMax * 2)
    }
  }

  var statistics: HTTPSession.Statistics { state.withLock { $0.statistics } }

  func start(_ order: HTTPOrder, answering: CheckedContinuation<HTTPResult, Never>) {
    let isTaken = state.withLock { state in
      guard !state.isClosed, !state.hasEnded else { return false }
      state.arrivals.append((order, answering))
      wake(state)
      return true
    }
    if !isTaken { answering.resume(returning: .failure(Self.closed)) }
  }

  func close() {
    state.withLock { state in
      state.isClosed = true
      wake(state)
    }
  }

  func wake() { state.withLock { wake($0) } }

  private func wake(_ state: borrowing State) {
    guard !state.hasEnded, let multi = unsafe multi else { return }
    unsafe curl_multi_wakeup(multi)
  }

  private static let closed = HTTPFailure(reason: "the session has ended", isAbsence: false)

  /// Until closed.
  func run() {
    var running: [UInt: Running] = [:]
    guard let multi = unsafe multi else { return end(&running) }
    while true {
      let (arrivals, isClosed) = state.withLock { state in
        defer { state.arrivals = [] }
        return (state.arrivals, state.isClosed)
      }
      for arrival in arrivals { unsafe begin(arrival.order, arrival.answering, multi, &running) }
      if isClosed { break }
      for (key, one) in running where one.order.isCancelled.load(ordering: .acquiring) {
        unsafe curl_multi_remove_handle(multi, one.transfer.handle)
        running[key] = nil
        one.answering.resume(
          returning: .failure(HTTPFailure(reason: "cancelled", isAbsence: false, isCancellation: true)))
      }
      var count: Int32 = 0
      unsafe curl_multi_perform(multi, &count)
      var code = CURLE_OK
      while let handle = unsafe penstock_curl_multi_next_end(multi, &code) {
        guard let one = running.removeValue(forKey: UInt(bitPattern: handle)) else { continue }
        unsafe curl_multi_remove_handle(multi, handle)
        finish(one, code)
      }
      // Arrivals and cancellations wake it; libcurl's own deadlines shorten the wait.
      unsafe curl_multi_poll(multi, nil, 0, 60_000, nil)
    }
    end(&running)
  }

  @unsafe private func begin(
    _ order: HTTPOrder, _ answering: Answering, _ multi: UnsafeMutableRawPointer, _ running: inout [UInt: Running]
  ) {
    do throws(HTTPFailure) {
      let transfer = try HTTPTransfer(order.request)
      guard unsafe curl_multi_add_handle(multi, transfer.handle) == CURLM_OK else { throw Self.closed }
      unsafe running[UInt(bitPattern: transfer.handle)] = Running(
        order: order, answering: answering, transfer: transfer)
    } catch { answering.resume(returning: .failure(error)) }
  }

  private func finish(_ one: Running, _ code: CURLcode) {
    let opened = one.transfer.connectionsOpened
    state.withLock { state in
      state.statistics.requests += 1
      state.statistics.connectionsOpened += opened
    }
    do throws(HTTPFailure) {
      one.answering.resume(returning: .success(try one.transfer.end(code)))
    } catch { one.answering.resume(returning: .failure(error)) }
  }

  /// Nobody is left waiting.
  private func end(_ running: inout [UInt: Running]) {
    for one in running.values {
      unsafe curl_multi_remove_handle(multi, one.transfer.handle)
      one.answering.resume(returning: .failure(Self.closed))
    }
    running = [:]
    let left = state.withLock { state in
      state.hasEnded = true
      defer { state.arrivals = [] }
      return state.arrivals
    }
    for arrival in left { arrival.answering.resume(returning: .failure(Self.closed)) }
    if let multi = unsafe multi { unsafe curl_multi_cleanup(multi) }
  }
}
