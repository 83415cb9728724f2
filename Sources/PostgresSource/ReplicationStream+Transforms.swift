internal import Apply
internal import ChangeModel
internal import Lanes
internal import Transforms

/// Changes of tables whose rows are transformed: the same expressions as in the load, on the old row and on the new one.
extension ReplicationStream {
  mutating func insert(
    _ route: RelationRoute, _ rows: TableRows, _ payload: UnsafeRawBufferPointer
  ) throws(Failure) {
    try unsafe readNew(route, rows, [], nil, payload)
    _ = try write(rows, route, route.isKeyless ? .add : .upsert)
  }

  /// A row that the filter keeps is written, whether it was there or not; one that it leaves out is deleted.
  mutating func update(
    _ route: RelationRoute, _ rows: TableRows, _ old: OldTuple?, _ payload: UnsafeRawBufferPointer
  ) throws(Failure) {
    let oldTuple = old == nil ? [] : reader.oldTuple
    if route.isKeyless {
      try unsafe delete(route, rows, payload)
      position.ordinal += 1
      try unsafe readNew(route, rows, oldTuple, old, payload)
      _ = try write(rows, route, .add)
      return
    }
    if unsafe old != nil && !route.sameKey(oldTuple, reader.newTuple, in: payload) {
      try unsafe delete(route, rows, payload)
      // A position of its own: the row may go to another lane, or to the same lane's next transaction.
      position.ordinal += 1
    }
    try unsafe readNew(route, rows, oldTuple, old, payload)
    if try !write(rows, route, .upsert) { try routeDelete(rows, route.plan.index) }
  }

  /// Removes the row that the old tuple names.
  mutating func delete(
    _ route: RelationRoute, _ rows: TableRows, _ payload: UnsafeRawBufferPointer
  ) throws(Failure) {
    if !route.isKeyless {
      // Says which column is missing, if one is.
      key.removeAll()
      try unsafe route.appendKey(reader.oldTuple, in: payload, to: &key)
    }
    input.removeAll(keeping: 1 << 20)
    _ = try unsafe route.appendRow(reader.oldTuple, old: [], nil, in: payload, isWhole: true, to: &input)
    guard route.isKeyless else { return try routeDelete(rows, route.plan.index) }
    _ = try write(rows, route, .remove)
  }

  private mutating func readNew(
    _ route: RelationRoute, _ rows: TableRows, _ oldTuple: [TupleField], _ old: OldTuple?,
    _ payload: UnsafeRawBufferPointer
  ) throws(Failure) {
    input.removeAll(keeping: 1 << 20)
    let isPartial = try unsafe route.appendRow(
      reader.newTuple, old: oldTuple, old, in: payload, isWhole: route.isKeyless, to: &input)
    if isPartial { try unsafe rows.checkWhole(input.bytes) }
  }

  /// Routes what becomes of the row at hand. One that can't be made goes where the policy about refused rows says, if it
  /// has a key to be parked by.
  /// - Returns: false, with nothing routed, when the filter leaves it out.
  private mutating func write(
    _ rows: TableRows, _ route: RelationRoute, _ kind: ChangeKind
  ) throws(Failure) -> Bool {
    row.removeAll(keeping: 1 << 20)
    do throws(Failure) {
      guard try unsafe rows.append(input.bytes, to: &row) else { return false }
      router.route(kind, table: route.plan.index, row: &row, at: position)
    } catch {
      if route.isKeyless { throw error }
      row.removeAll(keeping: 1 << 20)
      try unsafe rows.appendRefused(input.bytes, to: &row)
      unsafe router.routeRefused(table: route.plan.index, row: row.bytes, because: error, at: position)
    }
    return true
  }

  private mutating func routeDelete(_ rows: TableRows, _ table: UInt32) throws(Failure) {
    key.removeAll()
    try unsafe rows.appendKey(input.bytes, to: &key)
    unsafe router.routeDelete(table: table, key: key.bytes, at: position)
  }
}
