/// One statement text and what its parameters are.
package struct Statement: Hashable, Sendable {
  /// A parameter that carries one column: an array of its values over the rows, or one value.
  package struct Parameter: Hashable, Sendable {
    /// The index in `TableMapping.columns`.
    package var column: Int
    /// The element's type in an array, the value's type else: a `binaryOID`, or 25 for text.
    package var elementOID: UInt32
    /// Whether the parameter is an array.
    package var isArray: Bool

    /// The parameter's own type.
    package var typeOID: UInt32 { isArray ? BuiltinType.arrayOID(of: elementOID) ?? 0 : elementOID }
  }

  package var sql: String
  /// `$1`, `$2`, …: one per column used.
  package var parameters: [Parameter]
  /// Whether one more `bigint` parameter follows: the number of rows expected.
  package var takesRowCount: Bool = false
}
