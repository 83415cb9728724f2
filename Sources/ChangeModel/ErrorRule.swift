/// Where in the work an error arises; the same SQLSTATE may mean different things.
package enum ErrorPhase: String, Hashable, Sendable, CaseIterable {
  /// While a session is opened. libpq keeps no SQLSTATE there, so the text decides.
  case connect
  /// On a statement before COMMIT.
  case statement
  /// On COMMIT, or while its answer is waited for.
  case commit
  /// On a statement that makes our own tables, which another instance may be making too.
  case definition
}

/// Why a target refuses one row, for the policy about such rows.
package enum RowErrorClass: String, Hashable, Sendable, CaseIterable {
  /// A value that the target's column can't hold.
  case data
  /// A constraint of the target that the row violates.
  case constraint
  /// A row, a value or a key that is too large.
  case size
}

/// What is done about an error.
package enum ErrorAction: Hashable, Sendable {
  /// The whole transaction again, over the same session.
  case repeatTransaction
  /// What the target remembers tells whether the transaction has committed; if not, again, over the same session.
  case lookAndRepeat
  /// The whole transaction again, over a new session, whose statements are prepared against the new catalog.
  case refreshCatalog
  /// A new session; then what the target remembers tells whether the transaction has committed.
  case reconnect
  /// A newly signed token at once, by whoever opens the session; a second refusal stays.
  case refreshToken
  /// The same changes in smaller transactions.
  case split
  /// All lanes stand still and one of them writes what all have queued, so that unique values can change hands.
  case replaySerially
  /// The refused row is found by bisection, and goes where the policy says.
  case isolate(RowErrorClass)
  /// The pipeline ends with the error, having lost nothing.
  case stop

  /// Whether the same work may succeed later without anyone changing anything.
  package var isTransient: Bool {
    switch self {
    case .repeatTransaction, .lookAndRepeat, .refreshCatalog, .reconnect: true
    case .refreshToken, .split, .replaySerially, .isolate, .stop: false
    }
  }

  /// For the page about errors.
  package var words: String {
    switch self {
    case .repeatTransaction: "repeat the transaction"
    case .lookAndRepeat: "look whether it committed, repeat"
    case .refreshCatalog: "repeat it in a new session"
    case .reconnect: "reconnect"
    case .refreshToken: "sign a new token"
    case .split: "split"
    case .replaySerially: "replay serially"
    case .isolate(let rowClass): "isolate the row: \(rowClass.rawValue)"
    case .stop: "stop"
    }
  }
}

/// How long an action is tried before the pipeline stops.
package enum ErrorBudget: String, Hashable, Sendable {
  case none = "none"
  case retry = "sink.retry"
  case once = "once"
  case oneRow = "down to one row"
  case deadLetters = "sink.dead-letter-limit"
}

/// One row of the table of errors.
package struct ErrorRule: Hashable, Sendable {
  /// What an error's SQLSTATE must be.
  package enum States: Hashable, Sendable {
    case any
    /// No server has spoken.
    case none
    /// One of these, or of these classes.
    case these([SQLState])
  }

  package var states: States
  /// The server's text or hint must hold one of these; empty for any text.
  package var texts: [String]
  package var phases: [ErrorPhase]
  package var action: ErrorAction
  package var budget: ErrorBudget
  /// What an operator can do about it. A full sentence.
  package var remedy: String
  /// Whether the server ends the session with it.
  package var endsSession: Bool
  /// What the server sends beside the text of a refused connect, where that is always the same.
  package var serverState: SQLState?

  /// - Parameter phases: in which it counts.
  init(
    _ states: States, text texts: [String] = [], in phases: [ErrorPhase] = [.statement, .commit],
    _ action: ErrorAction, within budget: ErrorBudget = .retry, endsSession: Bool = false, _ remedy: String
  ) {
    self.states = states
    self.texts = texts
    self.phases = phases
    self.action = action
    self.budget = budget
    self.endsSession = endsSession
    self.remedy = remedy
  }

  /// Whether the rule is about such an error.
  package func covers(_ state: SQLState?, _ text: String, _ phase: ErrorPhase) -> Bool {
    guard phases.contains(phase) else { return false }
    switch (states, state) {
    case (.any, _), (.none, nil): break
    case (.these(let patterns), let state?) where patterns.contains { $0 ~= state }: break
    default: return false
    }
    return texts.isEmpty || texts.contains { text.contains($0) }
  }
}
