internal import Runtime
internal import Synchronization

/// How fast a table may be scanned, in read capacity units: pure, the time comes in.
///
/// What an answer costs is known only once it is there, so a page is asked for while nothing is owed.
package struct ReadBudget: Sendable {
  private let unitsPerSecond: Double
  /// What may be spent at `time`; negative when more was spent.
  private var units: Double
  private var time: Duration

  /// - Parameter unitsPerSecond: at least 1.
  package init(unitsPerSecond: Int, now: Duration) {
    self.unitsPerSecond = Double(unitsPerSecond)
    units = Double(unitsPerSecond)
    time = now
  }

  /// How long to wait before the next page; zero when it may be asked for.
  package mutating func delay(now: Duration) -> Duration {
    // A second's worth at most is saved up.
    units = min(unitsPerSecond, units + unitsPerSecond * ((now - time) / .seconds(1)))
    time = now
    return units > 0 ? .zero : .seconds(-units / unitsPerSecond) + .milliseconds(1)
  }

  /// Counts what an answer has cost.
  package mutating func spend(_ consumed: Double) { units -= consumed }
}

/// The read budgets of tables, for all who read them. Without a limit nobody waits.
package final class ReadBudgets: Sendable {
  private let unitsPerSecond: Int?
  private let budgets = Mutex<[String: ReadBudget]>([:])

  /// - Parameter unitsPerSecond: of each table.
  package init(unitsPerSecond: Int?) { self.unitsPerSecond = unitsPerSecond }

  /// How long to wait before the table's next page; zero when it may be asked for.
  package func delay(_ table: String) -> Duration { use(table) { $0.delay(now: $1) } ?? .zero }

  /// Counts what an answer has cost.
  package func spend(_ units: Double, of table: String) { use(table) { budget, _ in budget.spend(units) } }

  @discardableResult
  private func use<Result>(_ table: String, _ body: (inout ReadBudget, Duration) -> Result) -> Result? {
    guard let unitsPerSecond else { return nil }
    let now = monotonicNow()
    return budgets.withLock { body(&$0[table, default: ReadBudget(unitsPerSecond: unitsPerSecond, now: now)], now) }
  }
}
