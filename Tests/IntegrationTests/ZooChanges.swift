import Foundation
import PenstockTestKit

/// A kind of change to the schema that the writer makes between, or in, its transactions.
enum ZooChange: CaseIterable, Sendable {
  case addColumn, addColumnWithDefault, dropColumn, renameColumn, dropNotNull, widenType, newTable
}

extension ZooWriter {
  /// Statements that change a table's schema, with writes to it in the same transaction; none if no table lends itself.
  mutating func schemaChange(_ kind: ZooChange) -> [String] {
    let fresh = "\"new \(values.hex(6))\""
    if kind == .newTable {
      let name = values.pick(tables).name.split(separator: ".").dropLast().joined(separator: ".") + "." + fresh
      return [
        "CREATE TABLE \(name) (id bigserial PRIMARY KEY, n int NOT NULL DEFAULT 5, body text, at timestamptz, tags text[]);",
        "INSERT INTO \(name) (body, at) SELECT 'b' || i, now() FROM generate_series(1, \(values.number(0...300))) i;",
      ]
    }
    let candidates = tables.flatMap { table in
      table.columns.filter { !table.hasTriggers && kind.suits($0) }.map { (table.name, $0) }
    }
    guard !candidates.isEmpty else { return [] }
    let (table, column) = values.pick(candidates)
    let alter = "ALTER TABLE \(table) " + clause(kind, column, fresh) + ";"
    let touch = "UPDATE \(table) SET \(column.name) = \(column.name) WHERE random() < 0.3;"
    if values.chance(50) { return [alter] }
    let isGone = kind == .dropColumn || kind == .renameColumn
    return ["BEGIN;", touch, alter] + (isGone || column.isGenerated ? [] : [touch]) + [
      values.chance(80) ? "COMMIT;" : "ROLLBACK;"
    ]
  }

  private mutating func clause(_ kind: ZooChange, _ column: ZooTable.Column, _ fresh: String) -> String {
    let types = ["int", "text", "numeric(12,3)", "timestamptz", "jsonb", "boolean", "varchar(30)", "uuid", "text[]"]
    switch kind {
    case .addColumn: return "ADD COLUMN \(fresh) \(values.pick(types))"
    case .addColumnWithDefault:
      let (type, value) = values.pick([
        ("int", "7"), ("text", "'it''s'"), ("numeric(12,3)", "-1.5"), ("timestamptz", "now()"),
        ("jsonb", "'{\"a\": 1}'"),
        ("boolean", "true"), ("varchar(40)", "md5(random()::text)"), ("uuid", "gen_random_uuid()"),
        ("text[]", "'{a,NULL}'"),
      ])
      return "ADD COLUMN \(fresh) \(type) \(values.pick(["", "NOT NULL "]))DEFAULT \(value)"
    case .dropColumn: return "DROP COLUMN \(column.name)"
    case .renameColumn: return "RENAME COLUMN \(column.name) TO \(fresh)"
    case .dropNotNull: return "ALTER COLUMN \(column.name) DROP NOT NULL"
    case .widenType: return "ALTER COLUMN \(column.name) TYPE \(column.widerType ?? column.type)"
    case .newTable: return ""
    }
  }
}

extension ZooChange {
  /// Whether a table's column can be changed so, without anything else that depends on it.
  fileprivate func suits(_ column: ZooTable.Column) -> Bool {
    switch self {
    case .addColumn, .addColumnWithDefault: !column.isGenerated
    case .dropColumn: column.isFree
    case .renameColumn: true
    case .dropNotNull: column.isNotNull && !column.isUnique && !column.isAlwaysIdentity && column.base == column.type
    case .widenType: column.isFree && column.widerType != nil
    case .newTable: false
    }
  }
}

extension ZooTable.Column {
  /// A type that holds all values of the column's, and more.
  fileprivate var widerType: String? {
    switch type {
    case "smallint": return "integer"
    case "integer": return "bigint"
    case "real": return "double precision"
    default:
      guard let length = type.wholeMatch(of: /character varying\((\d+)\)/)?.1, let length = Int(length) else {
        return nil
      }
      return length < 100 ? "character varying(\(length + 20))" : "text"
    }
  }
}
