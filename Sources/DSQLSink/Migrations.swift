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
    // The first two make the table that remembers the rest, so they run until that is there.
    for migration in all where migration.version > done {
      // To make a schema "if not exists" takes the right to make one, also where it does.
      if migration.version == 1, try TargetTables.hasSchema("penstock", connection) { continue }
      try connection.query(migration.sql)
      guard migration.version >= 2 else { continue }
      for version in (migration.version == 2 ? 1 : migration.version)...migration.version {
        try connection.query(
          "INSERT INTO penstock.migration (version, name) VALUES ($1::int, $2) ON CONFLICT (version) DO NOTHING",
          [String(version), all[version - 1].name])
      }
    }
  }
}
