internal import CSQLite

/// Decides, while a statement is compiled, what it may name: columns of the row, and functions that give the same result
/// for the same arguments at any time and on any machine.
final class Authorization {
  /// SQLite's own functions that expressions may use. The functions that Penstock brings are `ownFunctions`.
  static let builtInFunctions: Set<String> = [
    "abs", "char", "coalesce", "format", "glob", "hex", "ifnull", "iif", "instr", "json", "json_array",
    "json_array_length", "json_extract", "json_insert", "json_object", "json_patch", "json_quote", "json_remove",
    "json_replace", "json_set", "json_type", "json_valid", "->", "->>", "length", "like", "lower", "ltrim", "max",
    "min",
    "nullif", "printf", "quote", "replace", "round", "rtrim", "sign", "substr", "substring", "trim", "typeof",
    "unicode",
    "upper",
  ]

  private let columns: Set<String>
  private(set) var readColumns: Set<String> = []
  private var selects = 0
  /// What was refused first, as the end of a sentence.
  private(set) var refusal: String?

  init(columns: [String]) { self.columns = Set(columns) }

  /// Forgets what the last statement named.
  func begin() {
    readColumns = []
    selects = 0
    refusal = nil
  }

  /// Watches all statements of a connection, which must not outlive this.
  func watch(_ database: OpaquePointer?) -> Int32 {
    unsafe sqlite3_set_authorizer(
      database,
      { context, action, first, second, _, _ in
        guard let context = unsafe context else { return SQLITE_DENY }
        // SAFETY: the connection's owner keeps it.
        let authorization = unsafe Unmanaged<Authorization>.fromOpaque(context).takeUnretainedValue()
        let allowed = unsafe authorization.allows(
          action, first.map { unsafe String(cString: $0) }, second.map { unsafe String(cString: $0) })
        return allowed ? SQLITE_OK : SQLITE_DENY
      }, Unmanaged.passUnretained(self).toOpaque())
  }

  private func allows(_ action: Int32, _ first: String?, _ second: String?) -> Bool {
    switch action {
    case SQLITE_SELECT:
      selects += 1
      return selects == 1 || refuse("a subquery is not allowed: an expression sees one row and nothing else")
    case SQLITE_READ:
      // A constant reads the row, but none of its columns.
      if first == RowTable.name, second == "" { return true }
      guard first == RowTable.name, let second, columns.contains(second) else {
        return refuse("\(second ?? "") is no column of the row")
      }
      readColumns.insert(second)
      return true
    case SQLITE_FUNCTION:
      let name = second ?? ""
      if Self.builtInFunctions.contains(name) || ownFunctions.contains(name) { return true }
      return refuse("function \(name)() is not allowed")
    default: return refuse("only expressions are allowed")
    }
  }

  private func refuse(_ what: String) -> Bool {
    if refusal == nil { refusal = what }
    return false
  }
}
