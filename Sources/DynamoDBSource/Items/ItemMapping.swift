package import ChangeModel
package import SQLMapping

/// An attribute of a DynamoDB table's key, from its description.
package struct KeyAttribute: Hashable, Sendable {
  package enum Kind: String, Hashable, Sendable {
    case string = "S"
    case number = "N"
    case binary = "B"
  }

  package var name: String
  package var kind: Kind

  package init(name: String, kind: Kind) {
    self.name = name
    self.kind = kind
  }
}

/// How the items of one DynamoDB table become rows: the columns, those of the key first.
package struct ItemMapping: Hashable, Sendable {
  /// The table as the pipeline calls it.
  package let table: TableName
  /// The partition key, and the sort key if there is one.
  package let key: [KeyAttribute]
  /// In the row's order: the key's, those asked for, the inferred ones, the document, the rest.
  package let columns: [ItemColumn]

  /// - Parameters:
  ///   - key: partition key first.
  ///   - inference: what a sample of the items has shown; nothing of it counts unless the layout infers.
  /// - Throws: when the layout asks for what can't be.
  package init(
    table: TableName, key: [KeyAttribute], layout: ItemLayout = ItemLayout(), inference: ItemInference = ItemInference()
  ) throws(Failure) {
    precondition((1...2).contains(key.count), "a DynamoDB table has one or two key attributes")
    self.table = table
    self.key = key
    // Names that the user chose are kept, and must differ; names of attributes give way.
    var taken: Set<String> = []
    for name in layout.columns.map(\.name) + [layout.documentColumn, layout.overflowColumn].compactMap(\.self) {
      guard taken.insert(name).inserted else { throw Self.wrong("two columns are called \"\(name)\"", table) }
    }
    var asked = layout.columns
    var columns: [ItemColumn] = []
    for attribute in key {
      let path = AttributePath(attribute: attribute.name)
      if let index = asked.firstIndex(where: { $0.path == path }) {
        try Self.checkKey(asked[index], attribute, table)
        columns.append(ItemColumn(asked.remove(at: index), "the key, as asked for"))
      } else {
        columns.append(
          ItemColumn(
            name: Self.freeName(attribute.name, &taken), type: attribute.kind.type, content: .value(path),
            reason: "the key, of type \(attribute.kind.rawValue)"))
      }
    }
    columns += asked.map { ItemColumn($0, "as asked for") }
    if layout.infers {
      let own = Set(columns.map(\.content))
      for attribute in inference.attributes {
        let content = ItemColumn.Content.value(AttributePath(attribute: attribute.name))
        guard let type = attribute.type, !own.contains(content) else { continue }
        columns.append(
          ItemColumn(
            name: Self.freeName(attribute.name, &taken), type: type.declared, content: content,
            reason: attribute.reason))
      }
    }
    if let name = layout.documentColumn {
      columns.append(ItemColumn(name: name, type: .jsonb, content: .document, reason: "the whole item"))
    }
    if let name = layout.overflowColumn {
      columns.append(
        ItemColumn(name: name, type: .jsonb, content: .overflow, reason: "what has no column of its own"))
    }
    self.columns = columns
  }

  private static func wrong(_ message: String, _ table: TableName) -> Failure {
    Failure(
      .configuration, message, location: "\(table)", hint: "Change the columns of the table under source.items.")
  }

  /// A key column must tell apart what the key tells apart.
  private static func checkKey(
    _ column: ItemLayout.Column, _ attribute: KeyAttribute, _ table: TableName
  ) throws(Failure) {
    let exact =
      switch attribute.kind {
      case .string: ["text", "varchar", "uuid", "date", "time", "timestamp", "timestamptz"]
      case .number: ["numeric", "int2", "int4", "int8", "text", "varchar"]
      case .binary: ["bytea"]
      }
    guard !exact.contains(column.type.builtin.name) else { return }
    throw wrong(
      "the key attribute \"\(attribute.name)\" of type \(attribute.kind.rawValue) can't be "
        + "\(column.type.formatted), which does not tell all its values apart", table)
  }

  /// An attribute's name as that of a column: of 63 bytes at most, and no other column's.
  static func freeName(_ attribute: String, _ taken: inout Set<String>) -> String {
    var wanted = attribute.isEmpty ? "_" : attribute
    wanted.unicodeScalars.removeAll { $0 == "\0" }
    if ItemLayout.systemColumns.contains(wanted) { wanted += "_" }
    var name = cut(wanted, to: 63)
    var number = 2
    while !taken.insert(name).inserted {
      name = cut(wanted, to: 63 - "_\(number)".utf8.count) + "_\(number)"
      number += 1
    }
    return name
  }

  private static func cut(_ text: String, to count: Int) -> String {
    var text = text
    while text.utf8.count > count { text.unicodeScalars.removeLast() }
    return text
  }
}

extension ItemColumn {
  init(_ column: ItemLayout.Column, _ reason: String) {
    self.init(
      name: column.name, type: column.type, content: .value(column.path), epoch: column.epoch, reason: reason)
  }
}

extension KeyAttribute.Kind {
  fileprivate var type: DeclaredType {
    switch self {
    case .string: .text
    case .number: .numeric
    case .binary: .bytea
    }
  }
}
