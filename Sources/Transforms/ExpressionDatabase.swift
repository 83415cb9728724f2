internal import CSQLite
internal import ChangeModel
internal import SQLMapping

/// What SQLite says about a text that it can't compile.
struct SQLProblem: Error {
  var message: String
  /// Where in the text, in bytes; `nil` when SQLite does not tell.
  var offset: Int?

  /// The column that the text names and there is not.
  var missingColumn: String? {
    let prefix = "no such column: "
    return message.hasPrefix(prefix) ? String(message.dropFirst(prefix.count)) : nil
  }
}

/// A connection to an empty database in memory, in which expressions find nothing but the row.
@safe final class ExpressionDatabase {
  // SAFETY: owned; closed in `deinit`. Everything registered on it is held below.
  private var database: OpaquePointer?
  let row: CurrentRow
  let authorization: Authorization
  private let table: RowTable.Definition
  private let dates: DateFunctions

  /// - Throws: when SQLite can't take the columns, such as two whose names differ in case only.
  init(_ inputs: [TransformInput]) throws(Failure) {
    var names: [String: String] = [:]
    for input in inputs {
      if let other = names.updateValue(input.name, forKey: input.name.lowercased()) {
        throw Failure(
          .configuration, "columns \"\(other)\" and \"\(input.name)\" are one name to a transform's SQL",
          hint: "Rename one of them in the source, or leave the table out of transform.")
      }
    }
    guard let dates = DateFunctions() else { throw Self.unusable("it has no memory") }
    self.dates = dates
    row = CurrentRow(inputs.map { InputKind(typeName: $0.typeName) })
    authorization = Authorization(columns: inputs.map(\.name))
    table = RowTable.Definition(row: row, names: inputs.map { quotedIdentifier($0.name) })
    let flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX
    var status = unsafe sqlite3_open_v2(":memory:", &database, flags, nil)
    if status == SQLITE_OK { status = unsafe penstock_sqlite_harden(database) }
    if status == SQLITE_OK { status = unsafe RowTable.attach(table, to: database) }
    if status == SQLITE_OK { status = unsafe dates.register(on: database) }
    if status == SQLITE_OK { status = unsafe registerKeyedHash(on: database) }
    // The table is made when it is named for the first time, which expressions must not do.
    if status == SQLITE_OK { status = unsafe sqlite3_exec(database, "SELECT 1 FROM \(RowTable.name)", nil, nil, nil) }
    if status == SQLITE_OK { status = unsafe authorization.watch(database) }
    if status != SQLITE_OK { throw Self.unusable(message) }
  }

  deinit { unsafe sqlite3_close_v2(database) }

  private static func unusable(_ reason: String) -> Failure {
    Failure(
      .configuration, "SQLite \(unsafe String(cString: sqlite3_libversion())) can't be used: \(reason)",
      hint: "Transforms need SQLite 3.38 or newer, as Debian 12 has it.")
  }

  /// What SQLite said last.
  var message: String { unsafe String(cString: sqlite3_errmsg(database)) }

  /// Compiles one statement.
  func prepare(_ sql: String) throws(SQLProblem) -> ExpressionStatement {
    authorization.begin()
    var statement: OpaquePointer?
    var isWhole = true
    var text = sql
    let status = text.withUTF8 { bytes in
      var tail: UnsafePointer<CChar>?
      let start = unsafe UnsafeRawPointer(bytes.baseAddress)?.assumingMemoryBound(to: CChar.self)
      let status = unsafe sqlite3_prepare_v3(
        database, start, Int32(bytes.count), UInt32(SQLITE_PREPARE_PERSISTENT), &statement, &tail)
      if let tail = unsafe tail, let start = unsafe start { isWhole = unsafe tail - start == bytes.count }
      return status
    }
    if status != SQLITE_OK {
      let offset = unsafe Int(sqlite3_error_offset(database))
      throw SQLProblem(message: authorization.refusal ?? message, offset: offset < 0 ? nil : offset)
    }
    guard let compiled = unsafe statement else { throw SQLProblem(message: "it holds no expression") }
    let result = unsafe ExpressionStatement(compiled, of: self)
    guard isWhole else { throw SQLProblem(message: "it goes on after its end: one expression is one statement") }
    if unsafe sqlite3_bind_parameter_count(compiled) > 0 {
      throw SQLProblem(message: "it has a parameter: write the value itself")
    }
    return result
  }
}

/// A compiled statement. Owns it.
@safe final class ExpressionStatement {
  // SAFETY: owned; finalized in `deinit`, before the database, which is held.
  private let statement: OpaquePointer
  private let database: ExpressionDatabase

  init(_ statement: OpaquePointer, of database: ExpressionDatabase) {
    unsafe self.statement = statement
    self.database = database
  }

  deinit { unsafe sqlite3_finalize(statement) }

  var columnCount: Int { unsafe Int(sqlite3_column_count(statement)) }

  func name(of column: Int) -> String {
    unsafe sqlite3_column_name(statement, Int32(column)).map { unsafe String(cString: $0) } ?? ""
  }

  /// The row's column that a result column is, unless it is computed.
  func origin(of column: Int) -> String? {
    unsafe sqlite3_column_origin_name(statement, Int32(column)).map { unsafe String(cString: $0) }
  }

  /// Whether there is a row.
  ///
  /// - Throws: what an expression has to say; it may hold parts of values.
  func step() throws(SQLProblem) -> Bool {
    switch unsafe sqlite3_step(statement) {
    case SQLITE_ROW: return true
    case SQLITE_DONE: return false
    default: throw SQLProblem(message: database.message)
    }
  }

  func reset() { unsafe sqlite3_reset(statement) }

  /// Appends a column's value with its length, as the type prints it.
  ///
  /// - Returns: false when the type does not hold the value.
  func append(_ column: Int, _ type: OutputType, to out: inout ByteBuffer) -> Bool {
    let column = Int32(column)
    var text: [UInt8]?
    switch unsafe sqlite3_column_type(statement, column) {
    case SQLITE_NULL:
      out.append(bigEndian: Int32(-1))
      return true
    case SQLITE_INTEGER: text = unsafe type.text(of: sqlite3_column_int64(statement, column))
    case SQLITE_FLOAT: text = unsafe type.text(of: sqlite3_column_double(statement, column))
    case SQLITE_TEXT:
      let start = unsafe sqlite3_column_text(statement, column)
      let bytes = unsafe UnsafeRawBufferPointer(start: start, count: Int(sqlite3_column_bytes(statement, column)))
      if type.keepsText {
        out.append(bigEndian: Int32(bytes.count))
        unsafe out.append(bytes)
        return true
      }
      text = unsafe type.text(of: bytes)
    default:
      let start = unsafe sqlite3_column_blob(statement, column)
      let count = unsafe Int(sqlite3_column_bytes(statement, column))
      text = unsafe type.text(ofBytes: UnsafeRawBufferPointer(start: start, count: count))
    }
    guard let text else { return false }
    out.append(bigEndian: Int32(text.count))
    out.append(text)
    return true
  }

  /// What kind of value a column holds, for a message.
  func kind(of column: Int) -> String {
    switch unsafe sqlite3_column_type(statement, Int32(column)) {
    case SQLITE_INTEGER: "an integer"
    case SQLITE_FLOAT: "a floating-point number"
    case SQLITE_TEXT: "a text"
    case SQLITE_BLOB: "bytes"
    default: "NULL"
    }
  }
}

extension OutputType {
  /// Whether a text is a value as it stands.
  fileprivate var keepsText: Bool {
    switch self {
    case .text, .varchar, .json: true
    default: false
    }
  }
}
