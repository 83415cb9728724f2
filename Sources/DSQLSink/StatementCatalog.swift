package import Apply
internal import ChangeModel
package import SQLMapping

extension Statement {
  /// Parameter types for Parse, so that the server need not guess.
  var types: [UInt32] { parameters.map(\.typeOID) + (takesRowCount ? [20] : []) }
}

/// All statements for the planned tables, made once per table and column mask.
package final class StatementCatalog {
  private let texts: [StatementTexts]
  private var masked: [MaskKey: Statement] = [:]

  private struct MaskKey: Hashable {
    var table: UInt32
    var present: [Int]
  }

  /// - Parameter format: how the rows travel that these statements take.
  package init(_ plans: [TablePlan], format: WireFormat) {
    texts = plans.map { StatementTexts($0.mapping, format: format) }
  }

  package func insert(_ table: UInt32) -> Statement { texts[Int(table)].insert }

  package func upsert(_ table: UInt32) -> Statement { texts[Int(table)].upsert }

  package func delete(_ table: UInt32) -> Statement { texts[Int(table)].delete }

  package func presenceGuard(_ table: UInt32) -> Statement { texts[Int(table)].presenceGuard }

  package func collisions(_ table: UInt32) -> CollisionStatements? { texts[Int(table)].collisions }

  package func displacements(_ table: UInt32) -> [Statement] { texts[Int(table)].displacements }

  /// The update of the columns at these indexes; `nil` when none of them is outside key and origin.
  package func patch(_ table: UInt32, present: [Int]) -> Statement? {
    let key = MaskKey(table: table, present: present)
    if let known = masked[key] { return known }
    let text = texts[Int(table)]
    let origin = text.mapping.merge?.originColumn
    if present.allSatisfy({ text.mapping.key.contains($0) || $0 == origin }) { return nil }
    let statement = text.maskedUpdate(present: present)
    masked[key] = statement
    return statement
  }
}
