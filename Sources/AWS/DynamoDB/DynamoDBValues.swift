/// What DescribeTable says of a table.
package struct DynamoDBTable: Hashable, Sendable {
  /// An attribute of the primary key.
  package struct Key: Hashable, Sendable {
    package let name: String
    /// `S`, `N` or `B`.
    package let type: String
    /// The partition key; else the sort key.
    package let isPartition: Bool
  }

  package let name: String
  package let arn: String
  /// Another table of the same name has another one.
  package let id: String
  /// `ACTIVE` when it can be read.
  package let status: String
  /// The partition key, then the sort key if there is one.
  package let keys: [Key]
  /// About six hours old.
  package let itemCount: Int64
  /// About six hours old.
  package let sizeBytes: Int64
  /// Read units a second where they are provisioned; `nil` on demand.
  package let provisionedReadUnits: Int?
  /// Stays after the stream was disabled, until another one is enabled.
  package let latestStreamARN: String?
  package let isStreamEnabled: Bool
  /// `KEYS_ONLY`, `NEW_IMAGE`, `OLD_IMAGE` or `NEW_AND_OLD_IMAGES`; `nil` without a stream.
  package let streamViewType: String?
}

/// One shard of a stream, as DescribeStream lists it.
package struct StreamShard: Hashable, Sendable {
  package let id: String
  /// May be trimmed already; `nil` for the first shards of a stream.
  package let parent: String?
  package let firstSequenceNumber: String?
  /// `nil` while the shard is open.
  package let lastSequenceNumber: String?

  package init(
    id: String, parent: String? = nil, firstSequenceNumber: String? = nil, lastSequenceNumber: String? = nil
  ) {
    self.id = id
    self.parent = parent
    self.firstSequenceNumber = firstSequenceNumber
    self.lastSequenceNumber = lastSequenceNumber
  }
}

/// What DescribeStream says, all its pages together.
package struct StreamDescription: Hashable, Sendable {
  package let arn: String
  package let table: String
  /// `ENABLING`, `ENABLED`, `DISABLING`, `DISABLED`.
  package let status: String
  package let viewType: String
  /// In no order.
  package let shards: [StreamShard]

  /// No shard gets another child.
  package var isDisabled: Bool { status == "DISABLED" || status == "DISABLING" }
}

/// Where an iterator of a shard begins.
package enum IteratorStart: Hashable, Sendable {
  /// At the oldest record there is.
  case trimHorizon
  /// After the newest record there is.
  case latest
  /// After the record with this sequence number.
  case after(String)
}

/// What becomes of asking for an iterator.
package enum IteratorAnswer: Hashable, Sendable {
  /// Good for 15 minutes.
  case iterator(String)
  /// The records after the sequence number are gone.
  case trimmed
  /// There is no such shard or stream any more.
  case gone
}

/// What becomes of reading a shard.
package enum RecordsAnswer: Hashable, Sendable {
  /// The answer of GetRecords as it came, its checksum verified.
  case body([UInt8])
  /// The iterator is older than 15 minutes.
  case expired
  /// The records the iterator leads to are gone.
  case trimmed
  /// There is no such shard or stream any more.
  case gone
}

/// One page of a parallel Scan.
package struct ScanRequest: Hashable, Sendable {
  package var table: String
  package var segment: Int
  package var segments: Int
  /// The `LastEvaluatedKey` of the page before, as it came: a JSON object.
  package var after: [UInt8]?
  /// Items at most; `nil` for as many as 1 MB holds.
  package var limit: Int?
  /// Reads twice the units, and sees every write that was acknowledged before.
  package var isConsistent: Bool

  package init(
    table: String, segment: Int = 0, segments: Int = 1, after: [UInt8]? = nil, limit: Int? = nil,
    isConsistent: Bool = false
  ) {
    self.table = table
    self.segment = segment
    self.segments = segments
    self.after = after
    self.limit = limit
    self.isConsistent = isConsistent
  }
}
