internal import COpenSSL
internal import CSQLite

/// Functions beside SQLite's own: a keyed hash, and the dates and times without the clock and the machine's time zone.
let ownFunctions: Set<String> = Set(["hmac_sha256"] + dateFunctions)

private let dateFunctions = ["date", "time", "datetime", "julianday", "unixepoch", "strftime"]

/// SQLite's date and time functions, asked on a connection of their own, where they have no replacement.
@safe final class DateFunctions {
  // SAFETY: owned; closed in `deinit`, after its statements.
  private var database: OpaquePointer?
  private var statements: [String: OpaquePointer] = unsafe [:]

  init?() {
    guard unsafe sqlite3_open_v2(":memory:", &database, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, nil) == SQLITE_OK
    else {
      unsafe sqlite3_close(database)
      return nil
    }
  }

  deinit {
    unsafe statements.values.forEach { unsafe sqlite3_finalize($0) }
    unsafe sqlite3_close(database)
  }

  fileprivate func call(
    _ name: String, _ context: OpaquePointer?, _ arguments: UnsafeBufferPointer<OpaquePointer?>
  ) {
    if arguments.count < (name == "strftime" ? 2 : 1) { return unsafe fail(context, "\(name)() asks the clock") }
    for index in arguments.indices where unsafe asksMachine(arguments[index]) {
      return unsafe fail(context, "\(name)() asks the clock or the time zone of the machine")
    }
    let sql = "SELECT \(name)(\(arguments.indices.map { "?\($0 + 1)" }.joined(separator: ", ")))"
    var found = unsafe statements[sql]
    if unsafe found == nil, unsafe sqlite3_prepare_v2(database, sql, -1, &found, nil) == SQLITE_OK {
      unsafe statements[sql] = found
    }
    guard let statement = unsafe found else { return unsafe fail(context, "\(name)() can't be called so") }
    defer { unsafe sqlite3_reset(statement) }
    for index in arguments.indices {
      if index == (name == "strftime" ? 1 : 0), let time = unsafe withWholeZone(arguments[index]) {
        // SAFETY: -1 as the destructor makes SQLite copy the text.
        unsafe sqlite3_bind_text(
          statement, Int32(index + 1), time, -1, unsafeBitCast(-1, to: sqlite3_destructor_type.self))
      } else {
        unsafe sqlite3_bind_value(statement, Int32(index + 1), arguments[index])
      }
    }
    guard unsafe sqlite3_step(statement) == SQLITE_ROW else { return unsafe fail(context, "\(name)() failed") }
    unsafe sqlite3_result_value(context, sqlite3_column_value(statement, 0))
  }

  /// PostgreSQL prints UTC as `+00`, of which SQLite wants minutes too.
  private func withWholeZone(_ argument: OpaquePointer?) -> String? {
    guard unsafe sqlite3_value_type(argument) == SQLITE_TEXT, let start = unsafe sqlite3_value_text(argument) else {
      return nil
    }
    let text = unsafe String(cString: start)
    return text.hasSuffix("+00") ? text + ":00" : nil
  }

  private func fail(_ context: OpaquePointer?, _ message: String) { unsafe sqlite3_result_error(context, message, -1) }

  private func asksMachine(_ argument: OpaquePointer?) -> Bool {
    guard unsafe sqlite3_value_type(argument) == SQLITE_TEXT, unsafe sqlite3_value_bytes(argument) <= 16,
      let text = unsafe sqlite3_value_text(argument)
    else { return false }
    return ["now", "localtime", "utc"].contains(unsafe String(cString: text).lowercased())
  }

  /// Puts these functions in place of SQLite's on a connection, which must not outlive this.
  func register(on database: OpaquePointer?) -> Int32 {
    typealias Function = @convention(c) (OpaquePointer?, Int32, UnsafeMutablePointer<OpaquePointer?>?) -> Void
    let functions: KeyValuePairs<String, Function> = unsafe [
      "date": { unsafe dispatch("date", $0, $1, $2) }, "time": { unsafe dispatch("time", $0, $1, $2) },
      "datetime": { unsafe dispatch("datetime", $0, $1, $2) },
      "julianday": { unsafe dispatch("julianday", $0, $1, $2) },
      "unixepoch": { unsafe dispatch("unixepoch", $0, $1, $2) },
      "strftime": { unsafe dispatch("strftime", $0, $1, $2) },
    ]
    for unsafe(name, function) in unsafe functions {
      let status = unsafe sqlite3_create_function_v2(
        database, name, -1, SQLITE_UTF8 | SQLITE_DETERMINISTIC, Unmanaged.passUnretained(self).toOpaque(), function,
        nil,
        nil, nil)
      if status != SQLITE_OK { return status }
    }
    return SQLITE_OK
  }
}

private func dispatch(
  _ name: String, _ context: OpaquePointer?, _ count: Int32, _ arguments: UnsafeMutablePointer<OpaquePointer?>?
) {
  guard let data = unsafe sqlite3_user_data(context) else { return }
  // SAFETY: `register` gave it; the connection's owner keeps it.
  let functions = unsafe Unmanaged<DateFunctions>.fromOpaque(data).takeUnretainedValue()
  unsafe functions.call(name, context, UnsafeBufferPointer(start: arguments, count: Int(count)))
}

/// Adds `hmac_sha256(value, key)`: the keyed hash of a text or of bytes in lower-case hexadecimal digits; NULL for NULL.
func registerKeyedHash(on database: OpaquePointer?) -> Int32 {
  unsafe sqlite3_create_function_v2(
    database, "hmac_sha256", 2, SQLITE_UTF8 | SQLITE_DETERMINISTIC, nil,
    { context, _, arguments in
      guard let arguments = unsafe arguments, unsafe sqlite3_value_type(arguments[0]) != SQLITE_NULL else {
        return unsafe sqlite3_result_null(context)
      }
      let (value, key) = unsafe (bytes(of: arguments[0]), bytes(of: arguments[1]))
      if key.isEmpty { return unsafe sqlite3_result_error(context, "hmac_sha256() has no key", -1) }
      var digest = [UInt8](repeating: 0, count: 32)
      // SAFETY: OpenSSL reads the two counted buffers and writes exactly 32 bytes.
      let made = unsafe HMAC(EVP_sha256(), key, Int32(key.count), value, value.count, &digest, nil) != nil
      if !made { return unsafe sqlite3_result_error(context, "OpenSSL made no hash", -1) }
      let digits = Array("0123456789abcdef".utf8)
      let text = digest.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }
      // SAFETY: -1 as the destructor makes SQLite copy the text.
      let copies = unsafe unsafeBitCast(-1, to: sqlite3_destructor_type.self)
      unsafe text.withUnsafeBytes {
        unsafe sqlite3_result_text64(
          context, $0.baseAddress?.assumingMemoryBound(to: CChar.self), UInt64($0.count), copies, UInt8(SQLITE_UTF8))
      }
    }, nil, nil, nil)
}

private func bytes(of value: OpaquePointer?) -> [UInt8] {
  guard let start = unsafe sqlite3_value_blob(value) else { return [] }
  // SAFETY: the bytes are the value's until it is asked again.
  return unsafe [UInt8](UnsafeRawBufferPointer(start: start, count: Int(sqlite3_value_bytes(value))))
}
