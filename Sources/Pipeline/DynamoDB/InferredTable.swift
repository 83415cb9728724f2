internal import AWS
internal import ChangeModel
internal import DynamoDBSource
internal import SQLMapping
internal import Settings
internal import Transforms

/// A DynamoDB table and what its items suggest for columns.
struct InferredTable {
  let table: DynamoDBTable
  private let layout: ItemLayout
  private var inference = ItemInference()
  /// Whether it is of this run, and to be kept.
  private var isNew = false

  /// - Parameter known: what an earlier run has found, as text; else a sample of the items is read, if columns are inferred.
  init(
    _ table: DynamoDBTable, _ source: DynamoDBSettings, _ service: DynamoDBService, known: String?
  ) async throws(Failure) {
    self.table = table
    layout = ItemRule.layout(of: TableName("", table.name), by: source.items)
    guard layout.infers else { return }
    guard let known else {
      inference = try await Self.sample(table, service)
      isNew = true
      return
    }
    do throws(JSONFault) { inference = try ItemInference(text: known) } catch {
      throw Failure(
        .sink, "the columns of \(table.name) in the state tables can't be read: \(error)",
        hint: "Somebody has changed them: run penstock reset, then load again.")
    }
  }

  /// The table with its columns.
  /// - Parameter transform: what it names gets a column, whether the sample had it or not.
  func mapped(by transform: TransformRule?) throws(Failure) -> ItemSource {
    let name = TableName("", table.name)
    let key = try table.keys.map { key throws(Failure) in
      guard let kind = KeyAttribute.Kind(rawValue: key.type) else {
        throw Failure(
          .source, "the key attribute \"\(key.name)\" is of type \(key.type), which is not known",
          location: table.name, hint: "Leave the table out with exclude-tables, and report this.")
      }
      return KeyAttribute(name: key.name, kind: kind)
    }
    var layout = layout
    var mapping = try ItemMapping(table: name, key: key, layout: layout, inference: inference)
    var assumed: [String] = []
    while let transform, let attribute = try mapping.attribute(missingFor: transform) {
      layout.columns.append(ItemLayout.Column(path: AttributePath(attribute: attribute), type: .text))
      assumed.append(attribute)
      mapping = try ItemMapping(table: name, key: key, layout: layout, inference: inference)
    }
    return ItemSource(table: table, mapping: mapping, newInference: isNew ? inference.text : nil, assumed: assumed)
  }

  /// Items that are looked at to find out what columns a table gets.
  private static let sampledItems = 2000

  /// Looks at items from several places of the table, since those of one place may be alike.
  private static func sample(
    _ table: DynamoDBTable, _ service: DynamoDBService
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
        throw error.failure(of: "Scan", table: table.name)
      }
    }
    return sampler.inference
  }

  fileprivate mutating func take(_ shared: [InferredAttribute]) {
    guard isNew else { return }
    var attributes = shared
    attributes += inference.attributes.filter { own in !shared.contains { $0.name == own.name } }
    inference = ItemInference(attributes: attributes)
  }

  fileprivate var columns: [InferredAttribute] { layout.infers ? inference.attributes.filter { $0.type != nil } : [] }
}

extension [InferredTable] {
  /// Gives tables of one target the same inferred columns, so that an attribute has its place whichever table it comes from.
  mutating func shareColumns(target: (TableName) -> TableName) {
    for indexes in Dictionary(grouping: indices, by: { target(TableName("", self[$0].table.name)) }).values
    where indexes.count > 1 {
      var shared: [InferredAttribute] = []
      for attribute in indexes.flatMap({ self[$0].columns }) {
        guard let place = shared.firstIndex(where: { $0.name == attribute.name }) else {
          shared.append(attribute)
          continue
        }
        guard shared[place].type != attribute.type else { continue }
        let types: Set = [shared[place].type, attribute.type]
        shared[place].type = types == [.bigint, .numeric] ? .numeric : .jsonb
        shared[place].reason = "of other types in other tables of the target"
      }
      for index in indexes { self[index].take(shared) }
    }
  }
}

extension ItemMapping {
  /// An attribute that a transform names and the columns do not have: no item of the sample had it.
  fileprivate func attribute(missingFor rule: TransformRule) throws(Failure) -> String? {
    let description = TransformDescription(
      inputs: columns.map { TransformInput(name: $0.name, typeName: $0.type.builtin.name) },
      projection: rule.projection,
      filter: rule.filter)
    // Whatever else is wrong is found again, and said, when the table is mapped.
    guard let name = try CheckedTransform.missingColumn(of: description),
      !columns.contains(where: { $0.name.lowercased() == name.lowercased() })
    else { return nil }
    return name
  }
}
