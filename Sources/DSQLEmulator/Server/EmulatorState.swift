import CPenstockShims
import Glibc
import Synchronization

/// What all sessions of one emulator share.
final class EmulatorState: Sendable {
  let options: EmulatorOptions
  let backendPassword: String?
  let signIn: SignInRules
  let faults: Faults
  let catalog = Catalog()
  let referee: Referee
  let log: Log
  private let start = ContinuousClock.now
  private let connects: Mutex<ConnectRules>
  private let wakingLeft: Atomic<Int>
  /// Set when the emulator takes no more clients.
  let isStopped = Atomic(false)

  init(options: EmulatorOptions, backendPassword: String?, signIn: SignInRules) {
    self.options = options
    self.backendPassword = backendPassword
    self.signIn = signIn
    faults = Faults(rates: options.faults, seed: options.seed)
    referee = Referee(conninfo: options.backend, password: backendPassword)
    log = Log(isVerbose: options.logsVerbosely)
    connects = Mutex(
      ConnectRules(
        ratePerSecond: options.connectRate, burst: options.connectBurst, openMax: options.connectionsMax))
    wakingLeft = Atomic(options.wakingConnects)
  }

  /// Whether each statement has to be asked for by itself.
  var delaysOrFailsStatements: Bool { options.statementLatency > .zero || options.faults.unavailable > 0 }

  /// Time since the emulator started.
  var now: Duration { ContinuousClock.now - start }

  /// The clock of sessions' and transactions' ages, which may run faster.
  var clock: Duration { now * options.clockRate }

  /// Counts a new connection in; every call is paired with `connectionClosed`.
  func connectionOpened() -> ServerError? {
    if let error = connects.withLock({ $0.opened(now: now) }) { return error }
    if wakingLeft.load(ordering: .relaxed) > 0, wakingLeft.wrappingSubtract(1, ordering: .relaxed).oldValue > 0 {
      return ServerError("08006", "unable to accept connection, waking up cluster, please retry later")
    }
    return faults.strikes(.refuseConnect) ? ConnectRules.rateExceeded : nil
  }
  func connectionClosed() { connects.withLock { $0.closed() } }

  /// Waits, on a session's own thread.
  func pause(_ duration: Duration) {
    if duration <= .zero { return }
    let (seconds, attoseconds) = duration.components
    var wanted = timespec(tv_sec: Int(seconds), tv_nsec: Int(attoseconds / 1_000_000_000))
    var left = timespec()
    while unsafe nanosleep(&wanted, &left) != 0, errno == EINTR { wanted = left }
  }
}

/// The version of the catalog, over all sessions: it grows with every committed definition.
final class Catalog: Sendable {
  private let number = Atomic(0)

  var version: Int { number.load(ordering: .acquiring) }
  /// Counts one change and returns the new version.
  func changed() -> Int { number.add(1, ordering: .acquiringAndReleasing).newValue }
}

/// Lines on standard error.
struct Log: Sendable {
  let isVerbose: Bool

  func notice(_ line: String) { write(line) }
  func detail(_ line: @autoclosure () -> String) { if isVerbose { write(line()) } }

  private func write(_ line: String) {
    let bytes = Array("dsql-emulator: \(line)\n".utf8)
    _ = unsafe Glibc.write(STDERR_FILENO, bytes, bytes.count)
  }
}
