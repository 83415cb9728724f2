import ChangeModel
import ChangeTestKit
import PenstockTestKit

/// The source: a database that changes by random transactions, and the log of them.
final class History {
  /// What the stream says of one change; a moved key is two of them.
  enum Event {
    case change(table: UInt32, RowChange)
    case truncate([UInt32])
  }

  struct Transaction {
    var commitLSN: LSN
    var endLSN: LSN
    var events: [Event]
  }

  private(set) var log: [Transaction] = []
  private(set) var database = ModelDatabase()
  private var random: SeededGenerator
  private var counter = 0

  init(seed: UInt64) { random = SeededGenerator(seed: seed &+ 1000) }

  private func pick(_ count: Int) -> Int { Int.random(in: 0..<count, using: &random) }

  /// Commits one more transaction.
  func step() {
    var events: [Event] = []
    let size = pick(12) == 0 ? 40 : 1 + pick(6)
    for _ in 0..<size { events += pick(40) == 0 ? rotation() : change() }
    let start = UInt64(log.count + 1) * 100
    log.append(Transaction(commitLSN: LSN(start), endLSN: LSN(start + 50), events: events))
  }

  private func change() -> [Event] {
    switch pick(30) {
    case 0:
      let tables = [UInt32(0), 1, 2].filter { _ in pick(2) == 0 }
      for table in tables { database.truncate(table) }
      return tables.isEmpty ? [] : [.truncate(tables)]
    case 1..<12: return toasted()
    case 12..<22: return unique()
    default: return bag()
    }
  }

  private func record(_ table: UInt32, _ change: RowChange) -> Event {
    database.apply(change, simulatedPlans[Int(table)])
    return .change(table: table, change)
  }

  private func fresh() -> Cell {
    counter += 1
    return Cell("v\(counter)")
  }

  /// Inserts, updates that leave the long column out, deletes, and keys that move with or without it.
  private func toasted() -> [Event] {
    let (key, other) = (Cell("\(pick(6))"), Cell("\(pick(6))"))
    guard let row = database.rows[.init(table: 0, key: [key])] else {
      return [record(0, .upsert([key, fresh(), fresh()]))]
    }
    switch pick(6) {
    case 0: return [record(0, .delete([key]))]
    case 1: return [record(0, .upsert([key, fresh(), fresh()]))]
    case 2 where database.rows[.init(table: 0, key: [other])] == nil:
      // The stream says "unchanged"; the source itself keeps the value.
      let gone = record(0, .delete([key]))
      let value = fresh()
      database.apply(.upsert([other, value, row[2]]), simulatedPlans[0])
      return [gone, .change(table: 0, .patch([other, value, .unchanged]))]
    default: return [record(0, .patch([key, fresh(), .unchanged]))]
    }
  }

  /// Rows whose unique values are few, so that they often change hands.
  private func unique() -> [Event] {
    let (key, other) = (Cell("\(pick(6))"), Cell("\(pick(6))"))
    let value: Cell = pick(5) == 0 ? nil : Cell("u\(pick(7))")
    let holder = database.rows.first { $0.key.table == 1 && $0.value[0] == value && value != nil }?.key.key[0]
    let isThere = database.rows[.init(table: 1, key: [key])] != nil
    if isThere && pick(5) == 0 { return [record(1, .delete([key]))] }
    if isThere, pick(5) == 0, database.rows[.init(table: 1, key: [other])] == nil {
      let old = database.rows[.init(table: 1, key: [key])]![0]
      return [record(1, .delete([key])), record(1, .upsert([old, other]))]
    }
    var events: [Event] = []
    if let holder, holder != key {
      // Its holder gives the value up first: deleted, or left with none.
      events.append(record(1, pick(2) == 0 ? .delete([holder]) : .upsert([nil, holder])))
    }
    return events + [record(1, .upsert([value, key]))]
  }

  /// Unique values move on in a circle of rows, each to a row that still has another one: the source looks at its
  /// constraint only in the end.
  private func rotation() -> [Event] {
    let rows = database.rows.filter { $0.key.table == 1 && $0.value[0] != .null }.sorted { "\($0)" < "\($1)" }
    return rows.indices.map { index in
      record(1, .upsert([rows[(index + 1) % rows.count].value[0], rows[index].key.key[0]]))
    }
  }

  private func bag() -> [Event] {
    let held = database.bags.keys.sorted { "\($0)" < "\($1)" }
    if !held.isEmpty && pick(5) < 2 { return [record(2, .remove(held[pick(held.count)].key))] }
    return [record(2, .add([Cell("\(pick(3))"), Cell("\(pick(2))")]))]
  }
}
