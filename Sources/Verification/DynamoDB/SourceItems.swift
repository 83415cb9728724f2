internal import AWS
internal import ChangeModel
internal import DynamoDBSource
internal import Runtime

/// Reads items of one source, for all workers, no faster than its tables may be read.
final class SourceItems: Sendable {
  private let service: DynamoDBService
  private let options: DynamoDBVerification.Options
  private let budgets: ReadBudgets

  /// Keys of one BatchGetItem.
  static let keysMax = 100

  init(_ service: DynamoDBService, _ options: DynamoDBVerification.Options) {
    self.service = service
    self.options = options
    budgets = ReadBudgets(unitsPerSecond: options.readCapacity)
  }

  /// A page of a segment; `spend` must be told what it has cost.
  func scan(_ table: String, segment: Int, of segments: Int, after key: [UInt8]?) async throws(Failure) -> [UInt8] {
    try await waitForTurn(table)
    return try await service.scan(
      ScanRequest(
        table: table, segment: segment, segments: segments, after: key, limit: options.pageItems,
        isConsistent: options.readsConsistently))
  }

  /// The answers with the items of these keys as they are now, until every key was looked for.
  ///
  /// - Parameter keys: at most `keysMax`, each JSON.
  func items(
    _ table: String, keys: [[UInt8]], _ take: ([UInt8], BatchPage) throws(Failure) -> Void
  ) async throws(Failure) {
    var backoff = Backoff(DynamoDBService.defaultRetry, jitter: .full)
    var left = keys
    while !left.isEmpty {
      try await waitForTurn(table)
      let body = try await service.items(of: table, keys: left)
      var page = BatchPage()
      var unprocessed: [[UInt8]] = []
      do throws(JSONFault) {
        try unsafe body.span.bytes.withUnsafeBytes { bytes throws(JSONFault) in try unsafe page.read(bytes) }
      } catch {
        throw error.failure(of: "BatchGetItem", table: table)
      }
      for place in page.unprocessedKeys { unprocessed.append(Array(body[place])) }
      try take(body, page)
      // One unit for each begun 4 KiB of an item, or for looking in vain.
      let units = page.items.reduce(left.count - unprocessed.count - page.items.count) { $0 + ($1.count + 4095) / 4096 }
      spend(Double(units), of: table)
      guard !unprocessed.isEmpty else { return }
      if unprocessed.count < left.count { backoff = Backoff(DynamoDBService.defaultRetry, jitter: .full) }
      left = unprocessed
      guard let delay = backoff.next(now: monotonicNow(), random: .random(in: 0..<1)) else {
        throw Failure(
          .source, "DynamoDB has not answered for \(left.count) keys", location: table,
          hint: "The table is read too fast: set source.max-read-capacity, or grant it more capacity.")
      }
      try await Self.pause(delay)
    }
  }

  func spend(_ units: Double, of table: String) { budgets.spend(units, of: table) }

  private func waitForTurn(_ table: String) async throws(Failure) {
    while true {
      let delay = budgets.delay(table)
      if delay <= .zero { return }
      try await Self.pause(delay)
    }
  }

  static func pause(_ delay: Duration) async throws(Failure) {
    do { try await Task.sleep(for: delay) } catch { throw Failure(.source, "interrupted") }
  }
}
