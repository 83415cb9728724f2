import Foundation
import PenstockTestKit

/// Makes transactions for tables that it knows from the catalog alone.
///
/// Most are right, some are refused by a constraint: what the source does not commit must not arrive either.
struct ZooWriter: Sendable {
  var values: ZooValues
  let tables: [ZooTable]
  /// Every table has its turn before one has its next.
  private var turns: [Int] = []

  init(_ tables: [ZooTable], seed: UInt64) {
    self.tables = tables
    values = ZooValues(random: SeededGenerator(seed: seed))
  }

  /// A script for psql.
  ///
  /// - Parameter change: a change to the schema between them.
  mutating func script(transactions: Int, change: ZooChange? = nil) -> String {
    var lines = [
      "\\set VERBOSITY sqlstate", "\\set ON_ERROR_ROLLBACK \(values.chance(50) ? "on" : "off")",
      "SET deadlock_timeout = '50ms'; SET client_min_messages = error;",
      "SELECT setseed(\(values.number(0...999)) / 1000.0) \\g /dev/null",
    ]
    let place = values.number(1...transactions)
    for number in 1...transactions {
      lines += transaction()
      if number == place, let change { lines += schemaChange(change) }
    }
    return lines.joined(separator: "\n") + "\n"
  }

  private mutating func transaction() -> [String] {
    if values.chance(10) { return [statement() + ";"] }
    var lines = ["BEGIN;"]
    for step in 0..<values.number(1...6) {
      if values.chance(12) {
        lines += ["SAVEPOINT s\(step);", statement() + ";", "ROLLBACK TO s\(step);"]
      } else {
        lines.append(statement() + ";")
      }
    }
    return lines + [values.chance(90) ? "COMMIT;" : "ROLLBACK;"]
  }

  private mutating func nextTable() -> ZooTable {
    if turns.isEmpty { turns = tables.indices.shuffled(using: &values.random) }
    return tables[turns.removeLast()]
  }

  private mutating func statement() -> String {
    let table = nextTable()
    switch values.number(0...99) {
    case 0..<35: return insert(table)
    case 35..<70: return update(table, keys: false)
    case 70..<80: return update(table, keys: true)
    case 80..<98: return "DELETE FROM \(table.name) WHERE \(some(table, values.pick([1, 1, 2, 4])))"
    default: return bulk(table)
    }
  }

  /// A condition that some rows fulfil.
  private func some(_ table: ZooTable, _ count: Int) -> String {
    "(tableoid, ctid) IN (SELECT tableoid, ctid FROM \(table.name) ORDER BY random() LIMIT \(count))"
  }

  /// Many rows at once.
  private mutating func bulk(_ table: ZooTable) -> String {
    switch values.number(0...2) {
    case 0 where !table.isReferenced: return "TRUNCATE \(table.name)"
    case 1: return "DELETE FROM \(table.name) WHERE random() < 0.2"
    default: return update(table, keys: false, rows: 1000)
    }
  }

  private mutating func insert(_ table: ZooTable) -> String {
    var names: [String] = []
    var expressions: [String] = []
    for column in table.writable {
      let isOmitted = column.hasDefault && values.chance(column.isKey ? 70 : 30)
      if isOmitted { continue }
      names.append(column.name)
      expressions.append(inserted(column, of: table))
    }
    let parents = table.references.enumerated().map { index, reference in
      " LEFT JOIN LATERAL (SELECT * FROM \(reference.parent) ORDER BY random() LIMIT 1) r\(index) ON true"
    }
    let list = names.isEmpty ? "" : "(\(names.joined(separator: ", "))) OVERRIDING SYSTEM VALUE"
    if names.isEmpty { return "INSERT INTO \(table.name) DEFAULT VALUES" }
    return "INSERT INTO \(table.name) \(list) SELECT \(expressions.joined(separator: ", "))"
      + " FROM (SELECT) one LEFT JOIN LATERAL (SELECT * FROM \(table.name) ORDER BY random() LIMIT 1) e ON true"
      + parents.joined() + (!table.isDeferrable && values.chance(50) ? " ON CONFLICT DO NOTHING" : "")
  }

  private mutating func inserted(_ column: ZooTable.Column, of table: ZooTable) -> String {
    if !column.isNotNull, values.chance(15) { return "NULL" }
    if let index = table.reference(of: column) {
      let reference = table.references[index]
      return "r\(index)." + reference.parentColumns[reference.columns.firstIndex(of: column.name)!]
    }
    let isTaken = column.isBound ? values.chance(85) : !column.isUnique && values.chance(20)
    let made = isTaken ? nil : values.value(for: column)
    return made ?? "e.\(column.name)"
  }

  private mutating func update(_ table: ZooTable, keys: Bool, rows: Int? = nil) -> String {
    let columns = table.writable.filter { $0.isKey == keys && !$0.isAlwaysIdentity && (rows == nil || !$0.isUnique) }
    guard !columns.isEmpty else { return insert(table) }
    let count = keys ? columns.count : min(columns.count, values.number(1...3))
    var assigned: Set<String> = []
    var assignments: [String] = []
    for column in columns.shuffled(using: &values.random).prefix(count) where !assigned.contains(column.name) {
      // Of a key of several columns one alone may move.
      if keys, count > 1, values.chance(40), !assigned.isEmpty { continue }
      if let index = table.reference(of: column) {
        let reference = table.references[index]
        guard assigned.isDisjoint(with: reference.columns) else { continue }
        assigned.formUnion(reference.columns)
        assignments.append(
          "(\(reference.columns.joined(separator: ", "))) = (SELECT \(reference.parentColumns.joined(separator: ", "))"
            + " FROM \(reference.parent) ORDER BY random() LIMIT 1)")
      } else {
        assigned.insert(column.name)
        assignments.append("\(column.name) = \(updated(column, of: table))")
      }
    }
    let several = keys || rows == nil && columns.contains(where: \.isUnique) ? 1 : values.number(1...5)
    return "UPDATE \(table.name) SET \(assignments.joined(separator: ", ")) WHERE \(some(table, rows ?? several))"
  }

  private mutating func updated(_ column: ZooTable.Column, of table: ZooTable) -> String {
    if !column.isNotNull, values.chance(12) { return "NULL" }
    if column.hasDefault, !column.isUnique, values.chance(10) { return "DEFAULT" }
    if values.chance(5) { return column.name }
    let other = "(SELECT e.\(column.name) FROM \(table.name) e ORDER BY random() LIMIT 1)"
    if column.isBound, values.chance(85) { return other }
    return values.value(for: column) ?? other
  }
}
