internal import Apply
internal import ChangeModel
internal import DSQLSink
internal import Postgres
internal import Runtime
internal import SQLMapping

/// What the target says of one row that was held against it.
struct TargetFinding: Hashable, Sendable {
  enum Verdict: Hashable, Sendable {
    case equal
    /// Nothing has its key.
    case missing
    /// Indexes of the columns that differ.
    case different([Int])
    /// The row's values can't be values of the target's columns, so the target can't have it.
    case impossible
  }

  var verdict: Verdict
  /// A hash of the key as the target prints it; `nil` when its columns can't hold the key.
  var keyHash: UInt64?
}

/// What the target says of one key.
struct TargetPresence: Hashable, Sendable {
  var isThere: Bool
  /// The row stays although its item has expired.
  var isMarked: Bool
  var keyHash: UInt64
}

/// Rows that are held against the target in one go: `WireRow`s in text, numbered from 0.
struct HeldRows: ~Copyable {
  private var bytes = ByteBuffer(capacity: 1 << 16)
  private var places: [Range<Int>] = []

  var count: Int { places.count }

  mutating func removeAll() {
    bytes.removeAll(keeping: 4 << 20)
    places.removeAll(keepingCapacity: true)
  }

  /// Appends a row; nothing when `write` throws.
  mutating func append<Problem: Error>(_ write: (inout ByteBuffer) throws(Problem) -> Void) throws(Problem) {
    let start = bytes.count
    do throws(Problem) { try write(&bytes) } catch {
      bytes.truncate(to: start)
      throw error
    }
    places.append(start..<bytes.count)
  }

  func row(_ number: Int) -> UnsafeRawBufferPointer {
    unsafe UnsafeRawBufferPointer(rebasing: bytes.bytes[places[number]])
  }
}

/// Holds rows of one table against the target. For one thread.
final class TargetRows {
  private let table: ComparedItems
  private let reader: RowReader
  private let log: Log
  private var parameters = ArrayParameters()
  private var keyBytes = ByteBuffer(capacity: 256)

  /// Rows of one statement, and about how many bytes of them.
  private static let rowsMax = 2000
  private static let bytesMax = 4 << 20

  init(_ table: ComparedItems, _ reader: RowReader, log: Log) {
    self.table = table
    self.reader = reader
    self.log = log
  }

  /// What the target says of each row, all columns given.
  func compare(_ rows: borrowing HeldRows) throws(Failure) -> [TargetFinding] {
    var findings = [TargetFinding](repeating: .init(verdict: .impossible), count: rows.count)
    for slice in Self.slices(of: rows) { try compare(rows, slice, &findings) }
    return findings
  }

  /// What the target says of each key; `nil` of one that its columns can't hold.
  func find(_ keys: borrowing HeldRows) throws(Failure) -> [TargetPresence?] {
    var found = [TargetPresence?](repeating: nil, count: keys.count)
    for slice in Self.slices(of: keys) { try find(keys, slice, &found) }
    return found
  }

  private static func slices(of rows: borrowing HeldRows) -> [Range<Int>] {
    var slices: [Range<Int>] = []
    var (start, bytes) = (0, 0)
    for number in 0..<rows.count {
      let size = unsafe rows.row(number).count
      if number > start, number - start == rowsMax || bytes + size > bytesMax {
        slices.append(start..<number)
        (start, bytes) = (number, 0)
      }
      bytes += size
    }
    if start < rows.count { slices.append(start..<rows.count) }
    return slices
  }

  private func compare(
    _ rows: borrowing HeldRows, _ slice: Range<Int>, _ findings: inout [TargetFinding]
  ) throws(Failure) {
    let columns = table.columnCount
    let answered = try unsafe ask(table.comparison, rows, slice, columns: columns) { fields in
      unsafe TargetFinding(verdict: Self.verdict(fields), keyHash: keyHash(fields[3...]))
    }
    if let answered {
      for (number, finding) in answered { findings[number] = finding }
    } else if slice.count > 1 {
      for half in Self.halves(slice) { try compare(rows, half, &findings) }
    } else {
      // The row stays impossible, but the target may have its key.
      var key = HeldRows()
      let row = unsafe rows.row(slice.lowerBound)
      key.append { out in
        var offset = 0
        for _ in 0..<table.keyCount {
          let field = unsafe WireRow.field(row, at: offset)
          unsafe out.append(field)
          offset += field.count
        }
      }
      if let found = try find(key)[0] {
        findings[slice.lowerBound].keyHash = found.keyHash
      }
    }
  }

  private func find(
    _ keys: borrowing HeldRows, _ slice: Range<Int>, _ found: inout [TargetPresence?]
  ) throws(Failure) {
    let answered = try unsafe ask(table.lookup, keys, slice, columns: table.keyCount) { fields in
      unsafe TargetPresence(isThere: fields[1][0] != 0, isMarked: fields[2][0] != 0, keyHash: keyHash(fields[3...]))
    }
    if let answered {
      for (number, presence) in answered { found[number] = presence }
    } else if slice.count > 1 {
      for half in Self.halves(slice) { try find(keys, half, &found) }
    }
  }

  private static func halves(_ slice: Range<Int>) -> [Range<Int>] {
    let middle = slice.lowerBound + slice.count / 2
    return [slice.lowerBound..<middle, middle..<slice.upperBound]
  }

  private static func verdict(_ fields: [UnsafeRawBufferPointer]) -> TargetFinding.Verdict {
    guard unsafe fields[1][0] != 0 else { return .missing }
    let columns = unsafe String(decoding: fields[2], as: UTF8.self).split(separator: ",").compactMap { Int($0) }
    return columns.isEmpty ? .equal : .different(columns)
  }

  private func keyHash(_ texts: ArraySlice<UnsafeRawBufferPointer>) -> UInt64 {
    keyBytes.removeAll()
    for index in unsafe texts.indices {
      keyBytes.append(bigEndian: unsafe Int32(texts[index].count))
      unsafe keyBytes.append(texts[index])
    }
    return unsafe stableHash(keyBytes.bytes, seed: 5)
  }

  /// The hash of a key as `compare` and `find` give it.
  func keyHash(printed texts: [String]) -> UInt64 {
    keyBytes.removeAll()
    for text in texts {
      keyBytes.append(bigEndian: Int32(text.utf8.count))
      keyBytes.append(Array(text.utf8))
    }
    return unsafe stableHash(keyBytes.bytes, seed: 5)
  }

  /// Runs a statement over rows.
  ///
  /// - Returns: what is made of the answer, with the rows' numbers; `nil` when the target can't take a value.
  private func ask<Answer>(
    _ statement: String, _ rows: borrowing HeldRows, _ slice: Range<Int>, columns: Int,
    _ read: ([UnsafeRawBufferPointer]) -> Answer
  ) throws(Failure) -> [(Int, Answer)]? {
    let arrays = [UInt32](repeating: BuiltinType.arrayOID(of: BuiltinType.textOID) ?? 0, count: columns + 1)
    var backoff = Backoff(reader.servers.sink.retry)
    while true {
      parameters.begin(elementTypes: [UInt32](repeating: BuiltinType.textOID, count: columns + 1))
      var line = ByteBuffer(capacity: 1024)
      for number in slice {
        line.removeAll(keeping: 1 << 20)
        unsafe line.append(rows.row(number))
        let digits = Array(String(number).utf8)
        line.append(bigEndian: Int32(digits.count))
        line.append(digits)
        unsafe parameters.append(row: line.bytes, columns: columns + 1)
      }
      do throws(Failure) {
        var answers: [(Int, Answer)] = []
        answers.reserveCapacity(slice.count)
        let sent = unsafe parameters.finish(columns: columns + 1)
        _ = try unsafe reader.connection(.target).forEachBinaryRow(statement, types: arrays, sent) { fields in
          let number = unsafe Int(String(decoding: fields[0], as: UTF8.self)) ?? 0
          unsafe answers.append((number, read(fields)))
          return true
        }
        parameters.release(beyond: 1 << 20)
        return answers
      } catch {
        if let state = error.state, SQLState("22") ~= state || SQLState("23") ~= state { return nil }
        try wait(after: error, &backoff)
      }
    }
  }

  /// Waits before the next try, or throws what can't pass.
  private func wait(after failure: Failure, _ backoff: inout Backoff) throws(Failure) {
    reader.discard()
    guard failure.isTransient, let delay = backoff.next(now: monotonicNow(), random: .random(in: 0..<1)) else {
      throw failure
    }
    log.warning("comparing \(table.pair.mapping.source.name): \(failure.message); again in \(delay.seconds) s")
    Wakeup().wait(for: delay)
  }

  // MARK: The target's keys

  /// Reads the texts of the keys of all rows that must have an item, page by page, in the key's order.
  func forEachKeyPage(_ take: ([[String]]) throws(Failure) -> Void) throws(Failure) {
    var last: [String]?
    while true {
      let page = try reader.retrying("reading keys of \(table.pair.mapping.target)", log) {
        () throws(Failure) in
        let statement = last == nil ? table.firstKeys : table.nextKeys
        return try reader.connection(.target).query(statement, last ?? []).values.map { $0.map { $0 ?? "" } }
      }
      try take(page)
      guard page.count == table.keysPerPage else { return }
      last = page.last
    }
  }
}
