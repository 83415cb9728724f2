internal import ChangeModel
internal import PenstockExtensions
internal import SQLMapping

extension SourceTable {
  /// A table as a registered source describes it.
  ///
  /// - Throws: when it has a column of an unknown type, or no key.
  init(_ table: Table) throws(Failure) {
    let name = TableName(table.schema, table.name)
    func wrong(_ message: String) -> Failure {
      Failure(.source, message, location: "\(name)", hint: "The source describes its tables wrongly.")
    }
    var columns: [SourceColumn] = []
    for (index, column) in table.columns.enumerated() {
      guard let type = DeclaredType(column.type) else {
        throw wrong("column \"\(column.name)\" has the type \(column.type), which is none that a source may name")
      }
      if columns.contains(where: { $0.name == column.name }) {
        throw wrong("two columns are called \"\(column.name)\"")
      }
      columns.append(
        SourceColumn(
          name: column.name, number: index + 1, typeOID: type.builtin.oid, typeName: type.builtin.name,
          modifier: type.modifier, formattedType: type.formatted,
          isNotNull: column.isNotNull || table.key.contains(column.name)))
    }
    guard !table.key.isEmpty, Set(table.key).count == table.key.count,
      table.key.allSatisfy({ key in columns.contains { $0.name == key } })
    else { throw wrong("the key is not one or more of the columns, each once") }
    self.init(
      oid: 0, name: name, columns: columns,
      indexes: [SourceIndex(name: "\(table.name)_pkey", isUnique: true, isPrimary: true, columns: table.key)])
  }
}
