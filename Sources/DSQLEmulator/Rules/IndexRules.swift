/// CREATE INDEX ASYNC.
enum IndexRules {
  typealias Subject = StatementJudge.Subject

  static let needsAsync = ServerError.unsupported("unsupported mode. please use CREATE INDEX ASYNC.")
  static let tooManyKeys = ServerError("54011", "more than 8 column keys in an index are not supported")

  static func judge(_ subject: Subject) -> Statement {
    if let error = refusal(subject) { return subject.refused(error, as: .definition) }
    return AsynchronousJob.createIndex(subject)
  }

  /// In the order a cluster was seen to check.
  private static func refusal(_ subject: Subject) -> ServerError? {
    let body = subject.body
    if body["concurrent"].isTrue { return .unsupported("CONCURRENTLY not supported for CREATE INDEX") }
    if subject.namesIndexMethod { return .unsupported("USING not supported for CREATE INDEX") }
    if !body["options"].array.isEmpty { return .unsupported("WITH not supported for CREATE INDEX") }
    if body["tableSpace"].isPresent { return .unsupported("TABLESPACE not supported for CREATE INDEX") }
    let keys = body["indexParams"].array.map { $0["IndexElem"] }
    for key in keys {
      if let ordering = key["ordering"].string, ordering != "SORTBY_DEFAULT" {
        return .unsupported("specifying sort order not supported for index keys")
      }
      if !key["opclass"].array.isEmpty { return .unsupported("opclass not supported for index keys") }
      if !key["collation"].array.isEmpty { return .unsupported("COLLATE clause not supported") }
    }
    for included in body["indexIncludingParams"].array where included["IndexElem"]["expr"].isPresent {
      return .unsupported("expressions are not supported in included columns")
    }
    return keys.count > TableRules.keyColumnsMax ? tooManyKeys : nil
  }
}

/// Work that DSQL does behind the client's back. Here it is done at once, by a function that also files the job and
/// returns its id as the one row the client expects.
enum AsynchronousJob {
  static func createIndex(_ subject: StatementJudge.Subject) -> Statement {
    let mode = subject.isAsynchronous ? "true" : "false"
    return subject.replaced(
      .definition, by: "SELECT * FROM sys.create_index(\(quoted(subject.text)), \(mode))", tag: "CREATE INDEX",
      hidesRows: !subject.isAsynchronous)
  }

  static func validateConstraint(_ subject: StatementJudge.Subject) -> Statement {
    subject.replaced(
      .definition, by: "SELECT * FROM sys.validate_constraint(\(quoted(subject.text)))", tag: "ALTER TABLE")
  }

  /// Whether a text has the form of a job's id.
  static func isID(_ text: String) -> Bool {
    text.utf8.count == 26 && text.utf8.allSatisfy { (97...122).contains($0) || (50...55).contains($0) }
  }

  /// A dollar-quoted literal whose tag the text does not contain.
  static func quoted(_ text: [UInt8]) -> String {
    let body = String(decoding: text, as: UTF8.self)
    var tag = "$sql$"
    while body.contains(tag) { tag = "$x" + tag.dropFirst() }
    return tag + body + tag
  }
}
