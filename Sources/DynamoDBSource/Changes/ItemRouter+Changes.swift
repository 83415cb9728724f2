internal import AWS
internal import Apply
internal import ChangeModel
internal import Lanes
internal import SQLMapping
internal import Transforms

extension ItemRouter.State {
  /// Routes what a record says of its item. Every record counts as an arrival, whether a change comes of it or not.
  mutating func route(
    _ record: StreamRecord, _ reader: ItemReader, _ shard: Int, _ body: UnsafeRawBufferPointer
  ) throws(Failure) {
    arrival += 1
    noteLanesAhead(of: record.sequenceNumber, shard)
    defer { router.lanesAhead = [] }
    key.removeAll()
    do throws(ItemFailure) { unsafe try reader.rows.appendKey(of: record.keys, in: body, to: &key) } catch {
      // Without its key a row has no name, not even to be parked by.
      throw error.failure
    }
    if isLoading { unsafe recent.note(key.bytes, table: reader.table.index, arrival: arrival) }
    switch (record.kind, record.newImage) {
    case (.remove, _): unsafe try remove(record, reader, body)
    case (_, let image?):
      if reader.keyMoves { try unsafe leave(record, reader, body, for: image) }
      try unsafe upsert(image, reader, body, isFromScan: false)
    case (_, nil): throw withoutImage("new", record, reader)
    }
  }

  private func withoutImage(_ which: String, _ record: StreamRecord, _ reader: ItemReader) -> Failure {
    Failure(
      .source, "a record of the stream has no \(which) image, which is needed here",
      location: "\(reader.table.name), \(record.sequenceNumber)",
      hint: "Set the stream's view type to NEW_AND_OLD_IMAGES, run penstock reset, then load again.")
  }

  private mutating func noteLanesAhead(of number: SequenceNumber, _ shard: Int) {
    guard let marks = ahead[shard] else { return }
    let lanes = marks.map { mark in mark.map { number <= $0 } ?? false }
    if lanes.contains(true) {
      router.lanesAhead = lanes
    } else {
      // Numbers only grow.
      ahead[shard] = nil
    }
  }

  private var position: StreamPosition { StreamPosition(commitLSN: LSN(arrival), ordinal: 0) }

  // MARK: Removals

  private mutating func remove(
    _ record: StreamRecord, _ reader: ItemReader, _ body: UnsafeRawBufferPointer
  ) throws(Failure) {
    switch (record.isExpiry ? reader.table.expiry : .delete, record.oldImage) {
    case (.keep, _): return
    case (.mark, let image?):
      let time = UnixTime(seconds: record.creationTime / 1000)
      return try unsafe upsert(image, reader, body, isFromScan: false, expiredAt: time)
    case (.mark, nil): throw withoutImage("old", record, reader)
    case (.delete, let image):
      if reader.keyMoves {
        guard let image else { throw withoutImage("old", record, reader) }
        try unsafe readRow(image, reader, body)
      } else if reader.transform != nil {
        // All that the key is made of.
        row.removeAll()
        unsafe row.append(key.bytes)
        for _ in reader.table.mapping.key.count..<reader.inputCount { row.append(bigEndian: WireRow.null) }
      }
      try routeDelete(reader)
    }
  }

  /// Removes the row that an item had before a change, if it has another key than the row it has now.
  private mutating func leave(
    _ record: StreamRecord, _ reader: ItemReader, _ body: UnsafeRawBufferPointer, for image: Range<Int>
  ) throws(Failure) {
    guard record.kind == .modify, let transform = reader.transform else { return }
    guard let old = record.oldImage else { throw withoutImage("old", record, reader) }
    try unsafe readRow(image, reader, body)
    made.removeAll()
    try unsafe transform.appendKey(row.bytes, to: &made)
    let count = made.count
    try unsafe readRow(old, reader, body)
    try unsafe transform.appendKey(row.bytes, to: &made)
    if unsafe made.bytes[..<count].elementsEqual(made.bytes[count...]) { return }
    try routeDelete(reader)
    // Two changes come of the record, and it counts with the second.
    arrival += 1
  }

  /// Routes the removal of the row with the key at hand: the item's, or what a transform makes of the row at hand.
  private mutating func routeDelete(_ reader: ItemReader) throws(Failure) {
    made.removeAll()
    if let transform = reader.transform {
      try unsafe transform.appendKey(row.bytes, to: &made)
    } else {
      unsafe made.append(key.bytes)
    }
    unsafe router.routeDelete(table: reader.table.index, key: made.bytes, at: position)
  }

  // MARK: Rows

  /// Routes an item of a scan, unless the stream has spoken of it since the page was asked for.
  mutating func route(
    item: Range<Int>, _ reader: ItemReader, _ body: UnsafeRawBufferPointer, _ asked: UInt64
  ) throws(Failure) {
    if !recent.isEmpty || reader.transform != nil {
      key.removeAll()
      do throws(ItemFailure) { unsafe try reader.rows.appendKey(of: item, in: body, to: &key) } catch {
        throw error.failure
      }
      if unsafe recent.has(key.bytes, table: reader.table.index, after: asked) { return }
    }
    arrival += 1
    try unsafe upsert(item, reader, body, isFromScan: true)
  }

  private mutating func upsert(
    _ item: Range<Int>, _ reader: ItemReader, _ body: UnsafeRawBufferPointer, isFromScan: Bool,
    expiredAt: UnixTime? = nil
  ) throws(Failure) {
    var refusal = try unsafe readRow(item, reader, body, expiredAt: expiredAt)
    if let transform = reader.transform {
      var isKept = true
      if refusal == nil {
        made.removeAll(keeping: 1 << 20)
        do throws(Failure) { isKept = try unsafe transform.append(row.bytes, to: &made) } catch { refusal = error }
      }
      // In the target there may be the row of an item that the filter took before.
      guard isKept else { return isFromScan ? () : try routeDelete(reader) }
      if refusal != nil {
        made.removeAll()
        try unsafe transform.appendRefused(row.bytes, to: &made)
      }
      swap(&row, &made)
    }
    let index = reader.table.index
    if let refusal {
      unsafe router.routeRefused(table: index, row: row.bytes, because: refusal, at: position)
    } else {
      router.route(.upsert, table: index, row: &row, at: position)
    }
  }

  /// Makes the item's row, before any transform.
  /// - Returns: why it can't be written, if so; then it is what could be made of it.
  @discardableResult
  private mutating func readRow(
    _ item: Range<Int>, _ reader: ItemReader, _ body: UnsafeRawBufferPointer, expiredAt: UnixTime? = nil
  ) throws(Failure) -> Failure? {
    row.removeAll(keeping: 1 << 20)
    var refusal: Failure?
    do throws(ItemFailure) {
      unsafe try reader.rows.appendRow(of: item, in: body, to: &row)
    } catch {
      // What is no item at all, no policy is about.
      guard error.rowClass != nil else { throw error.failure }
      refusal = error.failure
      unsafe reader.rows.appendRefusedRow(of: item, in: body, to: &row)
    }
    if reader.table.expiry == .mark { append(expiredAt) }
    return refusal
  }

  private mutating func append(_ time: UnixTime?) {
    guard let time else { return row.append(bigEndian: WireRow.null) }
    let text = Array(time.iso8601.utf8)
    row.append(bigEndian: Int32(text.count))
    row.append(text)
  }
}

extension RecordsSummary {
  init(_ page: RecordsPage) {
    self.init(
      count: page.records.count, nextIterator: page.nextIterator,
      lastSequenceNumber: page.records.last.map { "\($0.sequenceNumber)" },
      newestCreation: page.records.last.map { UnixTime(seconds: $0.creationTime / 1000) })
  }
}
