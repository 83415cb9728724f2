import Foundation

/// A stream of a table as DynamoDB keeps it: shards with records in a tree. A value; the server's lock guards it.
struct ScriptedStream: Sendable {
  struct Record: Sendable {
    let number: Int
    /// As GetRecords writes it.
    let json: JSONValue
    let bytes: Int
  }

  struct Shard: Sendable {
    let id: String
    let parent: String?
    let first: Int
    var last: Int?
    /// The hashes of the keys whose changes it takes.
    let keys: Range<UInt64>
    var records: [Record] = []
    /// Records up to here are gone.
    var trimmedThrough = 0
  }

  let arn: String
  let label: String
  let viewType: String
  var status = "ENABLED"
  private(set) var shards: [Shard] = []
  /// Iterators made before are expired.
  private(set) var iteratorGeneration = 0
  private var shardCount = 0

  init(table: String, label: String, viewType: String, number: Int, shards count: Int) {
    self.label = label
    self.viewType = viewType
    arn = "arn:aws:dynamodb:eu-central-1:123456789012:table/\(table)/stream/\(label)"
    let width = UInt64.max / UInt64(count)
    for index in 0..<count {
      let low = width * UInt64(index)
      add(parent: nil, keys: low..<(index == count - 1 ? UInt64.max : low + width), number: number)
    }
  }

  private mutating func add(parent: String?, keys: Range<UInt64>, number: Int) {
    shardCount += 1
    let id = String(format: "shardId-%020d-%08x", 1_763_700_000_000 + shardCount, shardCount)
    shards.append(Shard(id: id, parent: parent, first: number, keys: keys))
  }

  var openShards: [Shard] { shards.filter { $0.last == nil } }

  mutating func append(_ record: Record, key: String) {
    let hash = Self.hash(key)
    guard let index = shards.firstIndex(where: { $0.last == nil && $0.keys.contains(hash) }) else { return }
    shards[index].records.append(record)
  }

  /// FNV-1a, in a range that the shards cover.
  static func hash(_ key: String) -> UInt64 {
    min(key.utf8.reduce(0xcbf2_9ce4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }, .max - 1)
  }

  /// Closes a shard and opens as many children in its place; the last number is the next one's own.
  mutating func close(_ id: String, children count: Int, number: Int) {
    guard let index = shards.firstIndex(where: { $0.id == id && $0.last == nil }) else { return }
    shards[index].last = number
    let keys = shards[index].keys
    guard count > 0 else { return }
    let width = (keys.upperBound - keys.lowerBound) / UInt64(count)
    for child in 0..<count {
      let low = keys.lowerBound + width * UInt64(child)
      add(parent: id, keys: low..<(child == count - 1 ? keys.upperBound : low + width), number: number + 1)
    }
  }

  mutating func disable(number: Int) {
    status = "DISABLED"
    for shard in openShards { close(shard.id, children: 0, number: number) }
  }

  /// What has been written so far is gone; closed shards are listed no more if so said.
  mutating func trim(forgettingShards: Bool) {
    for index in shards.indices {
      shards[index].trimmedThrough = shards[index].records.last?.number ?? shards[index].trimmedThrough
      shards[index].records = []
    }
    if forgettingShards { shards.removeAll { $0.last != nil } }
  }

  mutating func expireIterators() { iteratorGeneration += 1 }

  // MARK: Reading

  enum Refusal: String, Error {
    case notFound = "ResourceNotFoundException"
    case trimmed = "TrimmedDataAccessException"
    case expired = "ExpiredIteratorException"
    case invalid = "ValidationException"
  }

  /// An iterator says after which record it goes on.
  func iterator(shard id: String, type: String, number text: String?) throws(Refusal) -> String {
    guard let shard = shards.first(where: { $0.id == id }) else { throw .notFound }
    let after: Int
    switch (type, text.map(Self.number)) {
    case ("TRIM_HORIZON", _): after = shard.trimmedThrough
    case ("LATEST", _): after = shard.records.last?.number ?? shard.trimmedThrough
    case ("AFTER_SEQUENCE_NUMBER", let number??): after = number
    case ("AT_SEQUENCE_NUMBER", let number??): after = number - 1
    default: throw .invalid
    }
    if after < shard.trimmedThrough { throw .trimmed }
    return written(id, after)
  }

  private func written(_ shard: String, _ after: Int) -> String { "\(arn)|1|\(shard)/\(after)/\(iteratorGeneration)" }

  func records(at iterator: String, limit: Int) throws(Refusal) -> (records: [Record], next: String?) {
    let parts = iterator.split(separator: "|").last?.split(separator: "/") ?? []
    guard parts.count == 3, let after = Int(parts[1]), let generation = Int(parts[2]) else { throw .invalid }
    guard generation == iteratorGeneration else { throw .expired }
    guard let shard = shards.first(where: { $0.id == parts[0] }) else { throw .notFound }
    if after < shard.trimmedThrough { throw .trimmed }
    var bytes = 0
    let page = shard.records.drop { $0.number <= after }.prefix(limit).prefix { record in
      bytes += record.bytes
      return bytes <= 1 << 20 || bytes == record.bytes
    }
    let last = page.last?.number ?? after
    let isAtEnd = shard.last != nil && last >= shard.records.last?.number ?? 0
    return (Array(page), isAtEnd ? nil : written(shard.id, last))
  }

  static func sequenceNumber(_ number: Int) -> String { String(format: "1%020d", number) }

  private static func number(_ text: String) -> Int? {
    text.utf8.count == 21 && text.hasPrefix("1") ? Int(text.dropFirst()) : nil
  }
}
