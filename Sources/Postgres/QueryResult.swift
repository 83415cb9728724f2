internal import CLibPQ

/// Sole owner of one `PGresult`. `PQclear` runs once, when the value ends.
@safe struct QueryResult: ~Copyable {
  private let raw: OpaquePointer

  init(adopting raw: OpaquePointer) { unsafe self.raw = raw }
  deinit { unsafe PQclear(raw) }

  var status: ExecStatusType { unsafe PQresultStatus(raw) }
  var rowCount: Int { Int(unsafe PQntuples(raw)) }
  var columnCount: Int { Int(unsafe PQnfields(raw)) }

  /// Rows touched, from the command tag; 0 when the tag has none.
  var affectedRows: Int {
    // SAFETY: PQcmdTuples returns a string inside the result.
    unsafe Int(String(cString: PQcmdTuples(raw))) ?? 0
  }

  /// The command tag, such as `COMMIT`: a failed transaction's COMMIT answers `ROLLBACK`.
  var commandTag: String { unsafe String(cString: PQcmdStatus(raw)) }

  func columnName(_ column: Int) -> String { unsafe String(cString: PQfname(raw, Int32(column))) }

  /// A field as text; `nil` is SQL NULL.
  func text(row: Int, column: Int) -> String? {
    guard unsafe PQgetisnull(raw, Int32(row), Int32(column)) == 0 else { return nil }
    return unsafe String(cString: PQgetvalue(raw, Int32(row), Int32(column)))
  }

  /// A field's bytes as the server sent them; `nil` is SQL NULL.
  func bytes(row: Int, column: Int) -> [UInt8]? {
    guard unsafe PQgetisnull(raw, Int32(row), Int32(column)) == 0 else { return nil }
    let count = Int(unsafe PQgetlength(raw, Int32(row), Int32(column)))
    return unsafe [UInt8](UnsafeRawBufferPointer(start: PQgetvalue(raw, Int32(row), Int32(column)), count: count))
  }

  /// A field's bytes inside the result, valid as long as it; no base is SQL NULL.
  func borrowedBytes(row: Int, column: Int) -> UnsafeRawBufferPointer {
    guard unsafe PQgetisnull(raw, Int32(row), Int32(column)) == 0 else {
      return unsafe UnsafeRawBufferPointer(start: nil, count: 0)
    }
    let count = Int(unsafe PQgetlength(raw, Int32(row), Int32(column)))
    return unsafe UnsafeRawBufferPointer(start: PQgetvalue(raw, Int32(row), Int32(column)), count: count)
  }

  /// One field of the server's error, such as SQLSTATE.
  func errorField(_ code: Int32) -> String? {
    guard let text = unsafe PQresultErrorField(raw, code) else { return nil }
    return unsafe String(cString: text)
  }

  /// libpq's own text, for errors that no server sent.
  var errorText: String { unsafe String(cString: PQresultErrorMessage(raw)) }
}

/// A small result as text, for control work: catalogs, state rows, positions.
package struct Rows: Sendable {
  package var columns: [String]
  package var values: [[String?]]
  /// Rows touched by a statement that changes data.
  package var affected: Int

  package var count: Int { values.count }
  package subscript(row: Int) -> [String?] { values[row] }
  /// The first field of the first row.
  package var single: String? { values.first?.first ?? nil }
}
