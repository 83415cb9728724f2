/// How a table's rows are made from the source's: what a `TableMapping` holds when its columns are not the source's.
package struct TableTransform: Hashable, Sendable {
  package let checked: CheckedTransform
  /// The source's stored columns, all read as text: the transform's inputs.
  package let inputs: [ColumnMapping]
  /// Indexes in `inputs` of the source's key, in key order; empty for a table without a key.
  package let inputKey: [Int]
  /// By index of the table's column: the mapping of those that are the source's as they are, in their own form.
  package let passed: [Int: ColumnMapping]

  package init(
    checked: CheckedTransform, inputs: [ColumnMapping], inputKey: [Int], passed: [Int: ColumnMapping]
  ) {
    self.checked = checked
    self.inputs = inputs
    self.inputKey = inputKey
    self.passed = passed
  }

  /// Indexes of the inputs without which a row can't be made.
  package var needed: Set<Int> {
    checked.outputs.reduce(into: checked.filterReads) { $0.formUnion($1.reads) }
  }
}

extension TableMapping {
  /// The table as it is read: the source's own columns as text. `nil` when what is read is what is written.
  package var input: TableMapping? {
    transform.map { TableMapping(source: source, target: target, columns: $0.inputs, key: $0.inputKey) }
  }
}
