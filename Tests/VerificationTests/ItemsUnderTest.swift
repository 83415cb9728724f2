import AWS
import Apply
import ChangeModel
import DSQLSink
import DynamoDBSource
import Foundation
import PenstockTestKit
import Postgres
import Runtime
import SQLMapping

@testable import Verification

/// Items of one table in a scripted DynamoDB, a database with its target, and a comparison of the two.
final class ItemsUnderTest: Sendable {
  let source: ScriptedDynamoDB
  let cluster: TestCluster
  let database: String
  let pair: ItemPair
  let options: DynamoDBVerification.Options
  private let sink: SinkOptions

  static let table = "Things"

  /// - Parameters:
  ///   - keys: names and types, the partition key first.
  ///   - columns: paths and types.
  ///   - overflow: the column for the attributes that have none of their own.
  init(
    keys: [(name: String, type: String)] = [("id", "S")], columns: [(path: String, type: String)],
    overflow: String? = nil, expiry: ItemExpiry = .delete,
    _ change: (inout DynamoDBVerification.Options) -> Void = { _ in }
  ) throws {
    source = try ScriptedDynamoDB()
    source.makeTable(Self.table, keys: keys, stream: nil)
    cluster = try TestCluster.shared
    database = try cluster.createDatabase()
    let layout = ItemLayout(
      columns: try columns.map { column in
        guard let type = DeclaredType(column.type) else { throw Failure(.configuration, "no type \(column.type)") }
        return ItemLayout.Column(
          path: try AttributePath(column.path), type: type,
          epoch: column.type.hasPrefix("timestamp") ? .seconds : nil)
      }, infers: false, overflowColumn: overflow)
    let items = try ItemMapping(
      table: TableName("", Self.table),
      key: keys.map { KeyAttribute(name: $0.name, kind: .init(rawValue: $0.type) ?? .string) }, layout: layout)
    var table = items.sourceTable()
    if expiry == .mark {
      table.columns.append(
        SourceColumn(
          name: "expired_at", number: table.columns.count + 1, typeOID: 1184, typeName: "timestamptz",
          formattedType: "timestamp with time zone"))
    }
    let mapper = SchemaMapper(dialect: .postgres)
    let mapping = try mapper.mapTable(table, target: TableName("public", "things"))
    pair = ItemPair(mapping, items, expiry: expiry)
    var options = DynamoDBVerification.Options(
      readsConsistently: true, segments: 3, pageItems: 40, readCapacity: nil, workers: 2, follows: true)
    change(&options)
    self.options = options
    let connection = ConnectionSettings(
      role: .sink,
      parameters: [
        ("host", "127.0.0.1"), ("port", "\(cluster.port)"), ("user", "postgres"), ("dbname", database),
        ("options", "-c timezone=UTC -c datestyle=ISO"),
      ])
    sink = SinkOptions(
      dialect: .postgres, connection: connection, envelope: .postgres(batchSize: 100),
      pool: .init(maxSize: 4, lifetime: .seconds(600)), limiter: ConcurrencyLimiter(.init(most: 4)),
      retry: .init(initialDelay: .milliseconds(10), maxDelay: .milliseconds(100), maxElapsed: .seconds(30)),
      isPipelined: true)
    try target(mapper.generateCreateTableStatement(mapping))
  }

  deinit { try? cluster.dropDatabase(database) }

  func put(_ items: JSONValue...) { source.put(items, in: Self.table) }

  @discardableResult
  func target(_ sql: String) throws -> String { try cluster.psql(sql, database: database) }

  /// As an instance at work writes it every few seconds, and for the next hour.
  func showLife() throws {
    let connection = try Connection(sink.connection)
    let store = StateStore(pipeline: "p")
    try store.migrate(connection)
    let health = PipelineHealth(
      concurrency: .init(inFlight: 0, allowed: 1, most: 1, waiting: 0),
      pool: .init(total: 1, active: 0, idle: 1, waiting: 0), openings: .init(opened: 1, failed: 0), tokens: nil)
    try store.write(health, WriterIdentity(pipeline: "p", epoch: 1), connection)
    try connection.query("UPDATE penstock.health SET written_at = now() + interval '1 hour'")
  }

  /// Does what blocks, or must not be held up by other tests, on a thread of its own.
  func beside(_ work: @escaping @Sendable () throws -> Void) -> Task<Void, any Error> {
    let executor = ThreadExecutor(name: "beside")
    return Task(executorPreference: executor) {
      defer { executor.shutdown() }
      try work()
    }
  }

  /// Compares both sides on a thread of its own.
  func report() async throws -> VerificationReport {
    let environment = ["AWS_ACCESS_KEY_ID": "AKID", "AWS_SECRET_ACCESS_KEY": "s3cret"]
    let log = Log(level: .error)
    let service = DynamoDBService(
      try DynamoDBEndpoints(region: "eu-central-1", endpoint: source.url, environment: environment),
      login: AWSLogin(.source, environment: environment, log: log),
      retry: .init(initialDelay: .milliseconds(1), maxDelay: .milliseconds(10), maxElapsed: .seconds(30)))
    let verification = DynamoDBVerification([pair], service, sink: sink, pipeline: "p", options, log: log)
    let executor = ThreadExecutor(name: "verify")
    defer { executor.shutdown() }
    return try await withTaskExecutorPreference(executor) { try await verification.run() }
  }

  /// The differences as they are printed.
  func differences() async throws -> [String] { try await report().tables[0].differences.map { "\($0)" } }
}
