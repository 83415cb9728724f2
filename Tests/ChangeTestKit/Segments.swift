package import Apply
package import ChangeModel
package import Lanes
import SQLMapping

/// What a source says of one row.
package enum RowChange: Hashable, Sendable {
  case upsert([Cell])
  /// Some cells are `unchanged`.
  case patch([Cell])
  /// The key's cells in the order in which keys travel, with the origin behind them where tables are merged.
  case delete([Cell])
  case add([Cell])
  case remove([Cell])
}

/// A lane group and the router that feeds it.
package final class RoutedLanes {
  package let group: LaneGroup
  package var router: ChangeRouter

  package init(
    _ lanes: Int, _ plans: [TablePlan], committed: [StreamPosition]? = nil, bytesMax: Int = .max,
    consistentFrom: LSN = LSN(.max)
  ) {
    group = LaneGroup(laneCount: lanes, bytesMax: bytesMax, committed: committed, consistentFrom: consistentFrom)
    router = ChangeRouter(
      group: group, plans: plans, committed: committed ?? Array(repeating: .zero, count: lanes))
  }

  package func flush() { router.flush() }

  /// Routes a change as the replication stream does.
  package func route(_ change: RowChange, table: UInt32, at position: StreamPosition) {
    func row(_ kind: ChangeKind, _ cells: [Cell]) {
      var buffer = ByteBuffer()
      buffer.append(wireRow(cells))
      router.route(kind, table: table, row: &buffer, at: position)
    }
    switch change {
    case .upsert(let cells): row(.upsert, cells)
    case .patch(let cells): row(.patch, cells)
    case .add(let cells): row(.add, cells)
    case .remove(let cells): row(.remove, cells)
    case .delete(let key): wireRow(key).withUnsafeBytes { router.routeDelete(table: table, key: $0, at: position) }
    }
  }
}

extension LaneGroup {
  /// Everything that waits in a lane, which is then not busy.
  package func queued(_ lane: Int) -> [(change: Change, segment: ChangeSegment)] {
    guard case .apply(let segments, var first) = next(for: lane) else { return [] }
    finish(lane, changes: 0)
    var changes: [(Change, ChangeSegment)] = []
    for segment in segments {
      changes += segment.changes[first...].map { ($0, segment) }
      first = 0
    }
    return changes
  }
}

/// The changes as one lane's segments would hold them; positions count up from 1.
package func routed(
  _ changes: [(table: UInt32, change: RowChange)], _ plans: [TablePlan]
) -> [(change: Change, segment: ChangeSegment)] {
  let lanes = RoutedLanes(1, plans)
  for (index, change) in changes.enumerated() {
    lanes.route(change.change, table: change.table, at: at(UInt64(index + 1)))
  }
  lanes.flush()
  return lanes.group.queued(0)
}

/// A database of tables as plain values: what a target must hold in the end.
package struct ModelDatabase: Hashable, Sendable {
  /// A row's place: its table and its key's cells as they travel.
  package struct Place: Hashable, Sendable {
    package var table: UInt32
    package var key: [Cell]
    package init(table: UInt32, key: [Cell]) {
      self.table = table
      self.key = key
    }
  }

  package var rows: [Place: [Cell]] = [:]
  /// Rows of tables without a key, with the number of copies.
  package var bags: [Place: Int] = [:]

  package init() {}

  package mutating func apply(_ change: RowChange, _ plan: TablePlan) {
    switch change {
    case .upsert(let cells):
      if plan.mapping.merge?.policy == .lastWriter || holds(place(cells, plan), cells, plan, orNothing: true) {
        rows[place(cells, plan)] = cells
      }
    case .patch(let cells):
      guard let old = rows[place(cells, plan)], holds(place(cells, plan), cells, plan) else { return }
      rows[place(cells, plan)] = zip(old, cells).map { $1 == .unchanged ? $0 : $1 }
    case .delete(let name):
      let place = Place(table: plan.keySpace, key: Array(name.prefix(plan.keyColumns.count)))
      if holds(place, name, plan) { rows[place] = nil }
    case .add(let cells): add(1, cells, plan)
    case .remove(let cells): add(-1, cells, plan)
    }
  }

  /// Whether the row in that place has the origin of these cells; any has, where tables aren't merged.
  private func holds(_ place: Place, _ cells: [Cell], _ plan: TablePlan, orNothing: Bool = false) -> Bool {
    guard let row = rows[place] else { return orNothing }
    return plan.mapping.merge == nil || row.last == cells.last
  }

  package mutating func add(_ copies: Int, _ cells: [Cell], _ plan: TablePlan) {
    let place = Place(table: plan.index, key: cells)
    let count = max(0, bags[place, default: 0] + copies)
    bags[place] = count == 0 ? nil : count
  }

  package func place(_ cells: [Cell], _ plan: TablePlan) -> Place {
    Place(table: plan.keySpace, key: plan.keyColumns.map { cells[$0] })
  }

  package mutating func truncate(_ table: UInt32) {
    rows = rows.filter { $0.key.table != table }
    bags = bags.filter { $0.key.table != table }
  }

  /// Applies a folded batch as one transaction does: deletes, then rows, then parts of rows.
  package mutating func apply(_ batch: borrowing FoldedBatch, _ plans: [TablePlan], entries: [Int]? = nil) {
    let chosen = entries ?? Array(batch.entries.indices)
    for kinds in [[ChangeKind.delete], [.upsert, .add, .remove], [.patch]] {
      for index in chosen where kinds.contains(batch.entries[index].kind) {
        let entry = batch.entries[index]
        let plan = plans[Int(entry.table)]
        let names = plan.keyColumns.count + (plan.mapping.merge == nil ? 0 : 1)
        let count = entry.kind == .delete ? names : plan.mapping.columns.count
        let row = cells(batch.row(of: entry), columns: count)!
        switch entry.kind {
        case .upsert: apply(.upsert(row), plan)
        case .patch: apply(.patch(row), plan)
        case .delete: apply(.delete(row), plan)
        case .add, .remove: add(entry.copies, row, plan)
        case .refused: break
        }
      }
    }
  }
}
