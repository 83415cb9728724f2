/// Which session settings DSQL lets a client change.
enum SettingRules {
  typealias Subject = StatementJudge.Subject

  /// Lower case; also the startup parameters that are accepted.
  static let settable: Set<String> = [
    "application_name", "client_encoding", "datestyle", "extra_float_digits", "intervalstyle", "timezone",
    "search_path",
    "enable_bitmapscan", "enable_hashjoin", "enable_indexonlyscan", "enable_indexscan", "enable_material",
    "enable_mergejoin", "enable_nestloop", "enable_seqscan", "dsql.enable_batched_nestloop",
    "disable_sync_create_index",
  ]
  static let noCollateSetting = ServerError("42704", "unrecognized configuration parameter \"lc_collate\"")

  static func isSettable(_ name: String) -> Bool { settable.contains(name.lowercased()) }

  static func judgeSet(_ subject: Subject) -> Statement {
    let body = subject.body
    let name = body["name"].string ?? ""
    switch body["kind"].string {
    case "VAR_RESET_ALL": return subject.accepted(.query)
    case "VAR_SET_MULTI":
      if let error = TransactionStatementRules.unsupportedIsolation(body["args"]) { return subject.refused(error) }
      if name == "SESSION CHARACTERISTICS" { return subject.accepted(.query) }
      return subject.refused(.unsupportedSetting(name == "TRANSACTION SNAPSHOT" ? "TRANSACTION" : name))
    default:
      if name.lowercased() == "role", body["is_local"].isTrue {
        var statement = subject.accepted(.query)
        statement.needsBlock = true
        return statement
      }
      guard isSettable(name) else { return subject.refused(.unsupportedSetting(name)) }
      // A plain PostgreSQL takes a dotted name, but not this one.
      if name.lowercased() == "disable_sync_create_index" { return synchronousIndexes(subject) }
      return subject.accepted(.query)
    }
  }

  private static func synchronousIndexes(_ subject: Subject) -> Statement {
    let value = subject.body["args"].array.first?["A_Const"]
    let word = value?["sval"]["sval"].string ?? value?["ival"]["ival"].int.map(String.init) ?? "on"
    let isReset = subject.body["kind"].string != "VAR_SET_VALUE"
    let scope = subject.body["is_local"].isTrue ? "LOCAL " : ""
    let isOff = !isReset && ["off", "false", "no", "0"].contains(word.lowercased())
    return subject.replaced(
      .query, by: "SET \(scope)dsql_emulator.disable_sync_create_index = '\(isOff ? "off" : "on")'",
      tag: isReset ? "RESET" : "SET")
  }

  static func judgeShow(_ subject: Subject) -> Statement {
    let name = (subject.body["name"].string ?? "").lowercased()
    switch name {
    case "server_version", "server_version_num", "max_connections":
      return subject.replaced(.query, by: "SELECT sys.current_setting('\(name)') AS \(name)", tag: "SHOW")
    case "disable_sync_create_index":
      return subject.replaced(
        .query,
        by: "SELECT coalesce(current_setting('dsql_emulator.disable_sync_create_index', true), 'on') AS \(name)",
        tag: "SHOW")
    case "all":
      return subject.replaced(
        .query,
        by: "SELECT name, sys.current_setting(name, true) AS setting, short_desc AS description "
          + "FROM pg_catalog.pg_settings WHERE name <> 'lc_collate' AND name !~ '^dsql_emulator' ORDER BY lower(name)",
        tag: "SHOW")
    case "lc_collate":
      return subject.refused(noCollateSetting)
    default: return subject.accepted(.query)
    }
  }
}
