internal import ChangeModel
internal import Postgres

/// A column as a server's catalog has it.
struct StoredColumn: Hashable, Sendable {
  var name: String
  var typeOID: UInt32
  /// The name in `pg_type`, such as `int4`.
  var typeName: String
  /// `format_type`, such as `numeric(12,2)`.
  var formattedType: String
  /// Whether its texts are ordered by their bytes, whatever the database's language.
  var isByteOrdered: Bool

  /// The columns of a table by name; none when there is no such table.
  ///
  /// - Parameter isDSQL: DSQL orders all text by bytes and need not be asked.
  static func read(
    _ table: TableName, _ connection: Connection, isDSQL: Bool
  ) throws(Failure) -> [String: StoredColumn] {
    let rows = try connection.query(
      """
      SELECT a.attname, a.atttypid::bigint, t.typname, format_type(a.atttypid, a.atttypmod),
        \(isDSQL ? "true" : Self.byteOrder(connection.serverVersion))
      FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class c ON c.oid = a.attrelid
      JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
      WHERE n.nspname = $1 AND c.relname = $2 AND a.attnum > 0 AND NOT a.attisdropped
      """, [table.schema, table.name])
    var columns: [String: StoredColumn] = [:]
    for row in rows.values {
      let name = row[0] ?? ""
      columns[name] = StoredColumn(
        name: name, typeOID: UInt32(row[1] ?? "") ?? 0, typeName: row[2] ?? "", formattedType: row[3] ?? "",
        isByteOrdered: row[4] == "t")
    }
    return columns
  }

  /// glibc's C.UTF-8 orders by code point, and so do UTF-8's bytes.
  private static func byteOrder(_ version: Int) -> String {
    let provider = version >= 150_000 ? "d.datlocprovider" : "'c'"
    return """
      coalesce((SELECT CASE WHEN o.collprovider <> 'd' THEN o.collprovider = 'c' AND o.collcollate IN \(byteOrdered)
        ELSE \(provider) = 'c' AND d.datcollate IN \(byteOrdered) END
        FROM pg_catalog.pg_collation o, pg_catalog.pg_database d
        WHERE o.oid = a.attcollation AND d.datname = current_database()), false)
      """
  }

  private static let byteOrdered = "('C', 'POSIX', 'C.UTF-8', 'C.utf8')"
}
