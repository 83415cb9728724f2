/// CREATE TABLE: what DSQL takes, column by column and constraint by constraint.
enum TableRules {
  typealias Subject = StatementJudge.Subject

  /// One more than documented, and than the message says.
  static let columnsMax = 256
  static let keyColumnsMax = 8

  static func judgeCreate(_ subject: Subject) -> Statement {
    let body = subject.body
    if let error = tableRefusal(body) ?? contentRefusal(body["tableElts"].array) {
      return subject.refused(error, as: .definition)
    }
    let edits = body["tableElts"].array.compactMap {
      TypeRules.numericEdit($0["ColumnDef"]["typeName"], text: subject.text, start: subject.start)
    }
    let statement = subject.edited(.definition, edits)
    return StorageClause.applied(to: statement, subject, columns: body["tableElts"].array, tag: "CREATE TABLE")
  }

  private static func tableRefusal(_ body: JSON) -> ServerError? {
    let schema = body["relation"]["schemaname"].string
    switch schema == "pg_temp" ? "t" : body["relation"]["relpersistence"].string {
    case "t": return .unsupported("TEMPORARY or TEMP table not supported for CREATE TABLE")
    case "u": return .unsupported("UNLOGGED table not supported for CREATE TABLE")
    default: break
    }
    func clause(_ name: String) -> ServerError { .unsupported("\(name) clause not supported for CREATE TABLE") }
    if body["partbound"].isPresent { return clause("PARTITION OF") }
    if body["partspec"].isPresent { return clause("PARTITION BY") }
    if !body["inhRelations"].array.isEmpty { return clause("INHERITS") }
    if body["ofTypename"].isPresent { return clause("OF") }
    if !body["options"].array.isEmpty { return clause("WITH") }
    if body["tablespacename"].isPresent { return clause("TABLESPACE") }
    if body["accessMethod"].isPresent { return clause("USING") }
    if let onCommit = body["oncommit"].string, onCommit != "ONCOMMIT_NOOP" { return clause("ON COMMIT") }
    return nil
  }

  private static func contentRefusal(_ elements: [JSON]) -> ServerError? {
    var types: [String: JSON] = [:]
    var columnCount = 0
    for column in elements.map({ $0["ColumnDef"] }) where column.isPresent {
      columnCount += 1
      types[column["colname"].string ?? ""] = column["typeName"]
      if let error = columnRefusal(column) { return error }
    }
    if columnCount > columnsMax {
      return hasKey(elements) ? tooManyColumnsInKey : tooManyColumns
    }
    for constraint in elements.map({ $0["Constraint"] }) where constraint.isPresent {
      if let error = constraintRefusal(constraint) { return error }
      let keys = constraint["keys"].array.compactMap { $0["String"]["sval"].string }
      if keys.count > keyColumnsMax { return IndexRules.tooManyKeys }
      for key in keys {
        if let type = types[key], let error = TypeRules.keyRefusal(type) { return error }
      }
    }
    return nil
  }

  static let tooManyColumns = ServerError("54011", "tables can have at most 255 columns")
  /// The primary key is an index over all columns.
  static let tooManyColumnsInKey = ServerError("54011", "cannot use more than 256 columns in an index")

  private static func hasKey(_ elements: [JSON]) -> Bool {
    elements.contains { element in
      (element["ColumnDef"]["constraints"].array + [element]).contains {
        $0["Constraint"]["contype"].string == "CONSTR_PRIMARY"
      }
    }
  }

  static func columnRefusal(_ column: JSON) -> ServerError? {
    if let error = TypeRules.refusal(column["typeName"]) { return error }
    if column["collClause"].isPresent { return .unsupported("COLLATE clause not supported") }
    if column["compression"].isPresent { return .unsupported("COMPRESSION clause not supported") }
    var before: String?
    for constraint in column["constraints"].array.map({ $0["Constraint"] }) {
      let type = constraint["contype"].string
      switch type {
      case "CONSTR_ATTR_DEFERRABLE", "CONSTR_ATTR_DEFERRED":
        if before == "CONSTR_CHECK" { return .unsupported("CHECK constraints cannot be marked DEFERRABLE") }
        if before != "CONSTR_FOREIGN" { return .unsupported("DEFERRABLE constraint not supported") }
        continue
      case "CONSTR_PRIMARY", "CONSTR_UNIQUE":
        if let error = TypeRules.keyRefusal(column["typeName"]) ?? constraintRefusal(constraint) { return error }
      case "CONSTR_IDENTITY":
        if let error = identityRefusal(type: column["typeName"], options: constraint["options"]) { return error }
      default:
        if let error = constraintRefusal(constraint) { return error }
      }
      before = type
    }
    return nil
  }

  private static func constraintRefusal(_ constraint: JSON) -> ServerError? {
    let type = constraint["contype"].string
    if type == "CONSTR_EXCLUSION" { return .unsupported("EXCLUDE constraint not supported") }
    if constraint["deferrable"].isTrue, type != "CONSTR_FOREIGN" {
      return .unsupported("DEFERRABLE constraint not supported")
    }
    if !constraint["options"].array.isEmpty, type == "CONSTR_PRIMARY" || type == "CONSTR_UNIQUE" {
      return .unsupported("WITH clause not supported for constraints")
    }
    return nil
  }

  static func identityRefusal(type: JSON, options: JSON) -> ServerError? {
    let name = TypeRules.name(type)
    if name != "int8" && name != "bigint" {
      return .unsupported("datatype \(TypeRules.displayName(name)) not supported, identity column type must be bigint")
    }
    return cacheRefusal(options, what: "identity column is")
  }

  /// Sequences must say how many values a session takes at once, and that must be 1 or very many.
  static func cacheRefusal(_ options: JSON, what: String) -> ServerError? {
    let caches = options.array.map { $0["DefElem"] }.filter { $0["defname"].string == "cache" }
    guard let cache = caches.last else {
      return .unsupported(
        "\(what) not supported without an explicit cache size. "
          + "please define CACHE greater than or equal to 65536 or equal to 1")
    }
    return cacheRefusal(cache)
  }

  /// - Parameter cache: the option, as it stands in a definition or a change of one.
  static func cacheRefusal(_ cache: JSON) -> ServerError? {
    let value = cache["arg"]["Integer"]["ival"].int ?? Int(cache["arg"]["Float"]["fval"].string ?? "") ?? 0
    if value == 1 || value >= 65536 { return nil }
    return .unsupported("CACHE (\(value)) must be greater than or equal to 65536 or equal to 1")
  }
}
