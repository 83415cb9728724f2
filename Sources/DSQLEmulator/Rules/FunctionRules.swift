/// Functions and types in expressions that DSQL does not have, or answers otherwise than a plain PostgreSQL.
enum FunctionRules {
  private static let textSearch: Set<String> = [
    "to_tsvector", "to_tsquery", "plainto_tsquery", "phraseto_tsquery", "websearch_to_tsquery", "ts_headline",
  ]
  private static let geometric: Set<String> = ["point", "line", "lseg", "box", "path", "polygon", "circle"]
  /// The server's own files, processes and large objects are out of a client's reach.
  private static let refusedPrefixes = [
    "pg_advisory", "pg_try_advisory", "lo_", "pg_read_", "pg_ls_", "pg_stat_file", "pg_create_", "pg_drop_",
    "pg_logical_", "pg_replication_", "pg_backup_", "pg_switch_",
  ]
  private static let refused: Set<String> = [
    "pg_notify", "loread", "lowrite", "pg_export_snapshot", "pg_cancel_backend", "pg_terminate_backend",
    "pg_reload_conf", "pg_rotate_logfile", "pg_promote", "pg_current_logfile",
  ]

  /// - Parameters:
  ///   - name: without its schema, which is `pg_catalog` or none.
  ///   - arguments: as the tree has them.
  static func refusal(_ name: String, _ arguments: [JSON]) -> ServerError? {
    let first = arguments.first?["A_Const"]["sval"]["sval"].string
    if refused.contains(name) || refusedPrefixes.contains(where: name.hasPrefix) {
      return .unsupported("function \(name) not supported")
    }
    if geometric.contains(name) { return .unsupported("datatype \(name) not supported") }
    if textSearch.contains(name) {
      let configuration = arguments.count > 1 ? first ?? "english" : "english"
      return ServerError("42704", "text search configuration \"\(configuration)\" does not exist")
    }
    switch name {
    case "lastval": return ServerError("42883", "function lastval() does not exist")
    case "set_config":
      guard let first, !SettingRules.isSettable(first) else { return nil }
      return .unsupportedSetting(first)
    case "current_setting":
      return first?.lowercased() == "lc_collate" ? SettingRules.noCollateSetting : nil
    default: return nil
    }
  }

  /// The emulator's own functions of these names, in `sys`, answer for PostgreSQL's.
  static let answeredBySys: Set<String> = ["version", "current_database", "current_setting", "set_config"]

  /// Types that expressions may not have either.
  static func castRefusal(_ cast: JSON) -> ServerError? {
    let name = TypeRules.name(cast["typeName"])
    return geometric.contains(name) ? .unsupported("datatype \(name) not supported") : nil
  }

  /// DSQL's planner fails on `LEFT JOIN LATERAL` whose subquery looks at the joined table.
  static func joinRefusal(_ join: JSON) -> ServerError? {
    let left = join["larg"]["RangeVar"]
    let right = join["rarg"]["RangeSubselect"]
    guard join["jointype"].string == "JOIN_LEFT", right["lateral"].isTrue, let table = left["relname"].string
    else { return nil }
    let name = left["alias"]["aliasname"].string ?? table
    var looksOut = false
    right["subquery"].forEachMember { member, value in
      if member == "ColumnRef", value["fields"].array.count > 1,
        value["fields"].array[0]["String"]["sval"].string == name
      {
        looksOut = true
      }
    }
    return looksOut ? ServerError("42804", "attribute 1 of type \(table) has wrong type") : nil
  }
}
