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
      if name == "CreateTableAsStmt" { return subject.refused(.unsupportedStatement("CreateTableAs")) }
    case "SelectStmt":
      if body["intoClause"].isPresent {
        return subject.refused(.unsupportedStatement("CreateTableAs"), as: .definition)
      }
    default: break
    }
    let facts = Facts(body)
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
    return statement
  }

  /// What a walk over a statement's tree finds.
  struct Facts {
    var refusal: ServerError?
    var writes = false
    var locks = false
    var readsTables = false
    /// Calls to answer from the emulator's own functions, by inserting their schema.
    var edits: [(location: Int, insertion: String)] = []

    init(_ body: JSON) {
      body.forEachMember { name, value in
        switch name {
        case "InsertStmt", "UpdateStmt", "DeleteStmt": writes = true
        case "MergeStmt": note(.unsupported("unsupported statement type: MERGE"))
        case "RangeVar": readsTables = true
        case "RangeTableSample": note(.unsupported("TABLESAMPLE clause not supported"))
        case "LockingClause": lockingClause(value)
        case "FuncCall": call(value)
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

    private mutating func call(_ call: JSON) {
      let path = call["funcname"].array.compactMap { $0["String"]["sval"].string }
      guard let name = path.last, path.count == 1 || path.first == "pg_catalog" else { return }
      let firstArgument = call["args"].array.first?["A_Const"]["sval"]["sval"].string
      if name.hasPrefix("pg_advisory") || name.hasPrefix("pg_try_advisory") {
        note(.unsupported("function \(name) not supported"))
      } else if name == "set_config", let setting = firstArgument, !SettingRules.isSettable(setting) {
        note(.unsupportedSetting(setting))
      } else if path.count == 1, let location = call["location"].int {
        let asksVersion =
          name == "version" || (name == "current_setting" && (firstArgument?.hasPrefix("server_version") ?? false))
        if asksVersion { edits.append((location, "sys.")) }
      }
    }
  }

  private static func judgeCopy(_ subject: Subject) -> Statement {
    let body = subject.body
    if body["filename"].isPresent || body["is_program"].isTrue {
      return subject.refused(.unsupported("COPY from or to a file is not supported"))
    }
    let facts = Facts(body["query"])
    if let refusal = facts.refusal { return subject.refused(refusal) }
    let kind: Statement.Kind = body["is_from"].isTrue || facts.writes ? .write : .query
    var statement = subject.accepted(kind)
    statement.touchesStorage = true
    statement.isCopy = true
    return statement
  }

  /// DSQL has one procedure of its own; others cannot be created.
  private static func judgeCall(_ subject: Subject) -> Statement {
    var hasSubquery = false
    subject.body.forEachMember { name, _ in if name == "SubLink" { hasSubquery = true } }
    if hasSubquery { return subject.refused(.unsupported("cannot use subquery in CALL argument")) }
    return subject.accepted(.query)
  }
}
