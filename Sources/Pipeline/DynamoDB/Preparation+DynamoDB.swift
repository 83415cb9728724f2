package import AWS
package import ChangeModel
package import DynamoDBSource
internal import DSQLSink
internal import Postgres
package import Runtime
package import SQLMapping
internal import Transforms
package import Settings

/// A DynamoDB table of the pipeline, as it was found.
package struct ItemSource: Sendable {
  package let table: DynamoDBTable
  package let mapping: ItemMapping
  /// What a sample of its items has shown, as text; `nil` when it was known before.
  package let newInference: String?
  /// Attributes that have a column only because the table's transform names them.
  let assumed: [String]

  /// What `penstock plan` says beside the columns.
  package var notes: [String] { mapping.notes + assumed.map(Self.note) }

  /// What is said at the start of a run.
  var warnings: [String] { assumed.map { "table \(table.name): \(Self.note(of: $0))" } }

  private static func note(of attribute: String) -> String {
    "attribute \"\(attribute)\" is known from the transform only: it is read as text, and NULL where an item lacks it"
  }
}

extension ItemSource {
  /// Why the table's changes can't be followed, and the commands that mend it; `nil` when they can.
  package func streamObstacle(_ source: DynamoDBSettings) -> (reason: String, fix: String)? {
    let update = "aws dynamodb update-table --table-name \(table.name) --stream-specification StreamEnabled="
    let enable = update + "true,StreamViewType=NEW_AND_OLD_IMAGES"
    guard table.isStreamEnabled, table.latestStreamARN != nil, let view = table.streamViewType else {
      return ("the table has no stream, so its changes can't be followed", enable)
    }
    if source.views.contains(view) { return nil }
    return (
      "its stream has the view type \(view), and needs \(source.views.joined(separator: " or "))",
      "\(update)false\n\(enable)"
    )
  }

  /// Refuses a table whose changes can't be followed.
  func checkStream(_ source: DynamoDBSettings) throws(Failure) {
    guard let obstacle = streamObstacle(source) else { return }
    throw Failure(
      .source, obstacle.reason, location: table.name, hint: "\(obstacle.fix)\nOr set pipeline.mode: full-load.")
  }
}

extension Preparation {
  /// What the first run has decided on columns, by table, for those who only look; without an answer of the target none.
  package static func knownInferences(
    _ settings: PipelineSettings, _ endpoints: Endpoints, log: Log
  ) -> [String: String] {
    do throws(Failure) {
      return try StateStore(pipeline: settings.name).itemMappings(Connection(endpoints.sink.connection))
    } catch {
      log.warning(
        "the target does not say what an earlier run has decided on columns, so they are of a sample of now: "
          + error.message)
      return [:]
    }
  }

  /// The selected tables of a DynamoDB source.
  ///
  /// - Parameters:
  ///   - inferences: what samples of the tables have shown before, by their names.
  /// - Throws: when nothing is selected, or a table can't be read or mapped.
  package init(
    _ settings: PipelineSettings, _ source: DynamoDBSettings, _ service: DynamoDBService,
    inferences: [String: String], dialect: SinkDialect
  ) async throws(Failure) {
    var found: [InferredTable] = []
    for name in try await Self.names(settings.source, service) {
      guard let table = try await service.describeTable(name) else {
        throw Failure(
          .source, "there is no table \(name)", location: "dynamodb, \(service.endpoints.region)",
          hint: "Check source.tables, source.region and whose credentials these are: penstock check says it.")
      }
      found.append(try await InferredTable(table, source, service, known: inferences[name]))
    }
    found.shareColumns { settings.target(of: $0) }
    let items = try found.map { table throws(Failure) in
      try table.mapped(by: settings.transform(of: TableName("", table.table.name)))
    }
    guard let first = items.first else {
      throw Failure(
        .source, "no table matches source.tables", location: "dynamodb, \(service.endpoints.region)",
        hint: "Check the names, which are told apart by upper and lower case, and source.region.")
    }
    var tables: [SourceTable] = []
    for item in items {
      var table = item.mapping.sourceTable(
        estimatedItems: UInt64(max(0, item.table.itemCount)), estimatedBytes: UInt64(max(0, item.table.sizeBytes)))
      // A change brings the whole item.
      table.replicaIdentity = .full
      if case .mark(let column) = source.expiry { try table.addTimeColumn(column) }
      tables.append(table)
    }
    let views = Dictionary(items.map { ($0.mapping.table, $0.table.streamViewType) }) { first, _ in first }
    let mappings = try SchemaMapper(dialect: dialect).mapSchema(tables, settings) {
      views[$0] == "NEW_AND_OLD_IMAGES"
    }
    if case .mark(let column) = source.expiry {
      for mapping in mappings { try mapping.checkPasses(column) }
    }
    self.init(
      sourceIdentity: "dynamodb \(service.endpoints.region) \(first.table.account)", mappings: mappings, items: items,
      uncopied: items.flatMap(\.warnings))
  }

  /// The selected tables' names: those that are named exactly need not be listed, which takes a right of its own.
  private static func names(_ source: SourceSettings, _ service: DynamoDBService) async throws(Failure) -> [String] {
    let exact = source.tables.map(\.exactName)
    let all =
      exact.contains(nil)
      ? try await service.listTables() : exact.compactMap { $0?.name }
    var seen: Set<String> = []
    return all.filter { seen.insert($0).inserted && source.selects(TableName("", $0)) }.sorted()
  }
}

extension DynamoDBTable {
  /// The account that owns it, from its ARN: `arn:aws:dynamodb:us-east-1:123456789012:table/Music`.
  var account: String {
    let parts = arn.split(separator: ":", omittingEmptySubsequences: false)
    return parts.count > 4 ? String(parts[4]) : ""
  }
}

extension SourceTable {
  /// Adds a column of type `timestamptz` behind the others.
  fileprivate mutating func addTimeColumn(_ column: String) throws(Failure) {
    guard !columns.contains(where: { $0.name == column }) else {
      throw Failure(
        .configuration, "the table has a column \"\(column)\" already", location: "\(name)",
        hint: "Give source.ttl-column another name.")
    }
    let type = BuiltinType.named("timestamptz")
    columns.append(
      SourceColumn(
        name: column, number: columns.count + 1, typeOID: type?.oid ?? 0, typeName: "timestamptz",
        formattedType: "timestamp with time zone"))
  }
}

extension TableMapping {
  /// Makes sure that a transform leaves the column of expired rows as it is, and where it can be found.
  fileprivate func checkPasses(_ column: String) throws(Failure) {
    guard let transform, !transform.passed.contains(where: { $0.value.source.name == column }) else { return }
    throw Failure(
      .configuration, "transform: the projection of \(source.name) leaves out \"\(column)\", which marks expired rows",
      location: transform.checked.description.place,
      hint: "Add \(quotedIdentifier(column)) to it, or set source.ttl-deletes to apply or skip.")
  }
}
