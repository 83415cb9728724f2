/// One statement as the emulator sees it: what it does to a transaction, and what a backend is asked in its place.
struct Statement: Sendable {
  enum Kind: Sendable {
    case begin, commit, rollback
    /// Reads, or says something about the session.
    case query
    /// Reads rows and adds them to the conflict set: `FOR UPDATE`, `FOR KEY SHARE`.
    case lockingQuery
    /// Writes rows: they count towards the transaction's limits.
    case write
    /// Changes the catalog; GRANT and REVOKE count too.
    case definition
  }

  var kind: Kind
  /// Why DSQL never runs it, whatever the transaction's state.
  var refusal: ServerError?
  /// The text for the backend; the client's own text as it was, unless DSQL's words had to be taken out or replaced.
  var text: [UInt8]
  /// Whether `text` differs from what the client sent.
  var isRewritten = false
  /// The command tag DSQL reports, where the rewritten statement's differs.
  var tag: String?
  /// Whether it reads or writes stored rows: only such a statement notices that the catalog has changed.
  var touchesStorage = false
  /// Whether the backend's result columns are not part of DSQL's answer.
  var hidesRows = false
  /// Whether it may change rows that its command tag does not count: in WITH, under EXPLAIN ANALYZE.
  var hidesChanges = false
  /// A write whose rows do not come from the client: its text and parameters do not tell how large they are.
  var makesRows = false
  /// Whether it calls functions, which may be a client's own, and change rows.
  var callsFunctions = false
  /// COPY: its rows do not come with the statement.
  var isCopy = false
  /// COPY FROM: its rows come from the client, after the statement.
  var isCopyIn = false
  /// `DEALLOCATE ALL`.
  var forgetsStatements = false
  /// Accepted inside a transaction block only.
  var needsBlock = false
  /// Accepted outside of transaction blocks only.
  var needsNoBlock = false

  init(_ kind: Kind, text: [UInt8], refusal: ServerError? = nil) {
    self.kind = kind
    self.text = text
    self.refusal = refusal
  }
}

/// A place of a text, counted in bytes from its start, where something is written in the place of what is there.
struct TextEdit {
  let location: Int
  var removal = 0
  let insertion: String
}

/// The statements of one Query or Parse message, or the syntax error in it.
struct Script: Sendable {
  var statements: [Statement] = []
  var syntaxError: ServerError?
}

extension ServerError {
  /// `0A000`, DSQL's code for everything it does not have.
  static func unsupported(_ message: String) -> ServerError { ServerError("0A000", message) }
  static func unsupportedStatement(_ name: String) -> ServerError { unsupported("unsupported statement: \(name)") }
  static func unsupportedSetting(_ name: String) -> ServerError {
    unsupported("setting configuration parameter \"\(name)\" not supported")
  }
}
