internal import CLibPQ
package import ChangeModel
internal import Glibc
internal import Runtime

extension Connection {
  /// Runs statements and returns the last one's rows as text. Control work only: every field becomes a String.
  ///
  /// Without parameters it is one simple query, so that several statements and replication commands work too.
  /// - Parameter limit: how long to wait for the answer; `nil` for ever.
  @discardableResult
  package func query(
    _ sql: String, _ parameters: [String?] = [], within limit: Duration? = nil
  ) throws(Failure) -> Rows {
    let sent: Int32
    if parameters.isEmpty {
      sent = unsafe PQsendQuery(raw, sql)
    } else {
      sent = unsafe withTextParameters(parameters) { values in
        unsafe PQsendQueryParams(raw, sql, Int32(values.count), nil, values.baseAddress, nil, nil, 0)
      }
    }
    if sent == 0 { throw lostFailure() }
    return try collectRows(until: limit.map { monotonicDeadline($0) })
  }

  /// Runs one statement with binary parameters and returns its rows in binary; `nil` is SQL NULL.
  package func binaryRows(
    _ sql: String, types: [UInt32], _ parameters: [ParameterBytes]
  ) throws(Failure) -> [[[UInt8]?]] {
    let values = unsafe parameters.map { unsafe $0.baseAddress?.assumingMemoryBound(to: CChar.self) }
    let lengths = unsafe parameters.map { Int32($0.count) }
    let formats = unsafe [Int32](repeating: 1, count: parameters.count)
    let sent = unsafe PQsendQueryParams(raw, sql, Int32(types.count), types, values, lengths, formats, 1)
    if sent == 0 { throw lostFailure() }
    var rows: [[[UInt8]?]] = []
    var failed: Failure?
    while let result = try nextResult() {
      guard result.status == PGRES_TUPLES_OK else {
        if failed == nil { failed = failure(in: result) }
        if !isAlive { break }
        continue
      }
      for row in 0..<result.rowCount {
        rows.append((0..<result.columnCount).map { result.bytes(row: row, column: $0) })
      }
    }
    if let failed { throw failed }
    return rows
  }

  /// Runs one statement with binary parameters and lends its rows one by one, so that libpq holds one at a time.
  ///
  /// - Parameter take: gets a row's fields in binary, valid during the call, without a base for SQL NULL; false wants
  ///   no more rows.
  /// - Returns: whether all rows were taken; if not, the session is of no more use.
  package func forEachBinaryRow(
    _ sql: String, types: [UInt32], _ parameters: [ParameterBytes],
    _ take: ([ParameterBytes]) throws(Failure) -> Bool
  ) throws(Failure) -> Bool {
    let values = unsafe parameters.map { unsafe $0.baseAddress?.assumingMemoryBound(to: CChar.self) }
    let lengths = unsafe parameters.map { Int32($0.count) }
    let formats = unsafe [Int32](repeating: 1, count: parameters.count)
    let sent = unsafe PQsendQueryParams(raw, sql, Int32(types.count), types, values, lengths, formats, 1)
    if unsafe sent == 0 || PQsetSingleRowMode(raw) == 0 { throw lostFailure() }
    var failed: Failure?
    while let result = try nextResult() {
      switch result.status {
      case PGRES_SINGLE_TUPLE:
        let fields = unsafe (0..<result.columnCount).map { unsafe result.borrowedBytes(row: 0, column: $0) }
        if try unsafe !take(fields) { return false }
      case PGRES_TUPLES_OK: break
      default:
        if failed == nil { failed = failure(in: result) }
      }
      if !isAlive { break }
    }
    if let failed { throw failed }
    return true
  }

  /// Runs one simple statement that may take long, calling `tick` every so often until it answers.
  package func query(_ sql: String, every period: Duration, _ tick: () -> Void) throws(Failure) -> Rows {
    if unsafe PQsendQuery(raw, sql) == 0 { throw lostFailure() }
    try flush()
    while unsafe PQisBusy(raw) != 0 {
      if try !wait(events: Int16(POLLIN), until: monotonicDeadline(period)) {
        tick()
        continue
      }
      if unsafe PQconsumeInput(raw) == 0 { throw lostFailure() }
    }
    return try collectRows(until: nil)
  }

  /// Whether the statement's answer holds at least one row.
  package func hasRows(_ sql: String, _ parameters: [String?] = []) throws(Failure) -> Bool {
    try query(sql, parameters).count > 0
  }

  private func collectRows(until deadline: Duration?) throws(Failure) -> Rows {
    var rows = Rows(columns: [], values: [], affected: 0)
    var failed: Failure?
    while let result = try nextResult(until: deadline) {
      switch result.status {
      case PGRES_TUPLES_OK, PGRES_SINGLE_TUPLE: rows = readRows(result)
      case PGRES_COMMAND_OK: rows = Rows(columns: [], values: [], affected: result.affectedRows)
      case PGRES_EMPTY_QUERY: break
      case PGRES_COPY_IN, PGRES_COPY_OUT, PGRES_COPY_BOTH:
        throw Failure(settings.role, "a COPY was started where none was expected", location: settings.place)
      default: if failed == nil { failed = failure(in: result) }
      }
      if !isAlive { break }
    }
    if let failed { throw failed }
    return rows
  }

  private func readRows(_ result: borrowing QueryResult) -> Rows {
    var rows = Rows(columns: [], values: [], affected: result.affectedRows)
    for column in 0..<result.columnCount { rows.columns.append(result.columnName(column)) }
    rows.values.reserveCapacity(result.rowCount)
    for row in 0..<result.rowCount {
      var fields: [String?] = []
      for column in 0..<result.columnCount { fields.append(result.text(row: row, column: column)) }
      rows.values.append(fields)
    }
    return rows
  }

  /// Lends libpq the parameters as C strings for one call.
  func withTextParameters<Result>(
    _ parameters: [String?], _ body: (UnsafeBufferPointer<UnsafePointer<CChar>?>) -> Result
  ) -> Result {
    let copies = unsafe parameters.map { text in unsafe text.map { unsafe UnsafePointer(strdup($0)!) } }
    defer { unsafe copies.forEach { unsafe free(UnsafeMutablePointer(mutating: $0)) } }
    return unsafe copies.withUnsafeBufferPointer { unsafe body($0) }
  }
}
