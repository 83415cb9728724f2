internal import Apply
internal import ChangeModel
internal import Postgres
internal import PostgresSource
internal import Runtime
internal import SQLMapping

/// Looks at suspect keys of one table again, until the target has had time to show what the source had.
///
/// A round reads the source, waits until the pipeline has passed that position, and reads the target and the source
/// once more. The target's row must be one that the source had in between. So a row that changes all the time is
/// settled too, as its versions are gathered during the wait.
struct SecondLook {
  /// Keys of one statement.
  private static let keysPerRead = 500
  /// With more keys than these the source is not read again and again during a wait.
  private static let gatheringMax = 2000
  /// How long keys that keep changing are looked at.
  private static let patience = Duration.seconds(60)
  /// How many differing rows are read once more to name their columns.
  private static let describedMax = 1000

  let table: ComparedTable
  let reader: RowReader
  let log: Log

  private struct Suspect {
    var key: [UInt8]
    var texts: [String]
    /// What the source showed in this round; `nil` is no row.
    var versions: [RowDigest?] = []
    var target: RowDigest?
    /// Whether the round before ended with a difference too.
    var differedBefore = false
    var isUnsettled = false

    mutating func saw(_ version: RowDigest?) {
      if !versions.contains(version) { versions.append(version) }
    }
  }

  /// - Returns: the keys that do differ.
  func settle(_ keys: [[UInt8]], _ watch: inout PipelineWatch) throws(Failure) -> [RowDifference] {
    let texts = try reader.retrying("reading keys", log) { () throws(Failure) in try keyTexts(keys) }
    var pending = zip(keys, texts).map { Suspect(key: $0, texts: $1) }
    var differing: [Suspect] = []
    let deadline = monotonicDeadline(Self.patience)
    while !pending.isEmpty {
      try reader.retrying("looking again", log) { () throws(Failure) in try lookOnce(&pending, &watch) }
      let isLast = monotonicNow() > deadline
      var left: [Suspect] = []
      for var suspect in pending where !suspect.versions.contains(suspect.target) {
        let isStill = suspect.versions.count == 1
        suspect.isUnsettled = watch.isRunning && !isStill
        if !watch.isRunning || isLast || isStill && suspect.differedBefore {
          differing.append(suspect)
        } else {
          suspect.differedBefore = isStill
          left.append(suspect)
        }
      }
      pending = left
    }
    return try describe(differing)
  }

  /// One round over all suspects.
  private func lookOnce(_ suspects: inout [Suspect], _ watch: inout PipelineWatch) throws(Failure) {
    for index in suspects.indices { suspects[index].versions.removeAll() }
    try gather(&suspects)
    let position = try ReplicationSlot.currentLSN(reader.connection(.source))
    try watch.wait(past: position, reader.connection(.source)) { () throws(Failure) in
      guard suspects.count <= Self.gatheringMax else { return false }
      try gather(&suspects)
      return true
    }
    try read(suspects, .target) { suspects[$0].target = $1 }
    try gather(&suspects)
  }

  private func gather(_ suspects: inout [Suspect]) throws(Failure) {
    var seen: [RowDigest?] = Array(repeating: nil, count: suspects.count)
    try read(suspects, .source) { seen[$0] = $1 }
    for index in suspects.indices { suspects[index].saw(seen[index]) }
  }

  /// Reads the suspects' rows of one side and gives each by its suspect's index, `nil` for one that is not there.
  private func read(
    _ suspects: [Suspect], _ side: Side, _ give: (Int, RowDigest?) -> Void
  ) throws(Failure) {
    let digester = RowDigester(table)
    try unsafe readRows(suspects, side) { row, index throws(Failure) in
      try unsafe digester.read(row, side)
      if let found = unsafe index([UInt8](digester.key)) { give(found, digester.digest) }
    } absent: {
      give($0, nil)
    }
  }

  /// - Parameters:
  ///   - take: gets each row, and what tells a suspect's index by its key.
  ///   - absent: called first for every suspect of a statement.
  private func readRows(
    _ suspects: [Suspect], _ side: Side,
    _ take: (UnsafeRawBufferPointer, ([UInt8]) -> Int?) throws(Failure) -> Void, absent: (Int) -> Void
  ) throws(Failure) {
    var start = 0
    while start < suspects.count {
      let slice = start..<min(start + Self.keysPerRead, suspects.count)
      let indexes = Dictionary(zip(suspects[slice].map(\.key), slice)) { first, _ in first }
      slice.forEach(absent)
      let statement = table.copyStatement(keys: suspects[slice].map(\.texts), side)
      try reader.connection(side).startCopy(statement)
      _ = try unsafe reader.readRows(table, side) { row throws(Failure) in
        try unsafe take(row) { indexes[$0] }
        return true
      }
      start = slice.upperBound
    }
  }

  // MARK: Naming

  /// Reads differing rows once more to name the columns; a row that is equal by now is left out.
  private func describe(_ suspects: [Suspect]) throws(Failure) -> [RowDifference] {
    var columns: [Side: [[UInt64]?]] = [:]
    let described = Array(suspects.prefix(Self.describedMax))
    for side in [Side.source, .target] {
      columns[side] = try reader.retrying("naming columns", log) { () throws(Failure) in
        try columnHashes(described, side)
      }
    }
    return suspects.indices.compactMap { index in
      let suspect = suspects[index]
      var difference = RowDifference(kind: .different, key: keyParts(suspect.texts))
      if suspect.isUnsettled {
        difference.kind = .unsettled
        return difference
      }
      guard index < described.count else {
        difference.kind = suspect.target == nil ? .missing : suspect.versions.last == .some(nil) ? .extra : .different
        return difference
      }
      switch (columns[.source]?[index], columns[.target]?[index]) {
      case (let source?, let target?):
        if source == target { return nil }
        difference.columns = zip(table.columns, zip(source, target)).filter { $1.0 != $1.1 }.map(\.0.name)
      case (_?, nil): difference.kind = .missing
      case (nil, _?): difference.kind = .extra
      case (nil, nil): return nil
      }
      return difference
    }
  }

  private func columnHashes(_ suspects: [Suspect], _ side: Side) throws(Failure) -> [[UInt64]?] {
    var found: [[UInt64]?] = Array(repeating: nil, count: suspects.count)
    let digester = RowDigester(table)
    try unsafe readRows(suspects, side) { row, index throws(Failure) in
      let hashes = try unsafe digester.columnHashes(row, side)
      if let place = unsafe index([UInt8](digester.key)) { found[place] = hashes }
    } absent: { _ in
    }
    return found
  }

  private func keyParts(_ texts: [String]) -> [RowDifference.KeyPart] {
    zip(table.key, texts).map { column, text in
      let comparison = table.columns[column]
      return .init(name: comparison.name, text: text, isNumber: comparison.isNumber)
    }
  }

  /// The keys as the source prints them, so that they can be looked up and shown.
  private func keyTexts(_ keys: [[UInt8]]) throws(Failure) -> [[String]] {
    let types = table.key.map { table.columns[$0].wireOID }
    let arrays = types.indices.map { "$\($0 + 1)" }.joined(separator: ", ")
    let names = types.indices.map { "penstock_\($0)" }
    let statement = """
      SELECT \(names.map { $0 + "::text" }.joined(separator: ", ")) FROM unnest(\(arrays)) WITH ORDINALITY \
      AS penstock_keys(\((names + ["penstock_row"]).joined(separator: ", "))) ORDER BY penstock_row
      """
    var texts: [[String]] = []
    while texts.count < keys.count {
      let slice = keys[texts.count..<min(texts.count + Self.keysPerRead, keys.count)]
      var parameters = ArrayParameters()
      parameters.begin(elementTypes: types)
      for key in slice {
        let plain = unsafe key.withUnsafeBytes { unsafe withScales($0) }
        unsafe plain.withUnsafeBytes { unsafe parameters.append(row: $0, columns: types.count) }
      }
      let rows = try unsafe reader.connection(.source).binaryRows(
        statement, types: types.map { BuiltinType.arrayOID(of: $0) ?? 0 }, parameters.finish(columns: types.count))
      guard rows.count == slice.count else {
        throw Failure(
          .source, "\(slice.count) keys came back as \(rows.count)", location: "\(table.mapping.source.name)")
      }
      texts += rows.map { $0.map { String(decoding: $0 ?? [], as: UTF8.self) } }
    }
    return texts
  }

  /// A canonical `numeric` has no display scale, without which the server would cut its fraction off.
  private func withScales(_ key: UnsafeRawBufferPointer) -> [UInt8] {
    var bytes = unsafe [UInt8](key)
    var offset = 0
    for column in table.key {
      let length = unsafe Int(max(0, key.bigEndian(at: offset, as: Int32.self)))
      if table.columns[column].form == .numericBinary, length >= 8 {
        let digits = unsafe Int(key.bigEndian(at: offset + 4, as: Int16.self))
        let weight = unsafe Int(key.bigEndian(at: offset + 6, as: Int16.self))
        let sign = unsafe key.bigEndian(at: offset + 8, as: UInt16.self)
        if sign == 0 || sign == 0x4000 {
          let scale = UInt16(clamping: max(0, (digits - 1 - weight) * 4))
          bytes[offset + 10] = UInt8(scale >> 8)
          bytes[offset + 11] = UInt8(truncatingIfNeeded: scale)
        }
      }
      offset += 4 + length
    }
    return bytes
  }
}

extension ColumnComparison {
  /// Whether its values print as numbers.
  var isNumber: Bool { [20, 21, 23, 700, 701, 1700].contains(wireOID) }
}
