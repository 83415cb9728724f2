internal import Apply
internal import ChangeModel
internal import SQLMapping

/// One statement of a transaction and the batch's entries that it writes.
struct PlannedStatement {
  enum Role {
    case delete, displacement, collisionCheck, upsert, freshInsert, presenceGuard, patch, bagDelete, bagInsert
  }

  var role: Role
  var table: UInt32
  var statement: Statement
  /// Indexes in the batch's entries.
  var entries: [Int]
}

/// The statements that write a folded batch, in the order that frees keys and unique values before they are taken:
/// deletes, upserts, then updates of parts of rows, each behind a guard that their rows are there. Upserts of merged tables
/// come with a look at whose their keys are.
struct TransactionPlan {
  var statements: [PlannedStatement] = []
  /// Entries that remove copies from tables without a key: their deletes come first, in a flight of their own.
  var bagRemovals: [Int] = []

  /// - Parameter fresh: tables whose whole rows are probably not there.
  init(
    _ batch: borrowing FoldedBatch, _ indexes: [Int], _ plans: [TablePlan], _ catalog: StatementCatalog,
    _ mode: WriteMode, fresh: FreshTables? = nil
  ) {
    // By table.
    var deletes: [[Int]] = Array(repeating: [], count: plans.count)
    var upserts = deletes
    var inserts = deletes
    var patches: [UInt32: [[Int]: [Int]]] = [:]
    for index in indexes {
      let entry = batch.entries[index]
      let table = Int(entry.table)
      let isCopies = entry.kind == .add || entry.kind == .remove
      if mode == .copiesOnly && !isCopies || (mode == .rowsOnly || mode == .displacing) && isCopies { continue }
      switch entry.kind {
      case .delete: deletes[table].append(index)
      case .upsert:
        if mode != .deletesOnly { upserts[table].append(index) }
        if mode == .replacing || mode == .deletesOnly { deletes[table].append(index) }
      case .refused: break
      case .patch where mode == .deletesOnly: deletes[table].append(index)
      case .patch where mode == .rowsOnly || mode == .displacing || mode == .copiesOnly: break
      case .patch:
        let present = unsafe presentColumns(batch.row(of: entry), plans[table].mapping.columns.count)
        patches[entry.table, default: [:]][present, default: []].append(index)
      case .add, .remove:
        if mode == .deletesOnly { break }
        if entry.copies > 0 { inserts[table].append(index) }
        if entry.copies < 0 { bagRemovals.append(index) }
      }
    }
    func add(_ role: PlannedStatement.Role, _ statement: (UInt32) -> Statement, _ groups: [[Int]]) {
      for (index, entries) in groups.enumerated() where !entries.isEmpty {
        let table = UInt32(index)
        statements.append(PlannedStatement(role: role, table: table, statement: statement(table), entries: entries))
      }
    }
    add(.delete, catalog.delete, deletes)
    if mode == .displacing {
      for (table, entries) in upserts.enumerated() where !entries.isEmpty {
        for statement in catalog.displacements(UInt32(table)) {
          statements.append(
            PlannedStatement(role: .displacement, table: UInt32(table), statement: statement, entries: entries))
        }
      }
    }
    addChecks(of: upserts, catalog, first: true)
    if let fresh { addFreshInserts(&upserts, catalog, fresh) }
    add(.upsert, catalog.upsert, upserts)
    addChecks(of: upserts, catalog, first: false)
    add(.bagInsert, catalog.upsert, inserts)
    for (table, masks) in patches.sorted(by: { $0.key < $1.key }) {
      if mode == .guarded {
        statements.append(
          PlannedStatement(
            role: .presenceGuard, table: table, statement: catalog.presenceGuard(table),
            entries: masks.values.flatMap(\.self)))
      }
      for (present, entries) in masks {
        if let statement = catalog.patch(table, present: present) {
          statements.append(
            PlannedStatement(role: .patch, table: table, statement: statement, entries: entries))
        }
      }
    }
  }
}

extension TransactionPlan {
  /// Takes those upserts out for which a plain INSERT will probably do.
  private mutating func addFreshInserts(_ upserts: inout [[Int]], _ catalog: StatementCatalog, _ fresh: FreshTables) {
    for (index, entries) in upserts.enumerated() where !entries.isEmpty {
      let table = UInt32(index)
      guard fresh.shouldTry(table) else { continue }
      statements.append(
        PlannedStatement(role: .freshInsert, table: table, statement: catalog.insert(table), entries: entries))
      upserts[index] = []
    }
  }

  /// Looks at whose the keys of merged tables' upserts are: those that go before the upserts, or those behind them.
  private mutating func addChecks(of upserts: [[Int]], _ catalog: StatementCatalog, first: Bool) {
    for (index, entries) in upserts.enumerated() where !entries.isEmpty {
      let table = UInt32(index)
      guard let collisions = catalog.collisions(table), collisions.goesFirst == first else { continue }
      statements.append(
        PlannedStatement(role: .collisionCheck, table: table, statement: collisions.check, entries: entries))
    }
  }

  /// What the statement at `index` does; `nil` for a step that was not planned.
  func role(_ index: Int) -> PlannedStatement.Role? {
    statements.indices.contains(index) ? statements[index].role : nil
  }
}

/// Indexes of the columns that a row gives: all but the unchanged ones.
private func presentColumns(_ row: UnsafeRawBufferPointer, _ count: Int) -> [Int] {
  guard let offsets = unsafe WireRow.fieldOffsets(row, columns: count) else { return [] }
  return offsets.indices.filter { column in
    unsafe row.bigEndian(at: offsets[column], as: Int32.self) != WireRow.unchanged
  }
}

extension ArrayParameters {
  /// Fills the statement's arrays from the batch's rows.
  mutating func fill(_ planned: PlannedStatement, _ batch: borrowing FoldedBatch, _ plan: TablePlan) {
    let parameters = planned.statement.parameters
    begin(elementTypes: parameters.map(\.elementOID))
    let columns = plan.mapping.columns.count
    for index in planned.entries {
      let entry = batch.entries[index]
      let row = unsafe batch.row(of: entry)
      switch planned.role {
      case .upsert, .freshInsert: unsafe append(row: row, columns: columns)
      case .bagInsert:
        for _ in 0..<entry.copies { unsafe append(row: row, columns: columns) }
      case .delete where entry.kind == .delete:
        // A delete's row is its key, and its origin if it has one, in parameter order.
        unsafe append(row: row, columns: parameters.count)
      case .delete, .displacement, .collisionCheck, .presenceGuard, .patch, .bagDelete:
        let offsets = unsafe WireRow.fieldOffsets(row, columns: columns) ?? []
        for (slot, parameter) in parameters.enumerated() where parameter.column < offsets.count {
          unsafe append(WireRow.field(row, at: offsets[parameter.column]), to: slot)
        }
        endRow()
      }
    }
  }
}
