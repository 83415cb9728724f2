internal import CSQLite

/// The virtual table `source`: one row, whose columns are read from a `CurrentRow` only when an expression asks.
enum RowTable {
  static let name = "source"

  /// What SQLite holds for a connected table. `base` comes first: SQLite sees nothing else.
  @safe private struct Table {
    var base = unsafe sqlite3_vtab()
    var row: Unmanaged<CurrentRow>
  }

  @safe private struct Cursor {
    var base = unsafe sqlite3_vtab_cursor()
    var isAtEnd = false
  }

  /// What the module needs to make the table. Kept alive by its owner for as long as the connection lives.
  final class Definition {
    let row: CurrentRow
    /// The names, quoted.
    let names: [String]

    init(row: CurrentRow, names: [String]) {
      self.row = row
      self.names = names
    }

    var statement: String {
      let columns = zip(names, row.kinds).map { "\($0) \($1.declaration)" }
      return "CREATE TABLE \(RowTable.name)(\(columns.joined(separator: ", ")))"
    }
  }

  // SAFETY: written once, then only read.
  nonisolated(unsafe) private static let module: UnsafeMutablePointer<sqlite3_module> = {
    let module = UnsafeMutablePointer<sqlite3_module>.allocate(capacity: 1)
    unsafe module.initialize(to: sqlite3_module())
    // Without xCreate the table is there by its name, and nothing else can be made of the module.
    unsafe module.pointee.xConnect = { database, auxiliary, _, _, out, _ in unsafe connect(database, auxiliary, out) }
    unsafe module.pointee.xDisconnect = { table in
      unsafe UnsafeMutableRawPointer(table)?.assumingMemoryBound(to: Table.self).deallocate()
      return SQLITE_OK
    }
    unsafe module.pointee.xBestIndex = { _, plan in
      unsafe plan?.pointee.estimatedCost = 1
      unsafe plan?.pointee.estimatedRows = 1
      return SQLITE_OK
    }
    unsafe module.pointee.xOpen = { _, out in
      let cursor = UnsafeMutablePointer<Cursor>.allocate(capacity: 1)
      unsafe cursor.initialize(to: Cursor())
      unsafe out?.pointee = UnsafeMutableRawPointer(cursor).assumingMemoryBound(to: sqlite3_vtab_cursor.self)
      return SQLITE_OK
    }
    unsafe module.pointee.xClose = { cursor in
      unsafe RowTable.cursor(cursor)?.deallocate()
      return SQLITE_OK
    }
    unsafe module.pointee.xFilter = { cursor, _, _, _, _ in
      unsafe RowTable.cursor(cursor)?.pointee.isAtEnd = false
      return SQLITE_OK
    }
    unsafe module.pointee.xNext = { cursor in
      unsafe RowTable.cursor(cursor)?.pointee.isAtEnd = true
      return SQLITE_OK
    }
    unsafe module.pointee.xEof = { cursor in unsafe RowTable.cursor(cursor)?.pointee.isAtEnd == false ? 0 : 1 }
    unsafe module.pointee.xColumn = { cursor, context, column in
      // SAFETY: a cursor's `pVtab` is set by SQLite to the table that `connect` has made.
      let table = unsafe UnsafeMutableRawPointer(cursor?.pointee.pVtab)?.assumingMemoryBound(to: Table.self)
      unsafe table?.pointee.row._withUnsafeGuaranteedRef { unsafe $0.give(Int(column), to: context) }
      return SQLITE_OK
    }
    unsafe module.pointee.xRowid = { _, id in
      unsafe id?.pointee = 1
      return SQLITE_OK
    }
    return unsafe module
  }()

  private static func cursor(_ base: UnsafeMutablePointer<sqlite3_vtab_cursor>?) -> UnsafeMutablePointer<Cursor>? {
    unsafe UnsafeMutableRawPointer(base)?.assumingMemoryBound(to: Cursor.self)
  }

  private static func connect(
    _ database: OpaquePointer?, _ auxiliary: UnsafeMutableRawPointer?,
    _ out: UnsafeMutablePointer<UnsafeMutablePointer<sqlite3_vtab>?>?
  ) -> Int32 {
    guard let auxiliary = unsafe auxiliary else { return SQLITE_ERROR }
    // SAFETY: `attach` gave it; the connection's owner keeps it.
    let definition = unsafe Unmanaged<Definition>.fromOpaque(auxiliary).takeUnretainedValue()
    let status = unsafe sqlite3_declare_vtab(database, definition.statement)
    guard status == SQLITE_OK else { return status }
    let table = UnsafeMutablePointer<Table>.allocate(capacity: 1)
    unsafe table.initialize(to: Table(row: .passUnretained(definition.row)))
    unsafe out?.pointee = UnsafeMutableRawPointer(table).assumingMemoryBound(to: sqlite3_vtab.self)
    return SQLITE_OK
  }

  /// Makes the table known to a connection.
  static func attach(_ definition: Definition, to database: OpaquePointer?) -> Int32 {
    unsafe sqlite3_create_module_v2(database, name, module, Unmanaged.passUnretained(definition).toOpaque(), nil)
  }
}
