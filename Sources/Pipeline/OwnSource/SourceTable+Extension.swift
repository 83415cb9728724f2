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

/// A type by PostgreSQL's name, with its modifier.
struct DeclaredType: Hashable {
  let builtin: BuiltinType
  /// `atttypmod`.
  let modifier: Int32
  /// As `format_type` writes it.
  let formatted: String

  /// Reads `integer`, `int4`, `varchar(20)`, `numeric(12,2)`; `nil` for anything else.
  init?(_ text: String) {
    let lower = text.lowercased()
    let parts = lower.split(separator: "(", omittingEmptySubsequences: false).map(String.init)
    let name = Self.trimmed(parts[0])
    let aliases = [
      "int": "int4", "decimal": "numeric", "char": "bpchar", "character": "bpchar",
      "timestamp with time zone": "timestamptz",
      "time": "time", "timestamp": "timestamp",
    ]
    guard
      let builtin = BuiltinType.named(aliases[name] ?? name) ?? BuiltinType.all.first(where: { $0.castName == name })
    else { return nil }
    self.builtin = builtin
    guard parts.count > 1 else {
      // SQL's `char` is `char(1)`.
      modifier = name == "char" || name == "character" ? 5 : -1
      formatted = modifier == 5 ? "character(1)" : builtin.name == "bpchar" ? "bpchar" : builtin.castName
      return
    }
    guard parts.count == 2, parts[1].hasSuffix(")") else { return nil }
    let numbers = parts[1].dropLast().split(separator: ",", omittingEmptySubsequences: false)
      .map { Int32(Self.trimmed(String($0))) }
    switch (builtin.name, numbers.count) {
    case ("varchar", 1), ("bpchar", 1):
      guard let length = numbers[0], (1...10_485_760).contains(length) else { return nil }
      modifier = length + 4
      formatted = (builtin.name == "varchar" ? "character varying" : "character") + "(\(length))"
    case ("numeric", 1), ("numeric", 2):
      guard let precision = numbers[0], let scale = numbers.count == 2 ? numbers[1] : 0, (1...1000).contains(precision),
        (0...1000).contains(scale)
      else { return nil }
      modifier = (precision << 16 | scale) + 4
      formatted = "numeric(\(precision),\(scale))"
    default: return nil
    }
  }

  private static func trimmed(_ text: String) -> String {
    var text = Substring(text)
    while text.first == " " { text.removeFirst() }
    while text.last == " " { text.removeLast() }
    return String(text)
  }
}
