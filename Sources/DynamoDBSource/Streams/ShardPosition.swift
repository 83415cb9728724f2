package import AWS

/// How far a shard has been read.
package enum ShardPosition: Hashable, Sendable {
  /// Not at all: from its oldest record on.
  case trimHorizon
  /// From what is written after the reading begins.
  case latest
  /// Up to the record with this sequence number, that one included.
  case after(String)
  /// From its oldest record on, but what was created before this moment doesn't count: the consumer drops it.
  case since(UnixTime)
  /// To its end.
  case done
}

extension ShardPosition {
  /// DynamoDB keeps a record for this long.
  package static let retentionSeconds: Int64 = 86_400
}
