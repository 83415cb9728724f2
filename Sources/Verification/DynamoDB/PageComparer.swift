internal import AWS
internal import Apply
internal import ChangeModel
internal import DynamoDBSource
internal import Runtime
internal import SQLMapping
internal import Transforms

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
  /// The items' keys of the rows held, and of the keys.
  private var heldKeys: [ItemKey] = []
  private var keysOfKeys: [ItemKey] = []
  private let transform: TableRows?
  private var input = ByteBuffer(capacity: 4096)
  private var made = ByteBuffer(capacity: 4096)

  init(_ table: ComparedItems, _ target: TargetRows) throws(Failure) {
    self.table = table
    self.target = target
    rows = ItemRows(table.pair.items)
    transform = try table.pair.transformed.map { (made) throws(Failure) in try TableRows(made.mapping) }
  }

  /// What becomes of an item.
  enum Making { case row, refused, leftOut }

  private var isMarked: Bool { table.pair.expiry == .mark }

  /// - Parameter keysOnly: only `keyHashes` are looked for.
  func compare(page body: [UInt8], keysOnly: Bool) throws(Failure) -> PageResult {
    var result = PageResult()
    held.removeAll()
    keys.removeAll()
    (heldKeys, keysOfKeys) = ([], [])
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
        result.suspects.append(heldKeys[number])
      }
    }
    for (number, presence) in try target.find(keys).enumerated() {
      if let presence { result.keyHashes.append(presence.keyHash) }
      if !keysOnly { result.suspects.append(keysOfKeys[number]) }
    }
    return result
  }

  /// Makes rows of the page's items, or keys of those that can't be rows.
  private func read(
    _ bytes: UnsafeRawBufferPointer, _ keysOnly: Bool, _ result: inout PageResult
  ) throws(Failure) {
    do throws(JSONFault) { try unsafe page.read(bytes) } catch {
      throw error.failure(of: "Scan", table: table.pair.items.table.name)
    }
    for item in page.items {
      let key: ItemKey
      input.removeAll()
      do throws(ItemFailure) {
        try unsafe rows.appendKey(of: item, in: bytes, to: &input)
        key = unsafe ItemKey(input.bytes, table.pair.items.key)
      } catch {
        if error.rowClass == nil { throw error.failure }
        if !keysOnly { result.impossible.append(Self.impossible(error)) }
        continue
      }
      if keysOnly, transform == nil {
        unsafe hold(input.bytes, of: key)
        continue
      }
      switch try unsafe appendRow(item, bytes, to: &held) {
      case .row: heldKeys.append(key)
      case .leftOut: break
      case .refused:
        // What the key of a row would be that can't be made, nobody can say.
        if transform != nil {
          if !keysOnly { result.impossible.append(Self.impossible(key, table.pair)) }
          continue
        }
        var fields = ByteBuffer(capacity: 256)
        key.appendFields(to: &fields)
        unsafe hold(fields.bytes, of: key)
      }
    }
  }

  private func hold(_ fields: UnsafeRawBufferPointer, of key: ItemKey) {
    keys.append { unsafe $0.append(fields) }
    keysOfKeys.append(key)
  }

  func appendRow(
    _ item: Range<Int>, _ bytes: UnsafeRawBufferPointer, to rows: inout HeldRows
  ) throws(Failure) -> Making {
    if let transform { return try unsafe appendRow(item, bytes, by: transform, to: &rows) }
    do throws(ItemFailure) {
      try rows.append { out throws(ItemFailure) in
        try unsafe self.rows.appendRow(of: item, in: bytes, to: &out)
        if isMarked { out.append(bigEndian: WireRow.null) }
      }
      return .row
    } catch {
      if error.rowClass == nil { throw error.failure }
      return .refused
    }
  }

  /// Appends what a transform makes of an item, its columns in the order in which they are compared.
  private func appendRow(
    _ item: Range<Int>, _ bytes: UnsafeRawBufferPointer, by transform: TableRows, to rows: inout HeldRows
  ) throws(Failure) -> Making {
    guard let order = table.pair.transformed?.order else { return .refused }
    input.removeAll(keeping: 1 << 20)
    made.removeAll(keeping: 1 << 20)
    do throws(ItemFailure) { try unsafe self.rows.appendRow(of: item, in: bytes, to: &input) } catch {
      if error.rowClass == nil { throw error.failure }
      return .refused
    }
    if isMarked { input.append(bigEndian: WireRow.null) }
    do throws(Failure) {
      guard try unsafe transform.append(input.bytes, to: &made) else { return .leftOut }
    } catch {
      // The pipeline has stopped at such a row, or parked it.
      return .refused
    }
    guard let offsets = unsafe WireRow.fieldOffsets(made.bytes, columns: order.count) else { return .refused }
    rows.append { out in
      for column in order { unsafe out.append(WireRow.field(made.bytes, at: offsets[column])) }
    }
    return .row
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

  private static func impossible(_ key: ItemKey, _ pair: ItemPair) -> RowDifference {
    let texts = key.texts.map { String(decoding: $0, as: UTF8.self) }
    return RowDifference(
      kind: .missing,
      key: zip(pair.items.key, texts).map { .init(name: $0.name, text: $1, isNumber: $0.kind == .number) })
  }

  private static func impossible(_ failure: ItemFailure) -> RowDifference {
    RowDifference(kind: .missing, key: [.init(name: "item", text: failure.key, isNumber: false)])
  }
}
