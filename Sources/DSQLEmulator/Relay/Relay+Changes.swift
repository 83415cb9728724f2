/// Rows that change beside those a statement reports, by foreign keys, functions and WITH: they count towards the
/// transaction's limit too.
extension Relay {
  private static let rowsChanged = ownStatement(
    Array(
      """
      SELECT coalesce(sum(n_tup_ins + n_tup_upd + n_tup_del), 0) FROM pg_catalog.pg_stat_xact_user_tables
      WHERE schemaname <> 'sys'
      """.utf8))

  /// Whether a statement may change more rows than it reports.
  func mayHideChanges(_ statement: Statement) -> Bool {
    if statement.hidesChanges { return true }
    guard statement.kind == .write && !statement.isCopy || statement.callsFunctions else { return false }
    let writers = shared.referee.hiddenWriters(catalog: shared.catalog.version)
    return writers.cascades && statement.kind == .write || writers.functions && statement.callsFunctions
  }

  /// Runs `body`, which executes a statement, and counts what it has changed beyond what it reported.
  func countingChanges(_ statement: Statement, _ body: () throws(Disconnected) -> Void) throws(Disconnected) {
    guard mayHideChanges(statement), rules.phase != .failed else { return try body() }
    try drain()
    if isSkipping { return }
    let before = try countRowsChanged()
    let reported = rules.rows
    try body()
    guard !isSkipping, let before, let after = try countRowsChanged() else { return }
    let hidden = after - before - (rules.rows - reported)
    guard hidden > 0, let refusal = rules.add(rows: hidden) else { return }
    if let completionMark { output.truncate(to: completionMark) }
    completionMark = nil
    try abortBackend()
    fail(refusal)
  }

  /// Measures, before a commit, what did not come from the client.
  func measure() throws(Disconnected) {
    guard rules.needsMeasuring, !rules.isDoomed else { return }
    try drain()
    if isSkipping { return }
    var exchange = Exchange(isSilent: true)
    outstanding += Self.ownAnswers
    let question = Array("SELECT sys.transaction_size(\(rules.madeRows))".utf8)
    try forward(Self.ownStatement(question) + Frontend.flushMessage)
    try pump(&exchange)
    if let error = exchange.error { return try backendRefused(error, Statement(.query, text: [])) }
    rules.measured(bytes: exchange.firstValue.flatMap { Int($0) } ?? 0)
  }

  private func countRowsChanged() throws(Disconnected) -> Int? {
    var exchange = Exchange(isSilent: true)
    outstanding += Self.ownAnswers
    try forward(Self.rowsChanged + Frontend.flushMessage)
    try pump(&exchange)
    return exchange.error == nil ? exchange.firstValue.flatMap { Int($0) } : nil
  }
}
