import Apply
import ChangeModel
import ChangeTestKit
import Foundation
import PenstockTestKit
import Postgres
import SQLMapping
import Synchronization
import Testing

@testable import Pipeline

extension SourceRowReader {
  /// The rows by key; `nil` for those that are gone.
  func rows(
    _ plan: TablePlan, after transactions: [UInt32] = [], keys: [[UInt8]], atMost limit: Int = .max
  ) throws -> [[Cell]?] {
    var bytes = ByteBuffer()
    var places: [Int: Range<Int>] = [:]
    try fetch(plan, after: transactions, keys: keys, into: &bytes) { index, row in
      places[index] = row
      return places.count < limit
    }
    return keys.indices.map { index in
      places[index].flatMap {
        cells(UnsafeRawBufferPointer(rebasing: bytes.bytes[$0]), columns: plan.mapping.columns.count)
      }
    }
  }
}

@Suite("Rows are read again over one session")
struct SourceRowReaderTests {
  private let source: SourceDatabase
  private let plan: TablePlan
  private let keys = (1...3).map { Cell("\($0)").field }

  init() throws {
    source = try SourceDatabase("CREATE TABLE t (id int PRIMARY KEY, v text)")
    try source.session.query("INSERT INTO t SELECT i, repeat('x', 2000000) FROM generate_series(1, 3) i")
    plan = TablePlan(index: 0, mapping: try source.mapping("t"), isBinary: false)
  }

  /// Processes of the reader's sessions.
  private func sessions() throws -> [String?] {
    try source.session.query(
      """
      SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
      AND backend_type = 'client backend'
      """
    ).values.map { $0[0] }
  }

  /// Ends them all: one that `init` has closed may still be there too.
  private func endSessions() throws {
    for pid in try sessions() { try source.session.query("SELECT pg_terminate_backend(\(pid ?? ""))") }
  }

  private func eventuallyNone() async throws {
    try await eventually("no session") { try sessions().isEmpty }
  }

  @Test("which is kept for the next time, and closed when it was idle for long")
  func kept() async throws {
    try source.session.query("UPDATE t SET v = 'small'")
    let reader = SourceRowReader(source: source.settings)
    _ = try reader.rows(plan, keys: keys)
    let first = try sessions()

    let again = try reader.rows(plan, keys: keys)
    reader.closeIfIdle()

    #expect(again == [["1", "small"], ["2", "small"], ["3", "small"]])
    #expect(first.count == 1)
    #expect(try sessions() == first)

    let hasty = SourceRowReader(source: source.settings, idleLimit: .zero)
    try endSessions()
    try await eventuallyNone()
    _ = try hasty.rows(plan, keys: keys)
    hasty.closeIfIdle()
    try await eventuallyNone()
  }

  @Test("which is made anew when the server has closed it")
  func broken() async throws {
    try source.session.query("UPDATE t SET v = 'small'")
    let reader = SourceRowReader(source: source.settings)
    _ = try reader.rows(plan, keys: keys)
    try endSessions()
    try await eventuallyNone()

    #expect(try reader.rows(plan, keys: keys).compactMap(\.self).count == 3)
  }

  @Test("and only once the transactions that changed them can be seen")
  func visibility() throws {
    let writer = try Connection(source.settings)
    // No test's thread may be waited for until the transaction ends: others need it to end to make their slots.
    try writer.query("BEGIN; UPDATE public.t SET v = 'later' WHERE id = 1")
    let text = try writer.query("SELECT txid_current() % 4294967296").single
    let transaction = try #require(text.flatMap { UInt32($0) })
    let found = Mutex<Result<[[Cell]?], any Error>?>(nil)
    let (settings, plan, key) = (source.settings, plan, keys[0])
    Thread.detachNewThread {
      let rows = Result { try SourceRowReader(source: settings).rows(plan, after: [transaction], keys: [key]) }
      found.withLock { $0 = rows }
    }
    let asks = "SELECT count(*) FROM pg_stat_activity WHERE datname=current_database() AND query LIKE '%txid_visible%'"
    for _ in 0..<2000 {
      if try source.session.query(asks).single == "2" { break }
      usleep(1000)
    }
    let hasEndedEarly = found.withLock { $0 != nil }
    try writer.query("COMMIT")
    for _ in 0..<60_000 {
      if found.withLock({ $0 != nil }) { break }
      usleep(1000)
    }

    #expect(!hasEndedEarly)
    #expect(try found.withLock { $0 }?.get() == [["1", "later"]])
  }

  @Test("which is closed after a large row, and when no more rows are wanted")
  func large() async throws {
    let reader = SourceRowReader(source: source.settings)
    #expect(try reader.rows(plan, keys: keys).compactMap(\.self).count == 3)
    try await eventuallyNone()

    try source.session.query("UPDATE t SET v = 'small'")
    #expect(try reader.rows(plan, keys: keys, atMost: 2).compactMap(\.self).count == 2)
    try await eventuallyNone()
  }
}
