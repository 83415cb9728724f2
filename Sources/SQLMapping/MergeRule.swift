package import ChangeModel

/// How a table shares its target with others.
package struct MergeRule: Hashable, Sendable {
  package var policy: CollisionPolicy
  /// Index in `TableMapping.columns` of the column with the origin: always the last.
  package var originColumn: Int
  /// The same for all tables of one target: the index of the first of them in the pipeline's list of tables.
  package var group: Int
  /// Columns of the target that only other tables write.
  package var othersColumns: [String]

  package init(policy: CollisionPolicy, originColumn: Int, group: Int, othersColumns: [String] = []) {
    self.policy = policy
    self.originColumn = originColumn
    self.group = group
    self.othersColumns = othersColumns
  }
}

extension TableMapping {
  /// The same table by itself, without the origin column.
  package var unmerged: TableMapping {
    var mapping = self
    if let merge {
      mapping.columns.remove(at: merge.originColumn)
      mapping.merge = nil
    }
    return mapping
  }

  /// The condition that holds for the table's own rows in a target that it shares; `nil` where all are.
  package var ownRows: String? {
    guard let merge else { return nil }
    let prefix = OriginText.prefix(of: source.name)
    let origin = quotedIdentifier(columns[merge.originColumn].targetName)
    return "left(\(origin), \(prefix.unicodeScalars.count)) = \(quotedLiteral(prefix))"
  }
}

/// The text in the origin column of a merged table: which source row a row is. A JSON array without blanks of the source
/// table's name and the values of its key as strings, `["public.orders","4711"]`.
package enum OriginText {
  /// What the origins of a table's rows begin with, and no other table's do.
  package static func prefix(of table: TableName) -> String {
    var text: [UInt8] = [UInt8(ascii: "[")]
    appendJSONString(Array(table.description.utf8), to: &text)
    return String(decoding: text, as: UTF8.self)
  }

  /// The origin of one row.
  ///
  /// - Parameter key: the values of the source's key, in key order, each as text that is the same whenever the key is.
  package static func bytes(of table: TableName, key: [[UInt8]]) -> [UInt8] {
    var text = Array(prefix(of: table).utf8)
    for value in key {
      text.append(UInt8(ascii: ","))
      appendJSONString(value, to: &text)
    }
    text.append(UInt8(ascii: "]"))
    return text
  }
}
