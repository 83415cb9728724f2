internal import ChangeModel
internal import SQLMapping

/// The tables of a pipeline that share their target with others, whose rows may have one key.
package struct MergedTables: Sendable {
  private struct Member {
    var keySpace: UInt32
    /// Whether the row goes first that came first, so that nothing which comes and goes meanwhile leaves a trace.
    var keepsFirst: Bool
  }

  /// By table; empty when there is none.
  private let members: [Member?]

  package init(_ plans: [TablePlan]) {
    guard plans.contains(where: { $0.mapping.merge != nil }) else {
      members = []
      return
    }
    members = plans.map { plan in
      plan.mapping.merge.map { Member(keySpace: plan.keySpace, keepsFirst: $0.policy == .keepFirst) }
    }
  }

  var isEmpty: Bool { members.isEmpty }

  /// Whether keys of one table may be keys of the other.
  func shareKeys(_ a: UInt32, _ b: UInt32) -> Bool {
    if a == b { return true }
    guard !members.isEmpty, let one = members[Int(a)], let other = members[Int(b)] else { return false }
    return one.keySpace == other.keySpace
  }

  /// Whether a change may be folded into the effect of an earlier one of the same key.
  ///
  /// A row may take another origin's place and then go: gone is the other's row too, which a delete alone would leave.
  func fold(
    _ table: UInt32, _ kind: ChangeKind, _ row: UnsafeRawBufferPointer, into earlierTable: UInt32,
    _ earlierKind: ChangeKind, _ earlierRow: UnsafeRawBufferPointer
  ) -> Bool {
    guard !members.isEmpty, let member = members[Int(table)] else { return true }
    if kind == .delete, earlierKind == .upsert, !member.keepsFirst { return false }
    return unsafe table == earlierTable && equal(WireRow.lastField(row), WireRow.lastField(earlierRow))
  }
}

extension WireRow {
  /// The last field of a well-formed row, length included.
  fileprivate static func lastField(_ row: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer {
    var offset = 0
    while true {
      let field = unsafe field(row, at: offset)
      offset += field.count
      if offset + 4 > row.count { return unsafe field }
    }
  }
}
