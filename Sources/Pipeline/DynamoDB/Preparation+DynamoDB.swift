package import AWS
package import ChangeModel
package import DynamoDBSource
package import SQLMapping
internal import Transforms
package import Settings

/// A DynamoDB table of the pipeline, as it was found.
package struct ItemSource: Sendable {
  package let table: DynamoDBTable
  package let mapping: ItemMapping
  /// What a sample of its items has shown, as text; `nil` when it was known before.
  package let newInference: String?
}

extension Preparation {
  /// The selected tables of a DynamoDB source.
  ///
  /// - Parameters:
  ///   - inferences: what samples of the tables have shown before, by their names.
  /// - Throws: when nothing is selected, or a table can't be read or mapped.
  package init(
    _ settings: PipelineSettings, _ source: DynamoDBSettings, _ service: DynamoDBService,
    inferences: [String: String], dialect: SinkDialect
  ) async throws(Failure) {
    var items: [ItemSource] = []
    for name in try await Self.names(settings.source, service) {
      guard let table = try await service.describeTable(name) else {
        throw Failure(
          .source, "there is no table \(name)", location: "dynamodb, \(service.endpoints.region)",
          hint: "Check source.tables, source.region and whose credentials these are: penstock check says it.")
      }
      items.append(
        try await Self.prepare(
          table, source, service, inference: inferences[name], settings.transform(of: TableName("", name))))
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
      sourceIdentity: "dynamodb \(service.endpoints.region) \(first.table.account)", mappings: mappings, items: items)
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

  private static func prepare(
    _ table: DynamoDBTable, _ source: DynamoDBSettings, _ service: DynamoDBService, inference: String?,
    _ transform: TransformRule?
  ) async throws(Failure) -> ItemSource {
    let name = TableName("", table.name)
    var layout = ItemRule.layout(of: name, by: source.items)
    var known = ItemInference()
    var newInference: String?
    if layout.infers {
      if let inference {
        do throws(JSONFault) { known = try ItemInference(text: inference) } catch {
          throw Failure(
            .sink, "the columns of \(table.name) in the state tables can't be read: \(error)",
            hint: "Somebody has changed them: run penstock reset, then load again.")
        }
      } else {
        known = try await sample(table, source, service)
        newInference = known.text
      }
    }
    let key = try table.keys.map { key throws(Failure) in
      guard let kind = KeyAttribute.Kind(rawValue: key.type) else {
        throw Failure(
          .source, "the key attribute \"\(key.name)\" is of type \(key.type), which is not known",
          location: table.name, hint: "Leave the table out with exclude-tables, and report this.")
      }
      return KeyAttribute(name: key.name, kind: kind)
    }
    var mapping = try ItemMapping(table: name, key: key, layout: layout, inference: known)
    if let transform {
      while let attribute = mapping.attribute(missingFor: transform) {
        layout.columns.append(ItemLayout.Column(path: AttributePath(attribute: attribute), type: .text))
        mapping = try ItemMapping(table: name, key: key, layout: layout, inference: known)
      }
    }
    return ItemSource(table: table, mapping: mapping, newInference: newInference)
  }

  /// Items that are looked at to find out what columns a table gets.
  private static let sampledItems = 2000

  /// Looks at items from several places of the table, since those of one place may be alike.
  private static func sample(
    _ table: DynamoDBTable, _ source: DynamoDBSettings, _ service: DynamoDBService
  ) async throws(Failure) -> ItemInference {
    var sampler = ItemSampler()
    let places = 4
    for place in 0..<places {
      let body = try await service.scan(
        ScanRequest(
          table: table.name, segment: place, segments: places, after: nil, limit: sampledItems / places,
          isConsistent: false))
      var page = ScanPage()
      do throws(JSONFault) {
        try unsafe body.span.bytes.withUnsafeBytes { bytes throws(JSONFault) in
          unsafe try page.read(bytes)
          unsafe try sampler.read(page, of: bytes)
        }
      } catch {
        throw Failure(
          .source, "an answer of Scan can't be read: \(error)", location: table.name,
          hint: "Look at what stands between Penstock and DynamoDB.")
      }
    }
    return sampler.inference
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

extension ItemMapping {
  /// An attribute that a transform names and the columns do not have: no item of the sample had it.
  fileprivate func attribute(missingFor rule: TransformRule) -> String? {
    let description = TransformDescription(
      inputs: columns.map { TransformInput(name: $0.name, typeName: $0.type.builtin.name) }, projection: rule.projection,
      filter: rule.filter)
    do throws(Failure) {
      _ = try CheckedTransform(description)
      return nil
    } catch {
      // Whatever else is wrong is found again, and said, when the table is mapped.
      guard let name = error.message.firstMatch(of: /no such column: ([^\s"]+)/).map({ String($0.1) }),
        !columns.contains(where: { $0.name.lowercased() == name.lowercased() })
      else { return nil }
      return name
    }
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
