import ChangeModel

/// The texts of every statement that writes to one target table.
///
/// Rows come in column arrays, so that a text is the same for any number of rows and can be prepared once. In `u`, the
/// unnested arrays, column n of the mapping is called `cn`. A value that travels as text is cast to the column's type
/// without its modifier, as an explicit cast with one would cut silently; the assignment then enforces the length.
package struct StatementTexts: Sendable {
  package let mapping: TableMapping
  package let format: WireFormat
  /// Inserts rows that are not there; 23505 if one is.
  package let insert: Statement
  /// Inserts rows, or overwrites those with their key, in a merged table only those of their origin unless the last writer
  /// wins. Same as `insert` for a table without a key.
  package let upsert: Statement
  /// Deletes rows by key, in a merged table by key and origin. For a table without a key it is `bagDelete`.
  package let delete: Statement
  /// Fails with 22012 unless as many rows as the last parameter says have the keys given, in a merged table with the
  /// origins given: for updates that carry only a part of the row. Without a key, `bagCount`.
  package let presenceGuard: Statement
  /// What goes with `upsert` in a merged table; `nil` for others.
  package let collisions: CollisionStatements?
  /// For each of `uniqueValues`: deletes the rows, whatever their keys, that hold the values given.
  package let displacements: [Statement]

  package init(_ mapping: TableMapping, format: WireFormat) {
    self.mapping = mapping
    self.format = format
    let texts = Writer(mapping: mapping, format: format)
    insert = texts.insert()
    upsert = texts.upsert()
    delete = mapping.isKeyless ? texts.bagDelete() : texts.delete(by: mapping.name)
    presenceGuard = texts.presenceGuard()
    collisions = mapping.merge.map(texts.collisions)
    displacements = mapping.isKeyless ? [] : mapping.uniqueValues.map(texts.delete)
  }

  /// Overwrites some columns of the rows with the keys given, in a merged table with the origins given; those without a
  /// row are left out silently.
  ///
  /// - Parameter present: indexes in `mapping.columns` of the columns that are given, in any order. Key and origin are
  ///   always parameters, whether named or not, and are never written. At least one other column must be named.
  package func maskedUpdate(present: [Int]) -> Statement {
    Writer(mapping: mapping, format: format).maskedUpdate(present: present)
  }

  /// Counts the rows that equal one image in every column: one `bigint`. For tables without a key.
  package var bagCount: Statement { Writer(mapping: mapping, format: format).bagCount() }

  /// Deletes every row that equals one image in every column. For tables without a key.
  package var bagDelete: Statement { Writer(mapping: mapping, format: format).bagDelete() }
}

/// The statements that find rows of a merged table whose keys are there with another origin. Their parameters are those of
/// `StatementTexts.delete`.
package struct CollisionStatements: Hashable, Sendable {
  /// Where the policy is to fail, fails with 22012 if there is any; else answers with a row for each.
  package let check: Statement
  /// Whether it goes before the upsert, which leaves nothing to find where the last writer wins. Elsewhere it goes behind:
  /// what the upsert has waited for, and left alone, is then seen.
  package let goesFirst: Bool
  /// One of them: the origin that is there, the one that comes, then the key's values in key order, all as text.
  package let first: Statement
}

extension TableMapping {
  /// Indexes in `columns` of what names a row to the target: its key, and in a merged table its origin.
  fileprivate var name: [Int] { key + (merge.map { [$0.originColumn] } ?? []) }
}

private struct Writer {
  let mapping: TableMapping
  let format: WireFormat

  private var table: String { mapping.target.quoted }
  private var all: [Int] { Array(mapping.columns.indices) }

  func insert() -> Statement {
    let names = mapping.columns.map { quotedIdentifier($0.targetName) }.joined(separator: ",")
    let values = all.map(value).joined(separator: ",")
    return Statement(
      sql: "INSERT INTO \(table) \(mapping.merge == nil ? "" : "AS t ")(\(names)) SELECT \(values) FROM \(unnest(all))",
      parameters: parameters(all))
  }

  func upsert() -> Statement {
    var statement = insert()
    guard !mapping.isKeyless else { return statement }
    let key = mapping.key.map { quotedIdentifier(mapping.columns[$0].targetName) }.joined(separator: ",")
    let written = all.filter { !mapping.key.contains($0) }
    var assignments = written.map { index in
      let name = quotedIdentifier(mapping.columns[index].targetName)
      return "\(name)=EXCLUDED.\(name)"
    }
    // What the other table's row had shall not stay beside the new one's.
    if let merge = mapping.merge, merge.policy == .lastWriter {
      assignments += merge.othersColumns.map { "\(quotedIdentifier($0))=NULL" }
    }
    statement.sql += " ON CONFLICT (\(key)) DO "
    statement.sql += assignments.isEmpty ? "NOTHING" : "UPDATE SET " + assignments.joined(separator: ",")
    if let merge = mapping.merge, merge.policy != .lastWriter {
      let origin = quotedIdentifier(mapping.columns[merge.originColumn].targetName)
      statement.sql += " WHERE t.\(origin)=EXCLUDED.\(origin)"
    }
    return statement
  }

  func collisions(_ merge: MergeRule) -> CollisionStatements {
    let used = (mapping.key + [merge.originColumn]).sorted()
    let origin = "t.\(quotedIdentifier(mapping.columns[merge.originColumn].targetName))"
    let isOther = "\(match(mapping.key)) AND \(origin)<>\(value(merge.originColumn))"
    let other = "FROM \(table) AS t JOIN \(unnest(used)) ON \(isOther)"
    let keys = mapping.key.map { "t.\(quotedIdentifier(mapping.columns[$0].targetName))::text" }
    let found = ([origin, value(merge.originColumn)] + keys).joined(separator: ",")
    return CollisionStatements(
      check: Statement(
        sql: "SELECT \(merge.policy == .fail ? "1/((count(*)=0)::int)" : "1") \(other)", parameters: parameters(used)),
      goesFirst: merge.policy == .lastWriter,
      first: Statement(sql: "SELECT \(found) \(other) LIMIT 1", parameters: parameters(used)))
  }

  func maskedUpdate(present: [Int]) -> Statement {
    precondition(!mapping.isKeyless, "a table without a key has no partial updates")
    let written = Set(present).subtracting(mapping.name).sorted()
    precondition(!written.isEmpty, "a masked update must write a column beside the key")
    let used = (written + mapping.name).sorted()
    let assignments = written.map { "\(quotedIdentifier(mapping.columns[$0].targetName))=\(value($0))" }
    return Statement(
      sql: "UPDATE \(table) AS t SET \(assignments.joined(separator: ",")) FROM \(unnest(used)) WHERE \(match())",
      parameters: parameters(used))
  }

  func delete(by columns: [Int]) -> Statement {
    let sorted = columns.sorted()
    return Statement(
      sql: "DELETE FROM \(table) AS t USING \(unnest(sorted)) WHERE \(match(columns))", parameters: parameters(sorted))
  }

  func presenceGuard() -> Statement {
    let key = mapping.name.sorted()
    guard !key.isEmpty else { return bagCount() }
    return Statement(
      sql: "SELECT 1/((count(*)=$\(key.count + 1)::bigint)::int) FROM \(table) AS t JOIN \(unnest(key)) ON \(match())",
      parameters: parameters(key), takesRowCount: true)
  }

  func bagCount() -> Statement {
    Statement(sql: "SELECT count(*) FROM \(table) AS t WHERE \(equalsImage())", parameters: scalars())
  }

  func bagDelete() -> Statement {
    Statement(sql: "DELETE FROM \(table) AS t WHERE \(equalsImage())", parameters: scalars())
  }

  /// `(SELECT unnest($1::bigint[]) AS c0,unnest($2::text[]) AS c3) AS u`: the arrays advance in step, and no value is
  /// kept in between, as `FROM unnest($1,$2)` would for each array: a third of the server's work on 20 columns.
  private func unnest(_ columns: [Int]) -> String {
    let arrays = columns.enumerated().map { position, index in
      "unnest($\(position + 1)::\(carrier(index))[]) AS c\(index)"
    }
    return "(SELECT \(arrays.joined(separator: ","))) AS u"
  }

  /// The type in which the column's values travel.
  private func carrier(_ index: Int) -> String {
    isBinary(index) ? mapping.columns[index].castType : "text"
  }

  private func isBinary(_ index: Int) -> Bool {
    format == .binary && mapping.columns[index].binaryOID != nil
  }

  /// The column's value in `u`, in the target column's type.
  private func value(_ index: Int) -> String { cast("u.c\(index)", index) }

  private func cast(_ expression: String, _ index: Int) -> String {
    let type = mapping.columns[index].castType
    return isBinary(index) || type == "text" ? expression : "\(expression)::\(type)"
  }

  private func match() -> String { match(mapping.name) }

  private func match(_ columns: [Int]) -> String {
    columns.map { "t.\(quotedIdentifier(mapping.columns[$0].targetName))=\(value($0))" }
      .joined(separator: " AND ")
  }

  private func equalsImage() -> String {
    all.map { index in
      let column = mapping.columns[index]
      let image = cast("$\(index + 1)::\(carrier(index))", index)
      let name = "t.\(quotedIdentifier(column.targetName))"
      let exact = (BuiltinType.of(column.binaryOID ?? 0) ?? BuiltinType.named(column.castType))?.equalityIsIdentity
      return exact ?? false
        ? "\(name) IS NOT DISTINCT FROM \(image)" : "\(name)::text IS NOT DISTINCT FROM (\(image))::text"
    }.joined(separator: " AND ")
  }

  private func parameters(_ columns: [Int]) -> [Statement.Parameter] {
    columns.map { Statement.Parameter(column: $0, elementOID: elementOID($0), isArray: true) }
  }

  private func scalars() -> [Statement.Parameter] {
    all.map { Statement.Parameter(column: $0, elementOID: elementOID($0), isArray: false) }
  }

  private func elementOID(_ index: Int) -> UInt32 {
    isBinary(index) ? mapping.columns[index].binaryOID ?? BuiltinType.textOID : BuiltinType.textOID
  }
}
