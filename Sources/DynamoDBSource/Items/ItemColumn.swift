package import SQLMapping

/// One column of an item's row.
package struct ItemColumn: Hashable, Sendable {
  package enum Content: Hashable, Sendable {
    case value(AttributePath)
    /// The whole item.
    case document
    /// Every attribute without a column of its own; NULL when there is none.
    case overflow
  }

  package var name: String
  package var type: DeclaredType
  package var content: Content
  /// How numbers count in a column for times.
  package var epoch: ItemLayout.Epoch?
  /// Why it is there and of that type, for `penstock plan`.
  package var reason: String

  /// Whether numbers can be times in it.
  var takesTimes: Bool { ["timestamp", "timestamptz"].contains(type.builtin.name) }

  /// What the column's type makes of values.
  var form: ValueForm {
    switch type.builtin.name {
    case "int2": .integer(Int64(Int16.min)...Int64(Int16.max))
    case "int4": .integer(Int64(Int32.min)...Int64(Int32.max))
    case "int8": .integer(.min ... .max)
    case "numeric", "float4", "float8": .number
    case "bool": .boolean
    case "bytea": .bytes
    case "json", "jsonb": .json
    case "text", "varchar", "bpchar": .text
    default: .other(epoch)
    }
  }
}

/// What a column takes of an attribute's types, and in which text.
enum ValueForm: Hashable {
  case text
  case number
  case integer(ClosedRange<Int64>)
  case boolean
  case bytes
  case json
  /// Strings as they stand, which the target checks; numbers as times if the column says how they count.
  case other(ItemLayout.Epoch?)
}
