/// Decides what is done about the target's errors where the table of errors (`docs/errors.md`) is not what is wanted.
///
/// It is asked wherever Penstock decides, on the thread that met the error, from several threads, and more than once about
/// one error: it must answer at once, and only by what it is given. What it does not know it answers with
/// `error.proposed`, as do the three when they are left out. Whatever it answers, no change is lost: a transaction takes
/// effect once or not at all, and how long something is repeated stays bounded by `sink.retry`.
public protocol ErrorPolicy: Sendable {
  /// No session, or one that ended: the network, a refused login, a server that goes away.
  func connectionError(_ error: TargetError) -> Disposition

  /// A transaction that the target refuses for its rows, its size, or a conflict.
  func dataError(_ error: TargetError) -> Disposition

  /// A table, column, right or feature that the target lacks.
  func schemaError(_ error: TargetError) -> Disposition
}

extension ErrorPolicy {
  public func connectionError(_ error: TargetError) -> Disposition { error.proposed }
  public func dataError(_ error: TargetError) -> Disposition { error.proposed }
  public func schemaError(_ error: TargetError) -> Disposition { error.proposed }
}

/// An error of the target, as a policy sees it. It holds no values of rows.
public struct TargetError: Sendable {
  /// `nil` when no server spoke, and while connecting, where libpq keeps none.
  public let sqlState: String?
  /// The server's words, or libpq's.
  public let message: String
  /// Server, user and database, and the table and constraint if the server names them.
  public let location: String
  /// Whether it arose while a session was opened.
  public let isConnecting: Bool
  /// What the table of errors says.
  public let proposed: Disposition

  package init(
    sqlState: String?, message: String, location: String, isConnecting: Bool, proposed: Disposition
  ) {
    self.sqlState = sqlState
    self.message = message
    self.location = location
    self.isConnecting = isConnecting
    self.proposed = proposed
  }
}

/// What is done about an error.
///
/// While connecting only `reconnect`, `refreshToken` and `stop` are possible, on a session that ended only `reconnect` and
/// `stop`; another one stops the pipeline.
public enum Disposition: String, Hashable, Sendable, CaseIterable {
  /// The whole transaction again, over the same session, within `sink.retry`.
  case retry
  /// Again over a new session, once it is known whether the transaction has committed, within `sink.retry`.
  case reconnect
  /// One other token from the authentication provider, then `stop`.
  case refreshToken
  /// The same rows in smaller transactions.
  case split
  /// The refused row is found by halving, and becomes a dead letter if `sink.on-error` says so; else the pipeline stops.
  case isolateRow
  /// All lanes' changes in one step, so that a unique value can change hands between rows.
  case replaySerially
  /// The pipeline ends with the error.
  case stop
}
