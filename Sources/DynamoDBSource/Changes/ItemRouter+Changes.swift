internal import AWS
internal import Apply
internal import ChangeModel
internal import Lanes
internal import SQLMapping

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
    case (_, let image?): try unsafe upsert(image, reader, body)
    case (_, nil):
      throw Failure(
        .source, "a record of the stream has no new image", location: "\(reader.table.name), \(record.sequenceNumber)",
        hint: "Set the stream's view type to NEW_AND_OLD_IMAGES, run penstock reset, then load again.")
    }
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

  private mutating func remove(
    _ record: StreamRecord, _ reader: ItemReader, _ body: UnsafeRawBufferPointer
  ) throws(Failure) {
    switch (record.isExpiry ? reader.table.expiry : .delete, record.oldImage) {
    case (.delete, _): unsafe router.routeDelete(table: reader.table.index, key: key.bytes, at: position)
    case (.keep, _): break
    case (.mark, let image?):
      try unsafe upsert(image, reader, body, expiredAt: UnixTime(seconds: record.creationTime / 1000))
    case (.mark, nil):
      throw Failure(
        .source, "a record of the stream has no old image, so the expired row can't be marked",
        location: "\(reader.table.name), \(record.sequenceNumber)",
        hint: "Set the stream's view type to NEW_AND_OLD_IMAGES, or ttl-deletes to apply or skip.")
    }
  }

  /// Routes an item of a scan, unless the stream has spoken of it since the page was asked for.
  mutating func route(
    item: Range<Int>, _ reader: ItemReader, _ body: UnsafeRawBufferPointer, _ asked: UInt64
  ) throws(Failure) {
    if !recent.isEmpty {
      key.removeAll()
      do throws(ItemFailure) { unsafe try reader.rows.appendKey(of: item, in: body, to: &key) } catch {
        throw error.failure
      }
      if unsafe recent.has(key.bytes, table: reader.table.index, after: asked) { return }
    }
    arrival += 1
    try unsafe upsert(item, reader, body)
  }

  private mutating func upsert(
    _ item: Range<Int>, _ reader: ItemReader, _ body: UnsafeRawBufferPointer, expiredAt: UnixTime? = nil
  ) throws(Failure) {
    row.removeAll(keeping: 1 << 20)
    var refusal: ItemFailure?
    do throws(ItemFailure) {
      unsafe try reader.rows.appendRow(of: item, in: body, to: &row)
    } catch {
      // What is no item at all, no policy is about.
      guard error.rowClass != nil else { throw error.failure }
      refusal = error
      unsafe reader.rows.appendRefusedRow(of: item, in: body, to: &row)
    }
    if reader.table.expiry == .mark { append(expiredAt) }
    let index = reader.table.index
    if let refusal {
      unsafe router.routeRefused(table: index, row: row.bytes, because: refusal.failure, at: position)
    } else {
      router.route(.upsert, table: index, row: &row, at: position)
    }
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
