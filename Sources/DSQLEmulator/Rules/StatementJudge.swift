/// Judges statements on PostgreSQL's parse tree: which DSQL runs, which it refuses with what words, and what a plain
/// PostgreSQL is asked instead where the two differ. Pure; the same text always gets the same verdict.
enum StatementJudge {
  /// Literal bulk writes beyond this size are judged by their tokens: their trees would cost more than running them.
  static let longTextBytes = 32 * 1024

  /// DSQL counts what it keeps of a view, which is more than its text, and for this much text always too much.
  private static let viewBytesMax = 512 * 1024

  static func script(_ original: [UInt8]) -> Script {
    if original.count > longTextBytes, let several = BulkText.statements(original) { return several }
    if original.count > longTextBytes, let bulk = BulkText.statement(original) { return Script(statements: [bulk]) }
    let words = DSQLWords(original)
    if let iam = words.iam { return Script(statements: [IAMRules.statement(iam)]) }
    do throws(ServerError) {
      let parsed = try ParseTree.statements(of: words.text)
      let count = parsed.count
      return Script(statements: parsed.map { statement(Subject($0, words: words, isOnly: count == 1)) })
    } catch {
      return Script(syntaxError: error)
    }
  }

  /// A statement under judgement, with the lexical facts its tree leaves out.
  struct Subject {
    let name: String
    let body: JSON
    let text: [UInt8]
    /// Where `text` starts in the whole; the tree's locations count from the whole's start.
    let start: Int
    let isAsynchronous: Bool
    let namesIndexMethod: Bool
    /// `STORAGE` clauses of columns.
    let storage: [StorageClause]

    init(_ parsed: ParsedStatement, words: DSQLWords, isOnly: Bool) {
      name = parsed.name
      body = parsed.body
      let range = isOnly ? 0..<words.text.count : parsed.range
      text = Array(words.text[range])
      start = range.lowerBound
      isAsynchronous = words.asynchronous.contains { range.contains($0) }
      namesIndexMethod = words.using.contains { range.contains($0) }
      storage = words.storage.filter { range.contains($0.location) }
    }

    /// A statement inside this one.
    func nested(_ name: String, _ body: JSON) -> Subject {
      Subject(
        name: name, body: body, text: text, start: start, isAsynchronous: isAsynchronous,
        namesIndexMethod: namesIndexMethod)
    }

    private init(
      name: String, body: JSON, text: [UInt8], start: Int, isAsynchronous: Bool, namesIndexMethod: Bool
    ) {
      self.name = name
      self.body = body
      self.text = text
      self.start = start
      self.isAsynchronous = isAsynchronous
      self.namesIndexMethod = namesIndexMethod
      storage = []
    }

    /// The table it is about, as SQL names it.
    var relationName: String {
      let relation = body["relation"]
      return [relation["schemaname"].string, relation["relname"].string].compactMap { $0 }
        .map(StorageClause.quoted).joined(separator: ".")
    }

    /// The statement unchanged.
    func accepted(_ kind: Statement.Kind) -> Statement {
      var statement = Statement(kind, text: text)
      statement.touchesStorage = kind == .write || kind == .definition || kind == .lockingQuery
      statement.isRewritten = isAsynchronous
      return statement
    }
    func refused(_ error: ServerError, as kind: Statement.Kind = .query) -> Statement {
      Statement(kind, text: text, refusal: error)
    }
    /// The statement with something replaced at places of the whole text.
    func edited(_ kind: Statement.Kind, _ edits: [TextEdit]) -> Statement {
      var statement = accepted(kind)
      for edit in edits.sorted(by: { $0.location > $1.location }) {
        let place = edit.location - start
        guard place >= 0, place + edit.removal <= text.count else { continue }
        statement.text.replaceSubrange(place..<(place + edit.removal), with: edit.insertion.utf8)
        statement.isRewritten = true
      }
      return statement
    }
    /// Another statement in its place, whose result is reported under `tag`.
    func replaced(
      _ kind: Statement.Kind, by sql: String, tag: String, hidesRows: Bool = false
    ) -> Statement {
      var statement = Statement(kind, text: Array(sql.utf8))
      statement.hidesRows = hidesRows
      statement.isRewritten = true
      statement.tag = tag
      statement.touchesStorage = kind == .write || kind == .definition
      return statement
    }
  }

  static func statement(_ subject: Subject) -> Statement {
    let body = subject.body
    if let error = SystemRules.refusal(subject.name, body) { return subject.refused(error, as: .definition) }
    switch subject.name {
    case "TransactionStmt": return TransactionStatementRules.judge(subject)
    case "VariableSetStmt": return SettingRules.judgeSet(subject)
    case "VariableShowStmt": return SettingRules.judgeShow(subject)
    case "SelectStmt", "InsertStmt", "UpdateStmt", "DeleteStmt", "ExplainStmt", "CopyStmt", "CallStmt":
      return QueryRules.judge(subject)
    case "CreateStmt": return TableRules.judgeCreate(subject)
    case "AlterTableStmt": return AlterTableRules.judge(subject)
    case "IndexStmt": return IndexRules.judge(subject)
    case "ViewStmt":
      if body["view"]["relpersistence"].string == "t" {
        return subject.refused(.unsupported("TEMPORARY or TEMP view not supported for CREATE VIEW"), as: .definition)
      }
      if subject.text.count > viewBytesMax {
        return subject.refused(ServerError("54000", "view definition too large"), as: .definition)
      }
      return subject.accepted(.definition)
    case "ConstraintsSetStmt": return subject.accepted(.query)
    case "VacuumStmt":
      return body["is_vacuumcmd"].isTrue
        ? subject.refused(.unsupported("unsupported VACUUM statement")) : subject.accepted(.query)
    case "DeallocateStmt":
      if body["name"].isPresent { return subject.refused(.unsupportedStatement("Deallocate")) }
      var statement = subject.accepted(.query)
      statement.forgetsStatements = true
      return statement
    case "CreateSchemaStmt":
      for (name, element) in body["schemaElts"].array.compactMap(\.node) {
        let nested = statement(subject.nested(name, element))
        if nested.refusal != nil { return nested }
        if name == "IndexStmt" { return subject.refused(IndexRules.needsAsync, as: .definition) }
      }
      return subject.accepted(.definition)
    default: return DefinitionRules.judge(subject)
    }
  }
}

/// BEGIN, COMMIT and their kin.
enum TransactionStatementRules {
  static func judge(_ subject: StatementJudge.Subject) -> Statement {
    let kind = subject.body["kind"].string ?? ""
    switch kind {
    case "TRANS_STMT_BEGIN", "TRANS_STMT_START":
      if let error = unsupportedIsolation(subject.body["options"]) { return subject.refused(error) }
      return subject.accepted(.begin)
    case "TRANS_STMT_COMMIT", "TRANS_STMT_ROLLBACK":
      if subject.body["chain"].isTrue {
        return subject.refused(.unsupported("unsupported transaction statement: AND CHAIN"))
      }
      return subject.accepted(kind == "TRANS_STMT_COMMIT" ? .commit : .rollback)
    default:
      let words = kind.dropFirst("TRANS_STMT_".count).split(separator: "_").joined(separator: " ")
      return subject.refused(.unsupported("unsupported transaction statement: \(words)"))
    }
  }

  /// DSQL has one isolation level; asking for another is an error, not a promise it breaks.
  static func unsupportedIsolation(_ options: JSON) -> ServerError? {
    for option in options.array.map({ $0["DefElem"] }) where option["defname"].string == "transaction_isolation" {
      let level = option["arg"]["A_Const"]["sval"]["sval"].string ?? ""
      if level != "repeatable read" { return .unsupported("Unsupported isolation level: \(level.uppercased())") }
    }
    return nil
  }
}

/// `AWS IAM GRANT` and `REVOKE`: which IAM identities may sign in as a role.
enum IAMRules {
  static func statement(_ iam: IAMStatement) -> Statement {
    func literal(_ text: String) -> String {
      "'" + text.split(separator: "'", omittingEmptySubsequences: false).joined(separator: "''") + "'"
    }
    let function = iam.grants ? "iam_grant" : "iam_revoke"
    var statement = Statement(
      .definition, text: Array("CALL sys.\(function)(\(literal(iam.role)), \(literal(iam.arn)))".utf8))
    statement.isRewritten = true
    statement.tag = iam.grants ? "GRANT" : "REVOKE"
    statement.touchesStorage = true
    return statement
  }
}
