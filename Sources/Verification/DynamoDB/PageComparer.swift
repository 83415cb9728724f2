internal import AWS
internal import Apply
internal import ChangeModel
internal import DynamoDBSource
internal import Runtime

/// What the first look at a page of items found.
struct PageResult {
  var items = 0
  /// Its bytes.
  var largestItem = 0
  /// Items whose key the target has.
  var found = 0
  /// Keys of items that are missing or different.
  var suspects: [ItemKey] = []
  /// Items whose keys no column can hold, so that no look will find them in the target.
  var impossible: [RowDifference] = []
  /// Of every key that the target's columns can hold, as the target prints it.
  var keyHashes: [UInt64] = []
  /// Where the segment goes on.
  var lastKey: [UInt8]?
  var capacityUnits = 0.0
}

/// Makes rows of items and holds them against the target, page by page. For one thread.
final class PageComparer {
  let table: ComparedItems
  let target: TargetRows
  private var page = ScanPage()
  private var rows: ItemRows
  private var held = HeldRows()
  private var keys = HeldRows()

  init(_ table: ComparedItems, _ target: TargetRows) {
    self.table = table
    self.target = target
    rows = ItemRows(table.pair.items)
  }

  private var isMarked: Bool { table.pair.expiry == .mark }

  /// - Parameter keysOnly: only `keyHashes` are looked for.
  func compare(page body: [UInt8], keysOnly: Bool) throws(Failure) -> PageResult {
    var result = PageResult()
    held.removeAll()
    keys.removeAll()
    try unsafe body.span.bytes.withUnsafeBytes { bytes throws(Failure) in
      try unsafe read(bytes, keysOnly, &result)
    }
    result.items = page.items.count
    result.largestItem = page.items.map(\.count).max() ?? 0
    result.lastKey = page.lastKey.map { Array(body[$0]) }
    result.capacityUnits = page.capacityUnits
    let findings = try target.compare(held)
    for (number, finding) in findings.enumerated() {
      if let hash = finding.keyHash { result.keyHashes.append(hash) }
      if finding.verdict == .equal {
        result.found += 1
      } else {
        if case .different = finding.verdict { result.found += 1 }
        unsafe result.suspects.append(ItemKey(held.row(number), table.pair.items.key))
      }
    }
    for (number, presence) in try target.find(keys).enumerated() {
      if let presence { result.keyHashes.append(presence.keyHash) }
      if !keysOnly { unsafe result.suspects.append(ItemKey(keys.row(number), table.pair.items.key)) }
    }
    return result
  }

  /// Makes rows of the page's items, or keys of those that can't be rows.
  private func read(
    _ bytes: UnsafeRawBufferPointer, _ keysOnly: Bool, _ result: inout PageResult
  ) throws(Failure) {
    do throws(JSONFault) { try unsafe page.read(bytes) } catch {
      throw SourceItems.unreadable("Scan", error, table.pair.items.table.name)
    }
    for item in page.items {
      if !keysOnly, try unsafe appendRow(item, bytes, to: &held) { continue }
      do throws(ItemFailure) {
        try keys.append { out throws(ItemFailure) in try unsafe rows.appendKey(of: item, in: bytes, to: &out) }
      } catch {
        if error.rowClass == nil { throw error.failure }
        if !keysOnly { result.impossible.append(Self.impossible(error)) }
      }
    }
  }

  /// - Returns: false when the item can't be a row.
  func appendRow(
    _ item: Range<Int>, _ bytes: UnsafeRawBufferPointer, to rows: inout HeldRows
  ) throws(Failure) -> Bool {
    do throws(ItemFailure) {
      try rows.append { out throws(ItemFailure) in
        try unsafe self.rows.appendRow(of: item, in: bytes, to: &out)
        if isMarked { out.append(bigEndian: WireRow.null) }
      }
      return true
    } catch {
      if error.rowClass == nil { throw error.failure }
      return false
    }
  }

  /// The item's key; `nil` when no column can hold it.
  func key(of item: Range<Int>, _ bytes: UnsafeRawBufferPointer) throws(Failure) -> ItemKey? {
    var out = ByteBuffer(capacity: 256)
    do throws(ItemFailure) { try unsafe rows.appendKey(of: item, in: bytes, to: &out) } catch {
      if error.rowClass == nil { throw error.failure }
      return nil
    }
    return unsafe ItemKey(out.bytes, table.pair.items.key)
  }

  private static func impossible(_ failure: ItemFailure) -> RowDifference {
    RowDifference(kind: .missing, key: [.init(name: "item", text: failure.key, isNumber: false)])
  }
}
