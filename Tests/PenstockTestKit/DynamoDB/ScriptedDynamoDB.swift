import Foundation
import Synchronization

/// DynamoDB and DynamoDB Streams at one address, with tables in memory: answers as AWS does, and misbehaves as a test says.
package final class ScriptedDynamoDB: Sendable {
  /// What happens to a call in place of, or on the way to, its answer.
  package enum Mishap: Hashable, Sendable {
    /// Refused with this exception and status, and nothing is done.
    case refusal(String, status: Int = 400, message: String = "as the test says")
    /// The answer takes this long: later calls may overtake it.
    case delay(Duration)
    /// The connection ends in place of an answer.
    case cut
    /// The answer never comes.
    case silence
    /// The checksum is of other bytes.
    case wrongChecksum
    /// GetRecords answers what it answered last for the shard, once more.
    case repetition
  }

  private struct State {
    var tables: [String: ScriptedTable] = [:]
    var mishaps: [String: [Mishap]] = [:]
    var answers: [String: JSONValue] = [:]
    var calls: [(operation: String, request: JSONValue)] = []
    var listedShards: (@Sendable (Int, [JSONValue]) -> [JSONValue])?
    var listingCount = 0
    var shardsPerPage = 100
    var recordsPerPage = 1000
    var clock: (@Sendable () -> Int)?
    var streamCount = 0
    var accessKeys: Set<String>?
  }

  private final class Store: Sendable { let state = Mutex(State()) }

  package let server: HTTPServer
  private let store = Store()

  package init() throws { server = try HTTPServer { [store] request in Self.answer(request, store) } }

  package var url: String { server.url }

  /// How often each operation was asked.
  package func count(of operation: String) -> Int {
    store.state.withLock { $0.calls.count { $0.operation == operation } }
  }

  /// What an operation was asked, in the order the requests came.
  package func requests(of operation: String) -> [JSONValue] {
    store.state.withLock { $0.calls.filter { $0.operation == operation }.map(\.request) }
  }

  // MARK: Tables

  /// - Parameters:
  ///   - keys: names and types, the partition key first.
  ///   - stream: a view type; `nil` for a table without a stream.
  package func makeTable(
    _ name: String, keys: [(name: String, type: String)] = [("id", "S")],
    stream: String? = "NEW_AND_OLD_IMAGES", shards: Int = 1
  ) {
    store.state.withLock { $0.tables[name] = ScriptedTable(name: name, keys: keys) }
    if let stream { enableStream(name, viewType: stream, shards: shards) }
  }

  /// A new one, with an ARN of its own.
  package func enableStream(_ table: String, viewType: String = "NEW_AND_OLD_IMAGES", shards: Int = 1) {
    store.state.withLock { state in
      state.streamCount += 1
      let label = String(format: "2026-09-15T12:%02d:00.000", state.streamCount)
      let number = state.tables[table]?.number ?? 0
      state.tables[table]?.streams.append(
        ScriptedStream(table: table, label: label, viewType: viewType, number: number + 1, shards: shards))
    }
  }

  package func disableStream(_ table: String) { changeStream(table) { $0.disable(number: $1) } }

  /// As 24 hours after a stream was disabled, or when the table is dropped.
  package func removeStreams(_ table: String) { store.state.withLock { $0.tables[table]?.streams = [] } }

  package func dropTable(_ name: String) { store.state.withLock { $0.tables[name] = nil } }

  /// The ARN of the newest stream.
  package func stream(of table: String) -> String {
    store.state.withLock { $0.tables[table]?.streams.last?.arn ?? "" }
  }

  package func put(_ item: JSONValue, in table: String) { change(item, item, in: table) }

  /// - Parameter byTTL: as DynamoDB itself does it when an item's time is over.
  package func delete(_ key: JSONValue, in table: String, byTTL: Bool = false) {
    change(key, nil, in: table, byTTL: byTTL)
  }

  package func put(_ items: [JSONValue], in table: String) { for item in items { put(item, in: table) } }

  package func items(of table: String) -> [JSONValue] {
    store.state.withLock { state in state.tables[table]?.items.values.sorted { $0.written < $1.written } ?? [] }
  }

  private func change(_ key: JSONValue, _ item: JSONValue?, in table: String, byTTL: Bool = false) {
    store.state.withLock { state in
      let seconds = state.clock?() ?? Int(Date().timeIntervalSince1970)
      guard let key = state.tables[table]?.key(of: key) else { return }
      state.tables[table]?.change(key, to: item, at: seconds, byTTL: byTTL)
    }
  }

  /// The seconds since 1970 that new records carry.
  package func setClock(_ clock: @escaping @Sendable () -> Int) { store.state.withLock { $0.clock = clock } }

  // MARK: Streams

  private func changeStream(_ table: String, _ change: (inout ScriptedStream, Int) -> Void) {
    store.state.withLock { state in
      guard let index = state.tables[table]?.streams.indices.last else { return }
      state.tables[table]?.number += 1
      let number = state.tables[table]?.number ?? 0
      change(&state.tables[table]!.streams[index], number)
    }
  }

  /// The ids of the shards that still take records, oldest first.
  package func openShards(of table: String) -> [String] {
    store.state.withLock { $0.tables[table]?.streams.last?.openShards.map(\.id) ?? [] }
  }

  /// The records of a shard that are still there.
  package func recordCount(of table: String, shard: String) -> Int {
    store.state.withLock { state in
      state.tables[table]?.streams.last?.shards.first { $0.id == shard }?.records.count ?? 0
    }
  }

  /// Closes open shards, each followed by so many children: all of them, or one.
  package func split(_ table: String, shard: String? = nil, children: Int = 2) {
    for id in openShards(of: table) where shard == nil || shard == id {
      changeStream(table) { $0.close(id, children: children, number: $1) }
    }
  }

  /// Everything written so far is gone, as after 24 hours; the closed shards too, if so said.
  package func trim(_ table: String, forgettingShards: Bool = false) {
    changeStream(table) { stream, _ in stream.trim(forgettingShards: forgettingShards) }
  }

  package func expireIterators(of table: String) { changeStream(table) { stream, _ in stream.expireIterators() } }

  // MARK: Behaviour

  /// The next calls of an operation meet these, one after the other.
  package func next(_ operation: String, _ mishaps: Mishap...) {
    store.state.withLock { $0.mishaps[operation, default: []] += mishaps }
  }

  package func next(_ operation: String, times: Int, _ mishap: Mishap) {
    store.state.withLock { $0.mishaps[operation, default: []] += Array(repeating: mishap, count: times) }
  }

  /// How long the answers' pages are.
  package func setPages(shards: Int? = nil, records: Int? = nil) {
    store.state.withLock { state in
      state.shardsPerPage = shards ?? state.shardsPerPage
      state.recordsPerPage = records ?? state.recordsPerPage
    }
  }

  /// Changes what DescribeStream lists.
  /// - Parameter change: gets the number of the listing, from 1, and the shards in the order they were made.
  package func setListing(_ change: @escaping @Sendable (Int, [JSONValue]) -> [JSONValue]) {
    store.state.withLock { $0.listedShards = change }
  }

  /// Requests signed with another access key are refused as expired.
  package func accept(accessKeys: Set<String>?) { store.state.withLock { $0.accessKeys = accessKeys } }
}

// MARK: Answers

extension ScriptedDynamoDB {
  private struct Refusal: Error {
    let exception: String
    var status = 400
    var message = "Requested resource not found"
  }

  private static func answer(_ request: HTTPServer.Request, _ store: Store) -> HTTPServer.Answer {
    let target = (request.headers["x-amz-target"] ?? "").split(separator: ".").map(String.init)
    guard request.method == "POST", target.count == 2, let asked = JSONValue(parsing: request.body),
      request.headers["content-type"] == "application/x-amz-json-1.0"
    else { return written(Refusal(exception: "SerializationException")) }
    let mishap = store.state.withLock { state -> Mishap? in
      state.calls.append((target[1], asked))
      guard state.mishaps[target[1]]?.isEmpty == false else { return nil }
      return state.mishaps[target[1]]?.removeFirst()
    }
    switch mishap {
    case .refusal(let exception, let status, let message):
      return written(Refusal(exception: exception, status: status, message: message))
    case .delay(let duration): Thread.sleep(forTimeInterval: duration / .seconds(1))
    case .cut: return .cut
    case .silence: return .silence
    default: break
    }
    do {
      try checkSignature(request, store)
      let body = try store.state.withLock { try respond(to: target, asked, &$0, isRepeated: mishap == .repetition) }
      let checksum = checksum(Array(body.utf8)) ^ (mishap == .wrongChecksum ? 1 : 0)
      return HTTPServer.Answer(200, body, headers: headers(checksum))
    } catch let refusal as ScriptedStream.Refusal {
      return written(Refusal(exception: refusal.rawValue))
    } catch {
      return written(error as? Refusal ?? Refusal(exception: "InternalServerError", status: 500))
    }
  }

  private static func headers(_ checksum: UInt32) -> [String: String] {
    [
      "x-amz-crc32": String(checksum), "x-amzn-RequestId": "REQUEST1", "Content-Type": "application/x-amz-json-1.0",
      "Date": date(),
    ]
  }

  private static func date() -> String {
    let formatter = DateFormatter()
    formatter.locale = Locale(identifier: "en_US_POSIX")
    formatter.timeZone = TimeZone(identifier: "GMT")
    formatter.dateFormat = "EEE, dd MMM yyyy HH:mm:ss 'GMT'"
    return formatter.string(from: Date())
  }

  private static func written(_ refusal: Refusal) -> HTTPServer.Answer {
    let body: JSONValue = [
      "__type": .text("com.amazonaws.dynamodb.v20120810#\(refusal.exception)"), "message": .text(refusal.message),
    ]
    return HTTPServer.Answer(refusal.status, body.written, headers: headers(checksum(Array(body.written.utf8))))
  }

  /// Bit by bit, unlike any program.
  private static func checksum(_ bytes: [UInt8]) -> UInt32 {
    ~bytes.reduce(UInt32.max) { sum, byte in
      (0..<8).reduce(sum ^ UInt32(byte)) { value, _ in value & 1 == 1 ? value >> 1 ^ 0xEDB8_8320 : value >> 1 }
    }
  }

  /// Only what a forgotten or wrong part of a signature would show.
  private static func checkSignature(_ request: HTTPServer.Request, _ store: Store) throws {
    let text = request.headers["authorization"] ?? ""
    let scope = text.firstMatch(of: /Credential=([^\/]+)\/(\d{8})\/([a-z0-9-]+)\/dynamodb\/aws4_request/)
    guard let scope,
      text.contains(/SignedHeaders=content-type;host;x-amz-date;.*x-amz-target, Signature=[0-9a-f]{64}$/),
      request.headers["x-amz-date"]?.hasPrefix(scope.2) == true
    else { throw Refusal(exception: "IncompleteSignatureException", message: "Authorization: \(text)") }
    let isKnown = store.state.withLock { $0.accessKeys?.contains(String(scope.1)) ?? true }
    guard isKnown else { throw Refusal(exception: "ExpiredTokenException", message: "The security token has expired") }
  }

  private static func respond(
    to target: [String], _ asked: JSONValue, _ state: inout State, isRepeated: Bool
  ) throws -> String {
    switch (target[0], target[1]) {
    case ("DynamoDB_20120810", "ListTables"): return listTables(asked, state).written
    case ("DynamoDB_20120810", "DescribeTable"): return try table(asked["TableName"], state).description.written
    case ("DynamoDB_20120810", "Scan"):
      let limit = asked["Limit"]?.integer ?? .max
      return try table(asked["TableName"], state).scan(
        segment: asked["Segment"]?.integer ?? 0, of: asked["TotalSegments"]?.integer ?? 1,
        after: asked["ExclusiveStartKey"], limit: limit
      ).written
    case ("DynamoDB_20120810", "BatchGetItem"): return try batchGet(asked, state).written
    case ("DynamoDBStreams_20120810", "DescribeStream"): return try describeStream(asked, &state).written
    case ("DynamoDBStreams_20120810", "GetShardIterator"):
      let iterator = try stream(asked["StreamArn"], state).iterator(
        shard: asked["ShardId"]?.text ?? "", type: asked["ShardIteratorType"]?.text ?? "",
        number: asked["SequenceNumber"]?.text)
      return (["ShardIterator": .text(iterator)] as JSONValue).written
    case ("DynamoDBStreams_20120810", "GetRecords"):
      return try records(asked, &state, isRepeated: isRepeated).written
    default: throw Refusal(exception: "UnknownOperationException")
    }
  }

  private static func table(_ name: JSONValue?, _ state: State) throws -> ScriptedTable {
    guard let table = state.tables[name?.text ?? ""] else { throw Refusal(exception: "ResourceNotFoundException") }
    return table
  }

  private static func stream(_ arn: JSONValue?, _ state: State) throws -> ScriptedStream {
    guard let stream = state.tables.values.flatMap(\.streams).first(where: { $0.arn == arn?.text }) else {
      throw Refusal(exception: "ResourceNotFoundException")
    }
    return stream
  }

  private static func listTables(_ asked: JSONValue, _ state: State) -> JSONValue {
    let rest = state.tables.keys.sorted().filter { $0 > asked["ExclusiveStartTableName"]?.text ?? "" }
    let page = rest.prefix(100)
    var answer: [String: JSONValue] = ["TableNames": .list(page.map(JSONValue.text))]
    if page.count < rest.count { answer["LastEvaluatedTableName"] = page.last.map(JSONValue.text) }
    return .object(answer)
  }

  private static func batchGet(_ asked: JSONValue, _ state: State) throws -> JSONValue {
    guard case .object(let requests) = asked["RequestItems"] else { throw Refusal(exception: "ValidationException") }
    var responses: [String: JSONValue] = [:]
    for (name, request) in requests {
      let table = try table(.text(name), state)
      guard case .list(let keys) = request["Keys"] else { throw Refusal(exception: "ValidationException") }
      responses[name] = .list(keys.compactMap { table.items[$0.written] })
    }
    return ["Responses": .object(responses), "UnprocessedKeys": [:]]
  }

  private static func describeStream(_ asked: JSONValue, _ state: inout State) throws -> JSONValue {
    let stream = try stream(asked["StreamArn"], state)
    let after = asked["ExclusiveStartShardId"]?.text
    if after == nil { state.listingCount += 1 }
    var listed = stream.shards.map { shard -> JSONValue in
      var range: [String: JSONValue] = ["StartingSequenceNumber": .text(ScriptedStream.sequenceNumber(shard.first))]
      if let last = shard.last { range["EndingSequenceNumber"] = .text(ScriptedStream.sequenceNumber(last)) }
      var members: [String: JSONValue] = ["ShardId": .text(shard.id), "SequenceNumberRange": .object(range)]
      if let parent = shard.parent { members["ParentShardId"] = .text(parent) }
      return .object(members)
    }
    if let change = state.listedShards { listed = change(state.listingCount, listed) }
    if let after { listed = Array(listed.drop { $0["ShardId"]?.text != after }.dropFirst()) }
    let page = listed.prefix(state.shardsPerPage)
    var description: [String: JSONValue] = [
      "StreamArn": .text(stream.arn), "StreamLabel": .text(stream.label), "StreamStatus": .text(stream.status),
      "StreamViewType": .text(stream.viewType), "Shards": .list(Array(page)),
      "TableName": .text(state.tables.values.first { $0.streams.contains { $0.arn == stream.arn } }?.name ?? ""),
    ]
    if page.count < listed.count { description["LastEvaluatedShardId"] = page.last?["ShardId"] }
    return ["StreamDescription": .object(description)]
  }

  private static func records(_ asked: JSONValue, _ state: inout State, isRepeated: Bool) throws -> JSONValue {
    let iterator = asked["ShardIterator"]?.text ?? ""
    let parts = iterator.split(separator: "|")
    // Shards of several streams may have one id.
    let shard = "\(parts.first ?? "") \(parts.last?.split(separator: "/").first ?? "")"
    if isRepeated, let answer = state.answers[shard] { return answer }
    let stream = try stream(parts.first.map { .text(String($0)) }, state)
    let (records, next) = try stream.records(
      at: iterator, limit: min(asked["Limit"]?.integer ?? 1000, state.recordsPerPage))
    var answer: [String: JSONValue] = ["Records": .list(records.map(\.json))]
    if let next { answer["NextShardIterator"] = .text(next) }
    state.answers[shard] = .object(answer)
    return .object(answer)
  }
}
