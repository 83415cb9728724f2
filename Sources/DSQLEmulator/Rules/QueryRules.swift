/// Statements that read and write rows, and what inside their expressions DSQL does not have.
enum QueryRules {
  typealias Subject = StatementJudge.Subject

  static func judge(_ subject: Subject) -> Statement {
    let body = subject.body
    switch subject.name {
    case "CopyStmt": return judgeCopy(subject)
    case "CallStmt": return judgeCall(subject)
    case "ExplainStmt":
      guard let (name, _) = body["query"].node else { break }
      switch name {
      case "CreateTableAsStmt", "DeclareCursorStmt", "ExecuteStmt":
        return subject.refused(.unsupportedStatement(String(name.dropLast("Stmt".count))))
      default: break
      }
    case "SelectStmt":
      if body["intoClause"].isPresent {
        return subject.refused(.unsupportedStatement("CreateTableAs"), as: .definition)
      }
    default: break
    }
    let facts = Facts(body, subject)
    if let refusal = facts.refusal { return subject.refused(refusal, as: facts.writes ? .write : .query) }
    var kind = facts.locks ? Statement.Kind.lockingQuery : .query
    switch subject.name {
    case "InsertStmt", "UpdateStmt", "DeleteStmt": kind = .write
    case "ExplainStmt":
      let analyzes = body["options"].array.contains { $0["DefElem"]["defname"].string == "analyze" }
      if !analyzes { kind = .query } else if facts.writes { kind = .write }
    default: if facts.writes { kind = .write }
    }
    var statement = subject.edited(kind, facts.edits)
    statement.touchesStorage = facts.readsTables || kind == .write
    statement.hidesChanges = facts.writes && kind == .write
    statement.callsFunctions = facts.callsFunctions
    let isLiteral = subject.name == "InsertStmt" && !body["selectStmt"]["SelectStmt"]["valuesLists"].array.isEmpty
    statement.makesRows = kind == .write && !facts.hasParameters && (facts.callsFunctions || !isLiteral)
    return statement
  }

  /// What a walk over a statement's tree finds.
  struct Facts {
    var refusal: ServerError?
    var writes = false
    var locks = false
    var readsTables = false
    var callsFunctions = false
    var hasParameters = false
    /// Calls to answer from the emulator's own functions, by giving them its schema.
    var edits: [TextEdit] = []

    init(_ body: JSON, _ subject: Subject) {
      body.forEachMember { name, value in
        switch name {
        case "InsertStmt", "UpdateStmt", "DeleteStmt": writes = true
        case "MergeStmt": note(.unsupported("unsupported statement type: MERGE"))
        case "RangeVar": readsTables = true
        case "RangeTableSample": note(.unsupported("TABLESAMPLE clause not supported"))
        case "LockingClause": lockingClause(value)
        case "FuncCall": call(value, subject)
        case "ParamRef": hasParameters = true
        case "SQLValueFunction":
          if value["op"].string == "SVFOP_CURRENT_CATALOG", let location = value["location"].int {
            edits.append(
              TextEdit(location: location, removal: "current_catalog".count, insertion: "sys.current_database()"))
          }
        case "TypeCast": if let error = FunctionRules.castRefusal(value) { note(error) }
        case "JoinExpr": if let error = FunctionRules.joinRefusal(value) { note(error) }
        default: return
        }
      }
    }

    private mutating func note(_ error: ServerError) { if refusal == nil { refusal = error } }

    private mutating func lockingClause(_ clause: JSON) {
      switch clause["strength"].string {
      case "LCS_FORUPDATE", "LCS_FORKEYSHARE": locks = true
      default: note(.unsupported("locking clauses other than FOR UPDATE/FOR KEY SHARE are not supported"))
      }
    }

    private mutating func call(_ call: JSON, _ subject: Subject) {
      callsFunctions = true
      let path = call["funcname"].array.compactMap { $0["String"]["sval"].string }
      guard let name = path.last, path.count == 1 || path.first == "pg_catalog" else { return }
      let arguments = call["args"].array
      if let error = FunctionRules.refusal(name, arguments) {
        note(error)
      } else if FunctionRules.answeredBySys.contains(name), let location = call["location"].int {
        // `pg_catalog.` gives way; its quotes, if any, do too.
        let place = location - subject.start
        let tokens = place >= 0 ? Array(SQLLexer(subject.text, from: place).prefix(3)) : []
        let removal = path.count == 1 || tokens.count < 3 ? 0 : tokens[2].range.lowerBound - place
        edits.append(TextEdit(location: location, removal: removal, insertion: "sys."))
      }
    }
  }

  private static func judgeCopy(_ subject: Subject) -> Statement {
    let body = subject.body
    if body["filename"].isPresent || body["is_program"].isTrue {
      return subject.refused(.unsupported("COPY from or to a file is not supported"))
    }
    let facts = Facts(body["query"], subject)
    if let refusal = facts.refusal { return subject.refused(refusal) }
    let kind: Statement.Kind = body["is_from"].isTrue || facts.writes ? .write : .query
    var statement = subject.accepted(kind)
    statement.touchesStorage = true
    statement.isCopy = true
    statement.isCopyIn = body["is_from"].isTrue
    return statement
  }

  /// DSQL has one procedure of its own; others cannot be created.
  private static func judgeCall(_ subject: Subject) -> Statement {
    var hasSubquery = false
    subject.body.forEachMember { name, _ in if name == "SubLink" { hasSubquery = true } }
    if hasSubquery { return subject.refused(.unsupported("cannot use subquery in CALL argument")) }
    let call = subject.body["funccall"]
    guard call["funcname"].array.last?["String"]["sval"].string == "wait_for_job" else {
      return subject.accepted(.query)
    }
    if let id = call["args"].array.first?["A_Const"]["sval"]["sval"].string, !AsynchronousJob.isID(id) {
      return subject.refused(ServerError("22P02", "Unable to convert text to UUID"))
    }
    var statement = subject.accepted(.query)
    statement.needsNoBlock = true
    return statement
  }
}
