/// Every other statement: the allow-list of definitions, and DSQL's words for what is not on it.
enum DefinitionRules {
  typealias Subject = StatementJudge.Subject

  private static let accepted: Set<String> = [
    "AlterDefaultPrivilegesStmt", "AlterDomainStmt", "AlterFunctionStmt", "AlterRoleStmt", "AlterStatsStmt",
    "CommentStmt", "CreateRoleStmt",
    "CreateStatsStmt", "DropRoleStmt", "GrantRoleStmt", "GrantStmt",
  ]
  private static let texts: [String: ServerError] = [
    "CreateEnumStmt": .unsupported("CREATE TYPE not supported"),
    "AlterEnumStmt": .unsupported("ALTER TYPE not supported"),
    "AlterTypeStmt": .unsupported("ALTER TYPE not supported"),
    "CreateTrigStmt": .unsupported("CREATE TRIGGER not supported"),
    "MergeStmt": .unsupported("unsupported statement type: MERGE"),
  ]
  private static let droppable: Set<String> = [
    "OBJECT_TABLE", "OBJECT_INDEX", "OBJECT_VIEW", "OBJECT_SEQUENCE", "OBJECT_DOMAIN", "OBJECT_FUNCTION",
    "OBJECT_SCHEMA", "OBJECT_STATISTIC_EXT",
  ]
  private static let renamable: Set<String> = [
    "OBJECT_TABLE", "OBJECT_COLUMN", "OBJECT_TABCONSTRAINT", "OBJECT_INDEX", "OBJECT_VIEW", "OBJECT_SEQUENCE",
    "OBJECT_DOMAIN", "OBJECT_DOMCONSTRAINT", "OBJECT_FUNCTION", "OBJECT_SCHEMA", "OBJECT_ROLE", "OBJECT_STATISTIC_EXT",
  ]

  static func judge(_ subject: Subject) -> Statement {
    if let error = statisticsRefusal(subject) { return subject.refused(error, as: .definition) }
    if accepted.contains(subject.name) { return subject.accepted(.definition) }
    if let error = refusal(subject) { return subject.refused(error, as: .definition) }
    if isDropTrigger(subject) {
      return subject.replaced(.query, by: "SELECT WHERE false", tag: "DROP TRIGGER", hidesRows: true)
    }
    if subject.name == "CreateDomainStmt" {
      let type = subject.body["typeName"]
      return subject.edited(
        .definition, [TypeRules.numericEdit(type, text: subject.text, start: subject.start)].compactMap { $0 })
    }
    return subject.accepted(.definition)
  }

  private static func statisticsRefusal(_ subject: Subject) -> ServerError? {
    let targetMax = 100
    guard subject.name == "AlterStatsStmt", let target = subject.body["stxstattarget"].int, target > targetMax else {
      return nil
    }
    return ServerError("22023", "statistics target \(target) exceeds maximum allowed value of \(targetMax)")
  }

  private static func isDropTrigger(_ subject: Subject) -> Bool {
    subject.name == "DropStmt" && subject.body["removeType"].string == "OBJECT_TRIGGER"
  }

  private static func refusal(_ subject: Subject) -> ServerError? {
    let body = subject.body
    switch subject.name {
    case "DropStmt":
      if body["concurrent"].isTrue { return .unsupported("CONCURRENTLY not supported for DROP INDEX") }
      if isDropTrigger(subject), body["missing_ok"].isTrue { return nil }
      return droppable.contains(body["removeType"].string ?? "")
        ? nil : .unsupported("unsupported object in DROP statement")
    case "RenameStmt":
      return renamable.contains(body["renameType"].string ?? "")
        ? nil : .unsupported("unsupported object in RENAME statement")
    case "AlterObjectSchemaStmt", "AlterOwnerStmt":
      let type = body["objectType"].string ?? ""
      if type == "OBJECT_TYPE" { return .unsupported("ALTER TYPE not supported") }
      return renamable.contains(type) ? nil : .unsupportedStatement(String(subject.name.dropLast(4)))
    case "DefineStmt":
      return body["kind"].string == "OBJECT_TYPE"
        ? .unsupported("CREATE TYPE not supported") : .unsupportedStatement("Define")
    case "CreateDomainStmt":
      return TypeRules.refusal(body["typeName"])
        ?? (body["collClause"].isPresent ? .unsupported("COLLATE clause not supported") : nil)
    case "CreateSeqStmt":
      let kind = body["sequence"]["relpersistence"].string
      if kind == "t" || kind == "u" {
        return .unsupported(
          "\(kind == "t" ? "TEMPORARY or TEMP" : "UNLOGGED") sequence not supported for CREATE SEQUENCE")
      }
      return TableRules.cacheRefusal(body["options"], what: "CREATE SEQUENCE is")
        ?? sequenceTypeRefusal(body["options"])
    case "AlterSeqStmt":
      let cache = body["options"].array.map { $0["DefElem"] }.last { $0["defname"].string == "cache" }
      return cache.flatMap(TableRules.cacheRefusal) ?? sequenceTypeRefusal(body["options"])
    case "CreateFunctionStmt": return functionRefusal(body)
    default:
      if let known = texts[subject.name] { return known }
      let name = subject.name.hasSuffix("Stmt") ? String(subject.name.dropLast(4)) : subject.name
      return .unsupportedStatement(name)
    }
  }

  private static func sequenceTypeRefusal(_ options: JSON) -> ServerError? {
    for option in options.array.map({ $0["DefElem"] }) where option["defname"].string == "as" {
      let name = TypeRules.name(option["arg"]["TypeName"])
      if name != "int8" && name != "bigint" {
        return .unsupported("datatype \(TypeRules.displayName(name)) not supported, sequence type must be bigint")
      }
    }
    return nil
  }

  private static func functionRefusal(_ body: JSON) -> ServerError? {
    if body["is_procedure"].isTrue { return .unsupported("PROCEDURE is not supported") }
    for option in body["options"].array.map({ $0["DefElem"] }) where option["defname"].string == "language" {
      let language = option["arg"]["String"]["sval"].string ?? ""
      if language.lowercased() != "sql" {
        return .unsupported("CREATE FUNCTION with language \(language) not supported")
      }
    }
    return nil
  }
}
