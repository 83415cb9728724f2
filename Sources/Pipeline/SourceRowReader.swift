internal import Apply
internal import ChangeModel
internal import DSQLSink
internal import Postgres
internal import PostgresSource
internal import Runtime
internal import SQLMapping
internal import Synchronization

/// Reads single rows from the source by key, over a session that is kept for the next time.
final class SourceRowReader: SourceRows {
  private let source: ConnectionSettings
  private let interrupt: Wakeup?
  /// A session that nobody has asked for so long is closed.
  private let idleLimit: Duration
  private let kept = Mutex<KeptSession?>(nil)
  /// libpq keeps the memory of its largest row for as long as the session lives.
  private static let largeRowBytes = 1 << 20

  private struct KeptSession: @unchecked Sendable {
    // Sendable: nobody uses the session while it is kept; who takes it out is its only user.
    let connection: Connection
    let since: Duration
  }

  /// - Parameter interrupt: ends even a wait for an answer.
  init(source: ConnectionSettings, interrupt: Wakeup? = nil, idleLimit: Duration = .seconds(60)) {
    self.source = source
    self.interrupt = interrupt
    self.idleLimit = idleLimit
  }

  func closeIfIdle() {
    kept.withLock { if let session = $0, monotonicNow() - session.since >= idleLimit { $0 = nil } }
  }

  func endOfLog() throws(Failure) -> LSN { try ReplicationSlot.currentLSN(Connection(source, interrupt: interrupt)) }

  func fetch(
    _ plan: TablePlan, after transactions: [UInt32], keys: [[UInt8]], into bytes: inout ByteBuffer,
    _ placed: (Int, Range<Int>) -> Bool
  ) throws(Failure) {
    let session = kept.withLock { kept in
      defer { kept = nil }
      return kept
    }
    if let session {
      let start = bytes.count
      do throws(Failure) {
        return try fetch(plan, transactions, keys, over: session.connection, &bytes, placed)
      } catch {
        // The server may have closed it meanwhile. What went wrong later than that, goes wrong again.
        guard bytes.count == start else { throw error }
      }
    }
    try fetch(plan, transactions, keys, over: Connection(source, interrupt: interrupt), &bytes, placed)
  }

  private func fetch(
    _ plan: TablePlan, _ transactions: [UInt32], _ keys: [[UInt8]], over connection: Connection,
    _ bytes: inout ByteBuffer, _ placed: (Int, Range<Int>) -> Bool
  ) throws(Failure) {
    try waitUntilVisible(transactions, connection)
    let sql = statement(plan)
    let types = plan.keyColumns.map { elementType(plan, $0) }
    let sliceCount = plan.mapping.source.hasWideRows ? 1 : 500
    var largest = 0
    var start = 0
    while start < keys.count {
      let slice = start..<min(start + sliceCount, keys.count)
      var parameters = ArrayParameters()
      parameters.begin(elementTypes: types)
      for key in keys[slice] {
        unsafe key.withUnsafeBytes { unsafe parameters.append(row: $0, columns: types.count) }
      }
      var wantsMore = true
      let isComplete = try unsafe connection.forEachBinaryRow(
        sql, types: types.map { BuiltinType.arrayOID(of: $0) ?? 0 }, parameters.finish(columns: types.count)
      ) { fields throws(Failure) in
        let rowStart = bytes.count
        let index = try unsafe slice.lowerBound + number(fields, atMost: slice.count)
        try unsafe append(fields.dropFirst(), of: plan.mapping, to: &bytes)
        largest = max(largest, bytes.count - rowStart)
        wantsMore = placed(index, rowStart..<bytes.count)
        return wantsMore
      }
      if !isComplete { return }
      if !wantsMore { break }
      start = slice.upperBound
    }
    if largest > Self.largeRowBytes { return }
    let session = KeptSession(connection: connection, since: monotonicNow())
    kept.withLock { $0 = session }
  }

  /// A commit is sent to the stream once it is in the log; other sessions see it a moment later, or much later where
  /// commits wait for a synchronous standby.
  private func waitUntilVisible(_ transactions: [UInt32], _ connection: Connection) throws(Failure) {
    let ids = Set(transactions).subtracting([0]).map { String($0) }
    if ids.isEmpty { return }
    let deadline = monotonicNow() + .seconds(5)
    var pause = Duration.milliseconds(1)
    // The stream's ids lack the epoch: the candidate nearest to the newest id is meant.
    let sql = """
      SELECT bool_and(txid_visible_in_snapshot(near + CASE WHEN near - newest > 2147483648 THEN -4294967296
        WHEN newest - near > 2147483648 THEN 4294967296 ELSE 0 END, s))
      FROM (SELECT s, txid_snapshot_xmax(s) AS newest FROM txid_current_snapshot() AS s) AS now,
      LATERAL (SELECT newest / 4294967296 * 4294967296 + id::bigint AS near FROM unnest($1::text[]) AS id) AS wanted
      """
    while try connection.query(sql, ["{\(ids.joined(separator: ","))}"]).single != "t" {
      guard monotonicNow() < deadline else {
        throw Failure(
          .source, "a transaction that the stream has brought is not visible to other sessions yet",
          location: source.place, hint: "Commits may be waiting for a synchronous standby: look at that one.",
          isTransient: true)
      }
      if let interrupt { interrupt.wait(for: pause) } else { Wakeup().wait(for: pause) }
      pause = min(pause * 2, .milliseconds(50))
    }
  }

  /// The row's first field is its key's number in the arrays, from 1. Returned from 0.
  private func number(_ fields: [ParameterBytes], atMost count: Int) throws(Failure) -> Int {
    let number = unsafe fields.first.map { unsafe $0.reduce(0) { $0 << 8 | Int($1) } } ?? 0
    guard number >= 1, number <= count else {
      throw Failure(.source, "a row read by key came back without its number", location: source.place)
    }
    return number - 1
  }

  private func append(
    _ fields: ArraySlice<ParameterBytes>, of mapping: TableMapping, to bytes: inout ByteBuffer
  ) throws(Failure) {
    unsafe bytes.reserve(fields.reduce(0) { $0 + 4 + $1.count })
    for unsafe(column, field) in unsafe fields.enumerated() {
      let conversion = mapping.columns[column].conversion
      if unsafe field.baseAddress == nil {
        bytes.append(bigEndian: WireRow.null)
      } else if conversion == .none {
        bytes.append(bigEndian: Int32(field.count))
        unsafe bytes.append(field)
      } else {
        try unsafe appendConverted(field, conversion, mapping, column, to: &bytes)
      }
    }
  }

  private func elementType(_ plan: TablePlan, _ column: Int) -> UInt32 {
    plan.isBinary ? plan.mapping.columns[column].binaryOID ?? BuiltinType.textOID : BuiltinType.textOID
  }

  private func statement(_ plan: TablePlan) -> String {
    let mapping = plan.mapping
    let format: WireFormat = plan.isBinary ? .binary : .text
    let arrays = plan.keyColumns.enumerated().map { position, column in
      let type = BuiltinType.of(elementType(plan, column))?.castName ?? "text"
      return "$\(position + 1)::\(type)[]"
    }
    let names = plan.keyColumns.map { "penstock_\($0)" } + ["penstock_ordinal"]
    let match = plan.keyColumns.map { column in
      let mapped = mapping.columns[column]
      let name = quotedIdentifier(mapped.source.name)
      if format == .binary, mapped.binaryOID != nil { return "\(name) = penstock_\(column)" }
      // A cast of the parameter lets the source use its index; other types compare as text.
      if mapped.binaryOID != nil { return "\(name) = penstock_\(column)::\(mapped.castType)" }
      return "\(mapped.sourceExpression(.text)) = penstock_\(column)"
    }
    return """
      SELECT penstock_ordinal, \(mapping.sourceSelectList(format)) FROM \(mapping.source.name.quoted)
      JOIN unnest(\(arrays.joined(separator: ", "))) WITH ORDINALITY AS u(\(names.joined(separator: ", ")))
      ON \(match.joined(separator: " AND "))
      """
  }
}
