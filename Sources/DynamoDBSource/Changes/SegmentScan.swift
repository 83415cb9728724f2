package import AWS
package import ChangeModel
package import Lanes
internal import Runtime
internal import Synchronization

/// A part of a table that is scanned by itself.
package struct ScanSegment: Hashable, Sendable {
  /// Index of the table in the plan.
  package var table: Int
  package var number: Int
  /// Of so many.
  package var total: Int
  /// Where to go on, as DynamoDB gave it; `nil` at the beginning.
  package var lastKey: [UInt8]?
  /// Items of it that are in the target.
  package var items: Int

  package init(table: Int, number: Int, total: Int, lastKey: [UInt8]? = nil, items: Int = 0) {
    self.table = table
    self.number = number
    self.total = total
    self.lastKey = lastKey
    self.items = items
  }
}

/// How far the segments of all tables are: what has been routed, and which of it is in the target for good.
package final class ScanProgress: Sendable {
  /// A page that was routed.
  private struct Page {
    var arrival: UInt64
    /// `nil` at the segment's end.
    var lastKey: [UInt8]?
    var items: Int
  }

  private struct Entry {
    var segment: ScanSegment
    var pages: [Page] = []
    var isDone = false
  }

  private let entries: Mutex<[Entry]>

  /// - Parameter segments: those that are not done.
  package init(_ segments: [ScanSegment]) { entries = Mutex(segments.map { Entry(segment: $0) }) }

  /// Every segment is in the target as a whole.
  package var isDone: Bool { entries.withLock { $0.allSatisfy(\.isDone) } }

  func note(_ index: Int, _ page: ItemRouter.PageSummary) {
    entries.withLock {
      $0[index].pages.append(Page(arrival: page.arrival, lastKey: page.lastKey, items: page.items))
    }
  }

  /// The segments that have come further in the target.
  /// - Parameter arrival: every lane has everything up to there.
  package func settle(through arrival: UInt64) -> [(segment: ScanSegment, isDone: Bool)] {
    entries.withLock { entries in
      var moved: [(segment: ScanSegment, isDone: Bool)] = []
      for index in entries.indices {
        let settled = entries[index].pages.prefix { $0.arrival <= arrival }
        guard let last = settled.last else { continue }
        entries[index].segment.lastKey = last.lastKey
        entries[index].segment.items += settled.reduce(0) { $0 + $1.items }
        entries[index].isDone = last.lastKey == nil
        entries[index].pages.removeFirst(settled.count)
        moved.append((entries[index].segment, entries[index].isDone))
      }
      return moved
    }
  }
}

/// Scans the segments of all tables, several at a time.
package struct SegmentScan: Sendable {
  package struct Options: Hashable, Sendable {
    package var readsConsistently: Bool
    package var pageItems: Int?
    package var readCapacity: Int?
    package var parallelism: Int

    package init(readsConsistently: Bool, pageItems: Int?, readCapacity: Int?, parallelism: Int) {
      self.readsConsistently = readsConsistently
      self.pageItems = pageItems
      self.readCapacity = readCapacity
      self.parallelism = parallelism
    }
  }

  private let service: DynamoDBService
  private let router: ItemRouter
  private let group: LaneGroup
  private let segments: [ScanSegment]
  /// By table.
  private let tables: [String]
  private let options: Options
  private let budgets: ReadBudgets
  package let progress: ScanProgress
  private let count: @Sendable (_ table: Int, _ items: Int, _ bytes: Int) -> Void

  /// - Parameters:
  ///   - tables: DynamoDB's names, by the tables' indexes.
  ///   - count: told of every page.
  package init(
    _ service: DynamoDBService, _ router: ItemRouter, _ group: LaneGroup, segments: [ScanSegment], tables: [String],
    _ options: Options, count: @escaping @Sendable (_ table: Int, _ items: Int, _ bytes: Int) -> Void
  ) {
    self.service = service
    self.router = router
    self.group = group
    self.segments = segments
    self.tables = tables
    self.options = options
    self.count = count
    progress = ScanProgress(segments)
    budgets = ReadBudgets(unitsPerSecond: options.readCapacity)
  }

  /// Reads all segments to their ends, or until the group stops.
  package func run() async throws(Failure) {
    let queue = WorkQueue(Array(segments.indices))
    await withDiscardingTaskGroup { workers in
      for _ in 0..<min(options.parallelism, segments.count) {
        workers.addTask {
          while !isOver, let index = queue.next() {
            do throws(Failure) { try await scan(index) } catch { queue.fail(error) }
          }
        }
      }
    }
    if let failure = queue.failure { throw failure }
  }

  private var isOver: Bool { group.isStopping || group.failure != nil || Task.isCancelled }

  private func scan(_ index: Int) async throws(Failure) {
    let segment = segments[index]
    var lastKey = segment.lastKey
    while !isOver {
      guard try await waitForTurn(segment.table) else { return }
      let asked = router.ask()
      let body: [UInt8]
      do throws(Failure) {
        body = try await service.scan(
          ScanRequest(
            table: tables[segment.table], segment: segment.number, segments: segment.total, after: lastKey,
            limit: options.pageItems, isConsistent: options.readsConsistently))
      } catch {
        router.giveUp(asked: asked)
        throw error
      }
      let page = try router.route(page: body, table: segment.table, asked: asked)
      budgets.spend(page.capacityUnits, of: tables[segment.table])
      progress.note(index, page)
      count(segment.table, page.items, body.count)
      guard let key = page.lastKey else { return }
      lastKey = key
    }
  }

  /// Waits until the lanes have room and the table's budget allows a page.
  /// - Returns: false when the run is over.
  private func waitForTurn(_ table: Int) async throws(Failure) -> Bool {
    while !isOver {
      let delay = budgets.delay(tables[table])
      if delay <= .zero && !group.isFull { return true }
      // A cancelled sleep is seen by the next look.
      try? await Task.sleep(for: min(max(delay, .milliseconds(2)), .milliseconds(200)))
    }
    return false
  }
}
