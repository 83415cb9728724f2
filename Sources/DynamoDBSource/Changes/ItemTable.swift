package import Apply
internal import ChangeModel
internal import SQLMapping
internal import Transforms

/// What becomes of the rows whose items DynamoDB removes because their time has come.
package enum ItemExpiry: Hashable, Sendable {
  case delete
  case keep
  /// They stay, with the time in the row's last column.
  case mark
}

/// A DynamoDB table as its items are read.
package struct ItemTable: Sendable {
  package let mapping: ItemMapping
  package let plan: TablePlan
  package let expiry: ItemExpiry

  /// - Parameter plan: of the mapping's columns, and one more when expired items are marked; or of what a transform makes of
  ///   them.
  package init(_ mapping: ItemMapping, _ plan: TablePlan, expiry: ItemExpiry) {
    self.mapping = mapping
    self.plan = plan
    self.expiry = expiry
  }

  var index: UInt32 { plan.index }
  var name: String { "\(plan.mapping.source.name)" }
}

/// Makes rows of a table's items. Used by one thread at a time.
final class ItemReader {
  let table: ItemTable
  var rows: ItemRows
  let transform: TableRows?
  /// Whether the key is made of more than the item's key: then a change of an item may move its row.
  let keyMoves: Bool
  /// Columns of an item's row, before any transform.
  let inputCount: Int

  init(_ table: ItemTable) throws(Failure) {
    self.table = table
    rows = ItemRows(table.mapping)
    inputCount = table.mapping.columns.count + (table.expiry == .mark ? 1 : 0)
    let mapping = table.plan.mapping
    guard let made = mapping.transform else {
      (transform, keyMoves) = (nil, false)
      return
    }
    transform = try TableRows(mapping)
    let itemKey = Set(made.inputKey)
    keyMoves = mapping.key.contains { !made.checked.outputs[$0].reads.isSubset(of: itemKey) }
  }
}
