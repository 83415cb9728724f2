import CPenstockShims
import Glibc
import Synchronization

/// What other sessions may know of one, and ask of it.
final class SessionHandle: Sendable {
  private struct State {
    /// Counts this session's transactions; the current one has this number.
    var transaction = 0
    /// The latest transaction that has committed, or is about to.
    var committed = -1
    /// The transaction that has lost to another's commit.
    var doomed = -1
    var isDefining = false
  }

  let processID: Int32
  /// Becomes readable when the session should look at itself.
  let wakeup: Int32
  private let state = Mutex(State())

  init(processID: Int32) {
    self.processID = processID
    wakeup = penstock_eventfd()
  }
  deinit { close(wakeup) }

  var transaction: Int { state.withLock(\.transaction) }

  /// The current transaction is about to commit: who it has stood in the way of has lost.
  func commits() { state.withLock { $0.committed = $0.transaction } }
  /// The current transaction is over.
  func ended() {
    state.withLock { state in
      state.transaction += 1
      state.isDefining = false
    }
  }
  /// The current transaction changes the catalog: writers wait for it, as its work is done behind their backs in DSQL.
  func defines() { state.withLock { $0.isDefining = true } }
  var isDefining: Bool { state.withLock(\.isDefining) }
  func hasCommitted(_ transaction: Int) -> Bool { state.withLock { $0.committed >= transaction } }

  /// Another session commits what this transaction has written too.
  func doom(_ transaction: Int) {
    state.withLock { if $0.transaction == transaction { $0.doomed = transaction } }
    penstock_eventfd_signal(wakeup)
  }
  /// Whether the current transaction has been doomed since this was last asked.
  func takeDoom() -> Bool {
    state.withLock { state in
      defer { state.doomed = -1 }
      return state.doomed == state.transaction
    }
  }
}

/// A transaction that holds what another one wants.
struct Blocker {
  let session: SessionHandle
  let transaction: Int
}

/// Sees through the backend's locks who stands in whose way; DSQL has no locks, and decides at COMMIT.
final class Referee: Sendable {
  private let shared: Mutex<State>

  private struct State {
    /// What may change rows that no command tag counts, as of a version of the catalog.
    var hidden: (catalog: Int, writers: HiddenWriters)?
    var connection: BackendConnection?
    var sessions: [Int32: SessionHandle] = [:]
  }
  private let conninfo: String
  private let password: String?

  init(conninfo: String, password: String?) {
    self.conninfo = conninfo
    self.password = password
    shared = Mutex(State())
  }

  func add(_ session: SessionHandle) { shared.withLock { $0.sessions[session.processID] = session } }
  func remove(_ session: SessionHandle) { shared.withLock { $0.sessions[session.processID] = nil } }

  /// Who holds the locks that a session waits for; `nil` when it waits for none, or when another session is asking: what
  /// it waits for may come sooner than its turn. Sessions that are not this emulator's are left out.
  func blockers(of session: SessionHandle) -> [Blocker]? {
    let blockers = shared.withLockIfAvailable { state -> [Blocker]? in
      let text = ask(&state, Self.question(session.processID)) ?? ""
      let processIDs = text.split(separator: " ").compactMap { Int32($0) }
      if processIDs.isEmpty { return nil }
      return processIDs.compactMap { state.sessions[$0] }.map { Blocker(session: $0, transaction: $0.transaction) }
    }
    return blockers ?? nil
  }

  /// Only locks on rows, keys and definitions say that two transactions overlap. Those on extending a file are none of
  /// DSQL's, and soon free.
  private static func question(_ processID: Int32) -> String {
    """
    SELECT array_to_string(pg_blocking_pids(pid), ' ') FROM pg_locks WHERE pid = \(processID) AND NOT granted
    AND locktype IN ('transactionid', 'tuple', 'spectoken', 'relation', 'object') LIMIT 1
    """
  }

  /// What may change rows that no command tag counts.
  struct HiddenWriters: Sendable {
    /// Foreign keys that cascade.
    let cascades: Bool
    /// Functions of clients' own.
    let functions: Bool
  }

  /// Asked of the backend once per version of the catalog.
  func hiddenWriters(catalog: Int) -> HiddenWriters {
    shared.withLock { state in
      if let known = state.hidden, known.catalog == catalog { return known.writers }
      let answer = ask(&state, Self.hiddenQuestion) ?? ""
      let writers = HiddenWriters(cascades: answer.contains("c"), functions: answer.contains("f"))
      state.hidden = (catalog, writers)
      return writers
    }
  }

  private static let hiddenQuestion = """
    SELECT CASE WHEN EXISTS (SELECT FROM pg_constraint WHERE contype = 'f'
                             AND (confdeltype NOT IN ('a', 'r') OR confupdtype NOT IN ('a', 'r'))) THEN 'c' ELSE '' END
        || CASE WHEN EXISTS (SELECT FROM pg_proc WHERE provolatile = 'v' AND oid > 16383
                             AND pronamespace <> 'sys'::regnamespace) THEN 'f' ELSE '' END
    """

  /// Ends the jobs whose time is over.
  func finishJobs() { shared.withLock { _ = ask(&$0, "SELECT sys.finish_jobs()") } }

  /// Forgets what it knows of the catalog: a backend may have been changed behind the emulator.
  func forgetCatalog() { shared.withLock { $0.hidden = nil } }

  /// Ends the statement that a session waits in.
  func cancel(_ session: SessionHandle) {
    shared.withLock { _ = ask(&$0, "SELECT pg_cancel_backend(\(session.processID))") }
  }

  /// One question to the backend, over a connection that is made when first needed and made anew when lost.
  private func ask(_ state: inout State, _ sql: String) -> String? {
    if let connection = state.connection, let answer = try? connection.run(sql) { return answer }
    state.connection = try? BackendConnection(conninfo: conninfo, password: password, settings: [])
    return try? state.connection?.run(sql)
  }
}
