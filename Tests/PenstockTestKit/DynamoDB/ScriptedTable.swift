import Foundation

/// A table of the scripted server, its items and its streams. A value; the server's lock guards it.
struct ScriptedTable: Sendable {
  typealias Item = JSONValue

  let name: String
  /// Names and types, the partition key first.
  let keys: [(name: String, type: String)]
  /// By their keys as they are written.
  private(set) var items: [String: Item] = [:]
  var streams: [ScriptedStream] = []
  /// Of the newest change.
  var number = 1000
  var id = "11111111-2222-3333-4444-555555555555"

  init(name: String, keys: [(name: String, type: String)]) {
    self.name = name
    self.keys = keys
  }

  var arn: String { "arn:aws:dynamodb:eu-central-1:123456789012:table/\(name)" }

  func key(of item: Item) -> Item {
    .object(Dictionary(keys.compactMap { key in item[key.name].map { (key.name, $0) } }) { $1 })
  }

  /// - Parameter item: `nil` removes it.
  mutating func change(_ key: Item, to item: Item?, at seconds: Int, byTTL: Bool) {
    let old = items[key.written]
    items[key.written] = item
    if old == nil && item == nil || old == item { return }
    number += 1
    guard let index = streams.indices.last, streams[index].status == "ENABLED" else { return }
    let record = record(key, old, item, at: seconds, byTTL: byTTL, viewType: streams[index].viewType)
    streams[index].append(record, key: key[keys[0].name]?.written ?? "")
  }

  private func record(
    _ key: Item, _ old: Item?, _ new: Item?, at seconds: Int, byTTL: Bool, viewType: String
  ) -> ScriptedStream.Record {
    let size = key.written.utf8.count + (old?.written.utf8.count ?? 0) + (new?.written.utf8.count ?? 0)
    var change: [String: JSONValue] = [
      // As Java writes such a number.
      "ApproximateCreationDateTime": .number(Self.scientific(seconds)), "Keys": key,
      "SequenceNumber": .text(ScriptedStream.sequenceNumber(number)), "SizeBytes": .number(String(size)),
      "StreamViewType": .text(viewType),
    ]
    if viewType.contains("NEW") { change["NewImage"] = new }
    if viewType.contains("OLD") { change["OldImage"] = old }
    var record: [String: JSONValue] = [
      "eventID": .text(String(format: "%032x", number)),
      "eventName": new == nil ? "REMOVE" : old == nil ? "INSERT" : "MODIFY", "eventVersion": "1.1",
      "eventSource": "aws:dynamodb", "awsRegion": "eu-central-1", "dynamodb": .object(change),
    ]
    if byTTL { record["userIdentity"] = ["Type": "Service", "PrincipalId": "dynamodb.amazonaws.com"] }
    return ScriptedStream.Record(number: number, json: .object(record), bytes: size)
  }

  /// `1.763700000E9`.
  static func scientific(_ seconds: Int) -> String {
    let digits = String(seconds)
    return "\(digits.prefix(1)).\(digits.dropFirst())E\(digits.count - 1)"
  }

  var description: JSONValue {
    var table: [String: JSONValue] = [
      "TableName": .text(name), "TableArn": .text(arn), "TableId": .text(id), "TableStatus": "ACTIVE",
      "ItemCount": .number(String(items.count)),
      "TableSizeBytes": .number(String(items.values.reduce(0) { $0 + $1.written.utf8.count })),
      "CreationDateTime": .number("1.7637E9"),
      "KeySchema": .list(
        keys.enumerated().map {
          ["AttributeName": .text($1.name), "KeyType": $0 == 0 ? "HASH" : "RANGE"]
        }),
      "AttributeDefinitions": .list(
        keys.sorted { $0.name < $1.name }.map { ["AttributeName": .text($0.name), "AttributeType": .text($0.type)] }),
      "ProvisionedThroughput": ["ReadCapacityUnits": 0, "WriteCapacityUnits": 0, "NumberOfDecreasesToday": 0],
      "BillingModeSummary": ["BillingMode": "PAY_PER_REQUEST"],
    ]
    if let stream = streams.last {
      table["LatestStreamArn"] = .text(stream.arn)
      table["LatestStreamLabel"] = .text(stream.label)
      if stream.status == "ENABLED" {
        table["StreamSpecification"] = ["StreamEnabled": true, "StreamViewType": .text(stream.viewType)]
      }
    }
    return ["Table": .object(table)]
  }

  /// A page of a Scan: items in the order of their keys' hashes, of which each segment has its part.
  func scan(segment: Int, of segments: Int, after: JSONValue?, limit: Int) -> JSONValue {
    func hash(_ key: String) -> UInt64 { ScriptedStream.hash(key) }
    let last = after.map(\.written)
    let rest = items.filter { Int(hash($0.key) % UInt64(segments)) == segment }
      .sorted { (hash($0.key), $0.key) < (hash($1.key), $1.key) }
      .drop { item in last.map { (hash(item.key), item.key) <= (hash($0), $0) } ?? false }
    var bytes = 0
    let page = rest.prefix(limit).prefix { item in
      bytes += item.value.written.utf8.count
      return bytes <= 1 << 20
    }
    var answer: [String: JSONValue] = [
      "Items": .list(page.map(\.value)), "Count": .number(String(page.count)),
      "ScannedCount": .number(String(page.count)),
      "ConsumedCapacity": ["TableName": .text(name), "CapacityUnits": .number("\(Double(bytes / 4096 + 1) / 2)")],
    ]
    // DynamoDB too names a key where the limit was met, even if nothing follows.
    if let end = page.last, page.count < rest.count || page.count == limit {
      answer["LastEvaluatedKey"] = key(of: end.value)
    }
    return .object(answer)
  }
}
