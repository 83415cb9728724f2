/// ALTER TABLE, one action at a time.
enum AlterTableRules {
  typealias Subject = StatementJudge.Subject

  static func judge(_ subject: Subject) -> Statement {
    let body = subject.body
    switch body["objtype"].string {
    case "OBJECT_TYPE": return subject.refused(.unsupported("ALTER TYPE not supported"), as: .definition)
    case "OBJECT_MATVIEW", "OBJECT_FOREIGN_TABLE":
      return subject.refused(.unsupportedStatement("AlterTable"), as: .definition)
    default: break
    }
    let commands = body["cmds"].array.map { $0["AlterTableCmd"] }
    for command in commands {
      if let error = refusal(command, isAsynchronous: subject.isAsynchronous) {
        return subject.refused(error, as: .definition)
      }
    }
    if subject.isAsynchronous {
      guard commands.count == 1, commands[0]["subtype"].string == "AT_ValidateConstraint" else {
        return subject.refused(.unsupported("ALTER TABLE ASYNC is for VALIDATE CONSTRAINT only"), as: .definition)
      }
      return AsynchronousJob.validateConstraint(subject)
    }
    if !commands.isEmpty, commands.allSatisfy(isTriggerSwitch) {
      return subject.replaced(.query, by: "SELECT WHERE false", tag: "ALTER TABLE", hidesRows: true)
    }
    let edits = commands.compactMap {
      TypeRules.numericEdit($0["def"]["ColumnDef"]["typeName"], text: subject.text, start: subject.start)
    }
    let statement = subject.edited(.definition, edits)
    return guardingKey(
      StorageClause.applied(to: statement, subject, columns: commands.map { $0["def"] }, tag: "ALTER TABLE"),
      subject, commands)
  }

  /// Whether a column or constraint belongs to the primary key is known to the catalog only, and comes before what else
  /// may depend on it.
  private static func guardingKey(_ statement: Statement, _ subject: Subject, _ commands: [JSON]) -> Statement {
    func names(_ subtype: String) -> [String] {
      commands.filter { $0["subtype"].string == subtype }.compactMap { $0["name"].string }
    }
    let (columns, constraints) = (names("AT_DropColumn"), names("AT_DropConstraint"))
    if columns.isEmpty && constraints.isEmpty { return statement }
    func array(_ names: [String]) -> String {
      "ARRAY[" + names.map { BackendConnection.literal($0) }.joined(separator: ", ") + "]::text[]"
    }
    return subject.replaced(
      .definition,
      by: "SELECT FROM sys.drop_parts(\(AsynchronousJob.quoted(statement.text)), "
        + "\(AsynchronousJob.quoted(Array(subject.relationName.utf8))), \(array(columns)), \(array(constraints)))",
      tag: "ALTER TABLE", hidesRows: true)
  }

  /// There are no triggers; switching them all on or off is accepted and does nothing.
  private static func isTriggerSwitch(_ command: JSON) -> Bool {
    ["AT_EnableTrigAll", "AT_DisableTrigAll", "AT_EnableTrigUser", "AT_DisableTrigUser"]
      .contains(command["subtype"].string ?? "")
  }

  private static func refusal(_ command: JSON, isAsynchronous: Bool) -> ServerError? {
    let subtype = command["subtype"].string ?? ""
    switch subtype {
    case "AT_AddColumn": return addColumnRefusal(command["def"]["ColumnDef"])
    case "AT_AddConstraint": return addConstraintRefusal(command["def"]["Constraint"])
    case "AT_AddIdentity":
      let options = command["def"]["Constraint"]["options"]
      return TableRules.cacheRefusal(options, what: "identity column is")
    case "AT_SetIdentity":
      return command["def"]["List"]["items"].array.map { $0["DefElem"] }
        .first { $0["defname"].string == "cache" }.flatMap(TableRules.cacheRefusal)
    case "AT_ValidateConstraint":
      return isAsynchronous ? nil : unsupported("VALIDATE CONSTRAINT")
    case "AT_AlterColumnType": return unsupported("ALTER COLUMN ... SET DATA TYPE")
    case "AT_SetNotNull": return unsupported("ALTER COLUMN ... SET NOT NULL")
    case "AT_SetStatistics": return unsupported("ALTER COLUMN ... SET STATISTICS")
    case "AT_SetCompression": return unsupported("ALTER COLUMN ... SET COMPRESSION")
    case "AT_SetOptions", "AT_ResetOptions": return unsupported("ALTER COLUMN ... SET")
    case "AT_EnableRowSecurity": return unsupported("ENABLE ROW SECURITY")
    case "AT_DisableRowSecurity": return unsupported("DISABLE ROW SECURITY")
    case "AT_ForceRowSecurity": return unsupported("FORCE ROW SECURITY")
    case "AT_NoForceRowSecurity": return unsupported("NO FORCE ROW SECURITY")
    case "AT_DropColumn", "AT_ColumnDefault", "AT_DropNotNull", "AT_DropExpression", "AT_SetStorage",
      "AT_DropIdentity", "AT_DropConstraint", "AT_AlterConstraint", "AT_ChangeOwner", "AT_EnableTrigAll",
      "AT_DisableTrigAll", "AT_EnableTrigUser", "AT_DisableTrigUser":
      return nil
    default: return unsupported(words(subtype))
    }
  }

  private static func unsupported(_ action: String) -> ServerError {
    .unsupported("unsupported ALTER TABLE \(action) statement")
  }

  /// `AT_SetTableSpace` → `SET TABLE SPACE`.
  private static func words(_ subtype: String) -> String {
    var text = ""
    for character in subtype.dropFirst(3) {
      if character.isUppercase, !text.isEmpty { text += " " }
      text += character.uppercased()
    }
    return text
  }

  private static func addColumnRefusal(_ column: JSON) -> ServerError? {
    if let error = TypeRules.refusal(column["typeName"]) { return error }
    let constraints = column["constraints"].array.map { $0["Constraint"]["contype"].string }
    if constraints.contains(where: { $0 != "CONSTR_NULL" }) {
      return .unsupported("ALTER TABLE ADD COLUMN with constraint not supported")
    }
    return TableRules.columnRefusal(column)
  }

  private static func addConstraintRefusal(_ constraint: JSON) -> ServerError? {
    let notValid = constraint["skip_validation"].isTrue
    switch constraint["contype"].string {
    case "CONSTR_CHECK", "CONSTR_FOREIGN": if notValid { return nil }
    case "CONSTR_UNIQUE": if constraint["indexname"].isPresent, !constraint["deferrable"].isTrue { return nil }
    default: break
    }
    return unsupported("ADD CONSTRAINT")
  }
}
