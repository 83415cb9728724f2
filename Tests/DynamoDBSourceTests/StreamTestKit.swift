import AWS
import ChangeModel
@testable import DynamoDBSource
import Foundation
import PenstockTestKit
import Runtime
import Synchronization

/// A scripted server with the table `t`, a service that asks it, and who takes what comes.
final class StreamFixture: Sendable {
  let database: ScriptedDynamoDB
  let service: DynamoDBService
  let consumer = Collector()

  init(shards: Int = 1, budget: Duration = .seconds(60)) throws {
    database = try ScriptedDynamoDB()
    database.makeTable("t", shards: shards)
    let environment = ["AWS_ACCESS_KEY_ID": "AKID", "AWS_SECRET_ACCESS_KEY": "s3cret"]
    service = DynamoDBService(
      try DynamoDBEndpoints(region: "eu-central-1", endpoint: database.url, environment: environment),
      login: AWSLogin(.source, environment: environment, log: Log(level: .error)),
      retry: .init(initialDelay: .milliseconds(1), maxDelay: .milliseconds(10), maxElapsed: budget))
  }

  /// Faster than AWS would have it, unless a test is about that.
  func follower(
    positions: [String: ShardPosition] = [:], start: ShardPosition = .trimHorizon,
    _ change: (inout StreamFollower.Settings) -> Void = { _ in }
  ) -> StreamFollower {
    var settings = StreamFollower.Settings(
      stream: database.stream(of: "t"), table: "t", positions: positions, start: start)
    (settings.callInterval, settings.idleInterval) = (.milliseconds(2), .milliseconds(5))
    change(&settings)
    return StreamFollower(service, settings, consumer: consumer)
  }

  func put(_ ids: Range<Int>) { database.put(ids.map { ["id": ["S": "\($0)"]] }, in: "t") }

  /// Runs until the condition holds, then stops.
  func follow(
    _ follower: StreamFollower, until condition: @escaping @Sendable (Collector) -> Bool
  ) async throws -> StreamEnd {
    // Other tests may keep all threads of the pool for a long time.
    let thread = ThreadExecutor(name: "stream test")
    defer { thread.shutdown() }
    let run = Task(executorPreference: thread) { try await follower.run() }
    let consumer = consumer
    do { try await eventually(timeout: .seconds(600), "what is followed") { condition(consumer) } } catch {
      follower.stop()
      _ = try await run.value
      throw error
    }
    follower.stop()
    return try await run.value
  }
}

/// Takes records and remembers them.
final class Collector: ShardConsumer {
  struct Taken: Sendable {
    var records: [(shard: String, id: String, number: String)] = []
    var begun: [String: ShardPosition] = [:]
    var ended: [String] = []
    var forgotten: [String] = []
    var taking = 0
    var takingMax = 0
    var positions: [String: ShardPosition] = [:]
  }

  private let taken = Mutex(Taken())
  /// Called before a body is taken.
  private let hook = Mutex<(@Sendable (String) async throws(Failure) -> Void)?>(nil)

  var ids: [String] { taken.withLock { $0.records.map(\.id) } }
  var now: Taken { taken.withLock { $0 } }

  func onTake(_ work: @escaping @Sendable (String) async throws(Failure) -> Void) { hook.withLock { $0 = work } }

  func began(_ shard: String, at position: ShardPosition) async throws(Failure) {
    taken.withLock {
      $0.begun[shard] = position
      $0.positions[shard] = position
    }
  }

  func take(_ body: [UInt8], of shard: String) async throws(Failure) -> RecordsSummary {
    taken.withLock {
      $0.taking += 1
      $0.takingMax = max($0.taking, $0.takingMax)
    }
    defer { taken.withLock { $0.taking -= 1 } }
    if let hook = hook.withLock({ $0 }) { try await hook(shard) }
    guard let page = try? JSONDecoder().decode(Page.self, from: Data(body)) else {
      throw Failure(.source, "no page of records")
    }
    taken.withLock { taken in
      for record in page.Records {
        taken.records.append((shard, record.dynamodb.Keys.id.S, record.dynamodb.SequenceNumber))
        taken.positions[shard] = .after(record.dynamodb.SequenceNumber)
      }
    }
    let last = page.Records.last?.dynamodb
    return RecordsSummary(
      count: page.Records.count, nextIterator: page.NextShardIterator, lastSequenceNumber: last?.SequenceNumber,
      newestCreation: last.map { UnixTime(seconds: Int64($0.ApproximateCreationDateTime)) })
  }

  func ended(_ shard: String) async throws(Failure) {
    taken.withLock {
      $0.ended.append(shard)
      $0.positions[shard] = .done
    }
  }

  func forgot(_ shard: String) async throws(Failure) { taken.withLock { $0.forgotten.append(shard) } }

  // The names are those of the answers.
  private struct Page: Decodable {
    let Records: [Record]
    let NextShardIterator: String?
  }
  private struct Record: Decodable { let dynamodb: Change }
  private struct Change: Decodable {
    let Keys: Key
    let SequenceNumber: String
    let ApproximateCreationDateTime: Double
  }
  private struct Key: Decodable { let id: Text }
  private struct Text: Decodable { let S: String }
}

/// A value that tasks share.
final class Shared<Value: Sendable>: Sendable {
  private let value: Mutex<Value>

  init(_ value: Value) { self.value = Mutex(value) }

  func withLock<Result: Sendable>(_ work: (inout Value) -> Result) -> Result { value.withLock { work(&$0) } }
}
