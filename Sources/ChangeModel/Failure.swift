/// A five-character SQLSTATE. A two-character pattern stands for its whole class when matched with `~=`.
package struct SQLState: Hashable, Sendable, CustomStringConvertible, ExpressibleByStringLiteral {
  package let code: String

  package init(_ code: String) { self.code = code }
  package init(stringLiteral value: String) { code = value }

  package var description: String { code }

  package static func ~= (pattern: SQLState, state: SQLState) -> Bool {
    pattern.code.utf8.count == 2 ? state.code.hasPrefix(pattern.code) : pattern == state
  }
}

/// A failure that says what happened, where, and what to do about it.
package struct Failure: Error, Sendable, CustomStringConvertible {
  /// Which part failed; it decides the exit code.
  package enum Kind: String, Sendable {
    /// The command line or the configuration file is wrong: exit code 2.
    case configuration
    /// The source refused, or cannot be what we need: exit code 3.
    case source
    /// The sink refused: exit code 4.
    case sink
    /// Another instance has taken this pipeline over: exit code 5.
    case fenced
  }

  package var kind: Kind
  /// One line, a fact, no advice. Never holds a secret or a row value that is not a key.
  package var message: String
  /// What it happened to: a table and key, a position, a host. May be empty.
  package var location: String
  /// A full sentence an operator can act on. May be empty.
  package var hint: String
  /// The server's SQLSTATE, if a server spoke.
  package var state: SQLState?
  /// Whether the connection it happened on can no longer be used.
  package var connectionLost: Bool
  /// Whether the same work may succeed later without anyone changing anything.
  package var isTransient: Bool
  /// What an error policy has decided; `nil` leaves it to the table of errors.
  package var verdict: ErrorAction?

  package init(
    _ kind: Kind, _ message: String, location: String = "", hint: String = "", state: SQLState? = nil,
    connectionLost: Bool = false, isTransient: Bool = false
  ) {
    self.kind = kind
    self.message = message
    self.location = location
    self.hint = hint
    self.state = state
    self.connectionLost = connectionLost
    self.isTransient = isTransient
  }

  package var description: String {
    var text = message
    if let state { text += " (SQLSTATE \(state))" }
    if !location.isEmpty { text += "\n  where: \(location)" }
    if !hint.isEmpty { text += "\n  to do: \(hint)" }
    return text
  }

  /// The process's exit code for this failure; the codes are part of the command line's contract.
  package var exitCode: Int32 {
    switch kind {
    case .configuration: 2
    case .source: 3
    case .sink: 4
    case .fenced: 5
    }
  }
}
