/// DSQL's rules that span a transaction: rows, bytes, age, one definition and no writes beside it, and what an error
/// leaves behind. Pure: time and the catalog's version come in as arguments, verdicts go out.
struct TransactionRules {
  struct Limits: Sendable {
    var rowsMax = 3000
    var bytesMax = 10 * 1024 * 1024
    var age = Duration.seconds(300)
  }
  enum Phase {
    /// No transaction.
    case idle
    /// Statements have run that the next Sync, or the end of a Query, commits.
    case implicit
    /// After BEGIN.
    case block
    /// After an error in a block: only COMMIT and ROLLBACK, which both roll back.
    case failed
  }

  let limits: Limits
  private(set) var phase = Phase.idle
  private(set) var rows = 0
  /// Rows that locking clauses have added to the conflict set; the limit holds for them by themselves.
  private(set) var lockedRows = 0
  private(set) var bytes = 0
  /// Rows whose size is not known from what the client has sent.
  private(set) var madeRows = 0
  private(set) var definitions = 0
  private(set) var hasWritten = false
  /// Whether it has read or written stored rows, and so depends on the catalog.
  private var touchedStorage = false
  /// Whether a write has met another transaction's: COMMIT must fail.
  private(set) var isDoomed = false
  private var startedAt = Duration.zero
  /// The catalog's version this session last worked with.
  private(set) var seenCatalog: Int

  init(limits: Limits, catalog: Int) {
    self.limits = limits
    seenCatalog = catalog
  }

  var isInBlock: Bool { phase == .block || phase == .failed }

  /// Asked before a statement runs; afterwards it counts as begun.
  /// - Parameter catalog: the catalog's version now.
  mutating func judge(_ statement: Statement, now: Duration, catalog: Int) -> ServerError? {
    if phase == .failed {
      return statement.refusal == nil && (statement.kind == .commit || statement.kind == .rollback)
        ? nil : .abortedBlock
    }
    // A refused COMMIT ends its block, so it has a question of its own.
    if statement.kind == .commit || statement.kind == .rollback, statement.refusal == nil { return nil }
    if phase != .idle, let error = ageRefusal(now: now) { return error }
    if let refusal = statement.refusal { return refusal }
    if statement.touchesStorage, let error = catalogRefusal(catalog) { return error }
    if statement.needsBlock, !isInBlock { return .unsupportedSetting("role") }
    if statement.needsNoBlock, isInBlock {
      return ServerError("25001", "sys.wait_for_job cannot run inside a transaction block")
    }
    switch statement.kind {
    case .definition:
      if definitions > 0 { return .unsupported("multiple ddl statements not supported in a transaction") }
      if hasWritten { return .unsupported("ddl and dml are not supported in the same transaction") }
      definitions += 1
    case .write:
      if definitions > 0 { return .unsupported("ddl and dml are not supported in the same transaction") }
      hasWritten = true
    default: break
    }
    if statement.touchesStorage { touchedStorage = true }
    if phase == .idle {
      phase = .implicit
      startedAt = now
    }
    return nil
  }

  /// A stale catalog is noticed once; the error itself brings the session up to date.
  private mutating func catalogRefusal(_ catalog: Int) -> ServerError? {
    guard catalog != seenCatalog else { return nil }
    seenCatalog = catalog
    return ServerError("40001", "schema has been updated by another transaction (OC001)")
  }

  private func ageRefusal(now: Duration) -> ServerError? {
    let age = now - startedAt
    guard age > limits.age else { return nil }
    let limit = limits.age.components.seconds
    return ServerError(
      "54000", "transaction age limit of \(limit)s exceeded",
      detail: "Current transaction age \(age.components.seconds)s exceeds \(limit)s")
  }

  /// BEGIN has run; what an implicit transaction did before belongs to the block.
  mutating func began(now: Duration) {
    if phase == .idle { startedAt = now }
    phase = .block
  }

  /// Bytes of a write's parameters, COPY rows or literal text. They are checked at COMMIT only.
  mutating func add(bytes size: Int) { bytes += size }

  /// Rows that a finished statement has changed.
  /// - Parameter isMade: whether they did not come from the client.
  mutating func add(rows count: Int, isMade: Bool = false) -> ServerError? {
    rows += count
    if isMade { madeRows += count }
    if count > 0 { hasWritten = true }
    return rows > limits.rowsMax ? ServerError("54000", "transaction row limit exceeded") : nil
  }

  /// Rows that a finished `FOR UPDATE` or `FOR KEY SHARE` has returned.
  mutating func add(lockedRows count: Int) -> ServerError? {
    lockedRows += count
    return lockedRows > limits.rowsMax ? ServerError("54000", "transaction row limit exceeded") : nil
  }

  /// Why this transaction may not commit.
  mutating func commitRefusal(now: Duration, catalog: Int) -> ServerError? {
    if let error = ageRefusal(now: now) { return error }
    if touchedStorage || isDoomed, let error = catalogRefusal(catalog) { return error }
    if isDoomed { return .conflict }
    guard bytes > limits.bytesMax else { return nil }
    let mebibyte = 1024 * 1024
    return ServerError(
      "54000", "transaction size limit 10mb exceeded",
      detail: "Current transaction size \((bytes + mebibyte - 1) / mebibyte)mb > 10mb")
  }

  /// Whether the rows that did not come from the client may be too large: each is of 2 MiB at most.
  var needsMeasuring: Bool { madeRows * 2 * 1024 * 1024 >= limits.bytesMax }
  /// They have been measured.
  mutating func measured(bytes size: Int) {
    madeRows = 0
    bytes += size
  }

  mutating func doom() { isDoomed = true }

  /// An error has been answered.
  mutating func failed() {
    if isInBlock { phase = .failed } else { ended() }
  }

  /// The transaction is over, committed or not.
  mutating func ended() {
    phase = .idle
    rows = 0
    lockedRows = 0
    bytes = 0
    madeRows = 0
    definitions = 0
    hasWritten = false
    touchedStorage = false
    isDoomed = false
  }

  /// This session has itself changed the catalog.
  mutating func sawCatalog(_ version: Int) { seenCatalog = version }
}

extension ServerError {
  /// Another transaction has written the same rows.
  static let conflict = ServerError("40001", "change conflicts with another transaction (OC000)")
}
