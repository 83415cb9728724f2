package import AWS
package import ChangeModel

/// What one answer of GetRecords holds, as far as following the shard needs it.
package struct RecordsSummary: Hashable, Sendable {
  package var count: Int
  /// `nil` at the end of a closed shard.
  package var nextIterator: String?
  /// Of the last record; `nil` without records.
  package var lastSequenceNumber: String?
  /// `ApproximateCreationDateTime` of the last record; `nil` without records.
  package var newestCreation: UnixTime?

  package init(
    count: Int, nextIterator: String? = nil, lastSequenceNumber: String? = nil, newestCreation: UnixTime? = nil
  ) {
    self.count = count
    self.nextIterator = nextIterator
    self.lastSequenceNumber = lastSequenceNumber
    self.newestCreation = newestCreation
  }
}

/// Who takes the records of a stream. Calls for one shard come one after the other, those for several at the same time;
/// nothing of a child comes before its parent has `ended`. A record may come more than once, always with those after it.
/// Not returning holds the shard back.
package protocol ShardConsumer: Sendable {
  /// The shard is read from here on: to be stored, so that a restart knows it.
  func began(_ shard: String, at position: ShardPosition) async throws(Failure)
  /// - Parameter body: the answer of GetRecords as it came; may hold no records.
  func take(_ body: [UInt8], of shard: String) async throws(Failure) -> RecordsSummary
  /// All of the shard's records have been taken.
  func ended(_ shard: String) async throws(Failure)
  /// The stream lists this ended shard no more: what is stored about it may go.
  func forgot(_ shard: String) async throws(Failure)
}

extension ShardConsumer {
  package func began(_ shard: String, at position: ShardPosition) async throws(Failure) {}
  package func forgot(_ shard: String) async throws(Failure) {}
}

/// Why a stream is followed no further.
package enum StreamEnd: Hashable, Sendable {
  /// `stop()` was called.
  case stopped
  /// The stream was disabled, and all of its records were taken. What was written afterwards is in no stream, or in the
  /// replacement: that the table has enabled since.
  case disabled(replacement: String?)
  /// There is no such stream, and some of its records may not have been taken.
  case gone(replacement: String?)
  /// Records that were not taken are gone, since DynamoDB keeps them for 24 hours only.
  case trimmed(shard: String)

  /// `nil` when all is well.
  /// - Parameter reload: how an operator has the table loaded again, as a full sentence.
  package func failure(
    table: String, stream: String, reload: String = "The table needs to be loaded again."
  ) -> Failure? {
    func failure(_ message: String, _ location: String) -> Failure {
      Failure(.source, message, location: location, hint: reload)
    }
    func next(_ replacement: String?) -> String { replacement.map { "; it now has \($0)" } ?? "" }
    switch self {
    case .stopped: return nil
    case .disabled(let replacement):
      return failure("the stream of table \(table) was disabled\(next(replacement))", stream)
    case .gone(let replacement):
      return failure("the stream of table \(table) is gone\(next(replacement))", stream)
    case .trimmed(let shard):
      return failure(
        "position trimmed: changes of table \(table) are gone that were not read within 24 hours",
        "\(stream), shard \(shard)")
    }
  }
}
