package import ChangeModel

extension DynamoDBService {
  /// `nil` when there is no such table.
  package func describeTable(_ name: String) async throws(Failure) -> DynamoDBTable? {
    var body = DynamoDBRequestBody()
    body.add("TableName", name)
    let call = DynamoDBCall(operation: "DescribeTable", body: body.ended, resource: name)
    guard case .body(let answer) = try await self.call(call, expecting: ["ResourceNotFoundException"]) else {
      return nil
    }
    guard let table = TableDocument(json: answer)?.Table.value else { throw unreadable(call) }
    return table
  }

  /// The names of all tables of the account in the region, in DynamoDB's order.
  package func listTables() async throws(Failure) -> [String] {
    var names: [String] = []
    var last: String?
    repeat {
      var body = DynamoDBRequestBody()
      body.add("ExclusiveStartTableName", last)
      let call = DynamoDBCall(operation: "ListTables", body: body.ended, resource: "")
      guard let page = TablesDocument(json: try await self.body(of: call)) else { throw unreadable(call) }
      names += page.TableNames
      last = page.LastEvaluatedTableName
    } while last != nil
    return names
  }

  /// The answer as it came, its checksum verified; up to 1 MB of items, with the units they took.
  package func scan(_ request: ScanRequest) async throws(Failure) -> [UInt8] {
    var body = DynamoDBRequestBody()
    body.add("TableName", request.table)
    if request.segments > 1 {
      body.add("Segment", request.segment)
      body.add("TotalSegments", request.segments)
    }
    if let after = request.after { body.add("ExclusiveStartKey", json: after) }
    body.add("Limit", request.limit)
    if request.isConsistent { body.add("ConsistentRead", true) }
    body.add("ReturnConsumedCapacity", "TOTAL")
    return try await self.body(of: DynamoDBCall(operation: "Scan", body: body.ended, resource: request.table))
  }

  /// The answer of BatchGetItem as it came, its checksum verified; some keys may come back as `UnprocessedKeys`.
  /// - Parameter keys: 100 at most, each a JSON object of the key's attributes.
  package func items(of table: String, keys: [[UInt8]], isConsistent: Bool = true) async throws(Failure) -> [UInt8] {
    var request = DynamoDBRequestBody()
    request.add("Keys", json: Array("[".utf8) + keys.joined(separator: ",".utf8) + Array("]".utf8))
    request.add("ConsistentRead", isConsistent)
    var items = DynamoDBRequestBody()
    items.add(table, json: request.ended)
    var body = DynamoDBRequestBody()
    body.add("RequestItems", json: items.ended)
    return try await self.body(of: DynamoDBCall(operation: "BatchGetItem", body: body.ended, resource: table))
  }

  /// Of a call that has no exceptions to expect.
  func body(of call: DynamoDBCall) async throws(Failure) -> [UInt8] {
    guard case .body(let body) = try await self.call(call) else { preconditionFailure("no exception was expected") }
    return body
  }

  func unreadable(_ call: DynamoDBCall) -> Failure {
    Failure(
      .source, "DynamoDB's answer to \(call.operation) can't be read", location: call.resource,
      hint: "If source.endpoint is set, check that DynamoDB is there.")
  }
}

// The names are those of the answers.
private struct TablesDocument: Decodable {
  let TableNames: [String]
  let LastEvaluatedTableName: String?
}

private struct TableDocument: Decodable {
  let Table: Description

  struct Description: Decodable {
    let TableName: String
    let TableArn: String
    let TableId: String?
    let TableStatus: String
    let KeySchema: [KeyElement]
    let AttributeDefinitions: [Attribute]
    let ItemCount: Int64?
    let TableSizeBytes: Int64?
    let ProvisionedThroughput: Throughput?
    let LatestStreamArn: String?
    let StreamSpecification: Stream?

    /// `nil` when a key's attribute is not defined.
    var value: DynamoDBTable? {
      let types = Dictionary(AttributeDefinitions.map { ($0.AttributeName, $0.AttributeType) }) { $1 }
      let keys = KeySchema.sorted { $0.KeyType < $1.KeyType }.compactMap { key in
        types[key.AttributeName].map {
          DynamoDBTable.Key(name: key.AttributeName, type: $0, isPartition: key.KeyType == "HASH")
        }
      }
      guard keys.count == KeySchema.count, keys.first?.isPartition == true else { return nil }
      return DynamoDBTable(
        name: TableName, arn: TableArn, id: TableId ?? "", status: TableStatus, keys: keys, itemCount: ItemCount ?? 0,
        sizeBytes: TableSizeBytes ?? 0,
        provisionedReadUnits: ProvisionedThroughput?.ReadCapacityUnits.flatMap { $0 > 0 ? $0 : nil },
        latestStreamARN: LatestStreamArn, isStreamEnabled: StreamSpecification?.StreamEnabled ?? false,
        streamViewType: StreamSpecification?.StreamViewType)
    }
  }

  struct KeyElement: Decodable {
    let AttributeName: String
    let KeyType: String
  }

  struct Attribute: Decodable {
    let AttributeName: String
    let AttributeType: String
  }

  struct Throughput: Decodable { let ReadCapacityUnits: Int? }

  struct Stream: Decodable {
    let StreamEnabled: Bool?
    let StreamViewType: String?
  }
}
