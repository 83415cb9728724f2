internal import Synchronization

/// Tables whose rows are hardly ever in the target yet, since their first load goes on: a plain INSERT of new rows costs the
/// target about half of what it costs to look for each one first. Shared by all lanes of a run.
///
/// An INSERT that meets a row writes nothing, and the batch is written again as any other. Where that happens often, because
/// the source's writers are ahead of the load, it is not tried any more.
package final class FreshTables: Sendable {
  private struct Tally {
    var tries = 0
    var misses = 0
  }
  /// By the tables' indexes; `nil` where rows may be there.
  private let tallies: Mutex<[Tally?]>

  /// - Parameter fresh: for each table whether nobody has written rows of it before.
  package init(_ fresh: [Bool]) { tallies = Mutex(fresh.map { $0 ? Tally() : nil }) }

  /// Whether rows of the table are probably not there. Each answer of yes counts as a try.
  func shouldTry(_ table: UInt32) -> Bool {
    tallies.withLock { tallies in
      let index = Int(table)
      guard tallies.indices.contains(index), let tally = tallies[index] else { return false }
      if tally.misses > 8 + tally.tries / 8 { return false }
      tallies[index]?.tries += 1
      return true
    }
  }

  /// A row was there.
  func miss(_ table: UInt32) { tallies.withLock { $0[Int(table)]?.misses += 1 } }

  /// The load is over: whole rows are changes of rows that are there.
  package func end() { tallies.withLock { tallies in tallies = tallies.map { _ in nil } } }
}
