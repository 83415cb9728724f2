package import ChangeModel

extension DynamoDBService {
  /// All pages of a stream's description; `nil` when there is no such stream. AWS allows ten pages a second.
  package func describeStream(_ arn: String) async throws(Failure) -> StreamDescription? {
    var shards: [StreamShard] = []
    var last: String?
    while true {
      var body = DynamoDBRequestBody()
      body.add("StreamArn", arn)
      body.add("ExclusiveStartShardId", last)
      let call = streamCall("DescribeStream", body, arn)
      guard case .body(let answer) = try await self.call(call, expecting: ["ResourceNotFoundException"]) else {
        return nil
      }
      guard let page = StreamDocument(json: answer)?.StreamDescription else { throw unreadable(call) }
      shards += (page.Shards ?? []).map(\.value)
      last = page.LastEvaluatedShardId
      if last == nil {
        return StreamDescription(
          arn: arn, table: page.TableName ?? "", status: page.StreamStatus, viewType: page.StreamViewType ?? "",
          shards: shards)
      }
    }
  }

  package func shardIterator(
    of shard: String, in stream: String, at start: IteratorStart
  ) async throws(Failure) -> IteratorAnswer {
    var body = DynamoDBRequestBody()
    body.add("StreamArn", stream)
    body.add("ShardId", shard)
    switch start {
    case .trimHorizon: body.add("ShardIteratorType", "TRIM_HORIZON")
    case .latest: body.add("ShardIteratorType", "LATEST")
    case .after(let number):
      body.add("ShardIteratorType", "AFTER_SEQUENCE_NUMBER")
      body.add("SequenceNumber", number)
    }
    let call = streamCall("GetShardIterator", body, stream)
    switch try await self.call(call, expecting: ["ResourceNotFoundException", "TrimmedDataAccessException"]) {
    case .exception("TrimmedDataAccessException"): return .trimmed
    case .exception: return .gone
    case .body(let answer):
      guard let document = IteratorDocument(json: answer) else { throw unreadable(call) }
      return .iterator(document.ShardIterator)
    }
  }

  /// - Parameters:
  ///   - stream: the ARN, for messages and policies.
  ///   - limit: 1,000 records at most.
  package func records(
    at iterator: String, of stream: String, limit: Int = 1000
  ) async throws(Failure) -> RecordsAnswer {
    var body = DynamoDBRequestBody()
    body.add("ShardIterator", iterator)
    body.add("Limit", limit)
    let expected: Set = ["ExpiredIteratorException", "TrimmedDataAccessException", "ResourceNotFoundException"]
    switch try await call(streamCall("GetRecords", body, stream), expecting: expected) {
    case .body(let answer): return .body(answer)
    case .exception("ExpiredIteratorException"): return .expired
    case .exception("TrimmedDataAccessException"): return .trimmed
    case .exception: return .gone
    }
  }

  private func streamCall(_ operation: String, _ body: DynamoDBRequestBody, _ arn: String) -> DynamoDBCall {
    DynamoDBCall(operation: operation, body: body.ended, resource: arn, isOfStreams: true)
  }
}

// The names are those of the answers.
private struct IteratorDocument: Decodable { let ShardIterator: String }

private struct StreamDocument: Decodable {
  let StreamDescription: Description

  struct Description: Decodable {
    let TableName: String?
    let StreamStatus: String
    let StreamViewType: String?
    let LastEvaluatedShardId: String?
    let Shards: [Shard]?
  }

  struct Shard: Decodable {
    let ShardId: String
    let ParentShardId: String?
    let SequenceNumberRange: Range?

    var value: StreamShard {
      StreamShard(
        id: ShardId, parent: ParentShardId, firstSequenceNumber: SequenceNumberRange?.StartingSequenceNumber,
        lastSequenceNumber: SequenceNumberRange?.EndingSequenceNumber)
    }
  }

  struct Range: Decodable {
    let StartingSequenceNumber: String?
    let EndingSequenceNumber: String?
  }
}
