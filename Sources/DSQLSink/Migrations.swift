internal import ChangeModel
internal import Migrations
internal import Postgres

extension Migration {
  /// Brings the state tables up to date: one DDL per transaction, each safe to run again.
  static func apply(on connection: Connection) throws(Failure) {
    do throws(Failure) {
      try applyAll(on: connection)
    } catch {
      guard ErrorTable.rule(for: error, in: .definition).action.isTransient else { throw error }
      var passing = error
      passing.isTransient = true
      throw passing
    }
  }

  private static func applyAll(on connection: Connection) throws(Failure) {
    var done = 0
    if try connection.query("SELECT to_regclass('penstock.migration') IS NOT NULL").single == "t" {
      done = Int(try connection.query("SELECT coalesce(max(version), 0) FROM penstock.migration").single ?? "") ?? 0
    }
    if let last = all.last, done > last.version {
      throw Failure(
        .sink, "the state tables are of a newer Penstock (version \(done), this one knows \(last.version))",
        location: connection.settings.place, hint: "Run the newer version.")
    }
    let pending = all.filter { $0.version > done }
    if pending.isEmpty { return }
    for migration in pending {
      // To make a schema "if not exists" takes the right to make one, also where it does.
      if migration.version == 1, try TargetTables.hasSchema("penstock", connection) { continue }
      try connection.query(migration.sql)
    }
    // Remembered at once, since each COMMIT may have far to go; what broke off before is run again.
    let places = pending.indices.map { "($\(2 * $0 + 1)::int, $\(2 * $0 + 2))" }.joined(separator: ", ")
    try connection.query(
      "INSERT INTO penstock.migration (version, name) VALUES \(places) ON CONFLICT (version) DO NOTHING",
      pending.flatMap { [String($0.version), $0.name] })
  }
}
