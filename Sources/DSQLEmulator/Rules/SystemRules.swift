/// What belongs to the system: the schemas `public` and `sys`, and everything in `sys` and PostgreSQL's catalogs.
enum SystemRules {
  private static let schemas: Set<String> = ["public", "sys"]
  private static let closed: Set<String> = ["sys", "pg_catalog", "information_schema"]
  private static let entity = ServerError.unsupported("feature not supported on system entity")

  /// Why a client may not run a statement on its target.
  static func refusal(_ name: String, _ body: JSON) -> ServerError? {
    switch name {
    case "InsertStmt", "UpdateStmt", "DeleteStmt": return writeRefusal(body["relation"])
    case "CopyStmt": return body["is_from"].isTrue ? writeRefusal(body["relation"]) : nil
    case "CreateStmt", "AlterTableStmt", "IndexStmt", "CreateStatsStmt":
      return isClosed(body["relation"]) ? entity : nil
    case "ViewStmt": return isClosed(body["view"]) ? entity : nil
    case "CreateSeqStmt", "AlterSeqStmt": return isClosed(body["sequence"]) ? entity : nil
    case "CreateFunctionStmt": return isClosed(path: body["funcname"]) ? entity : nil
    case "RenameStmt", "AlterObjectSchemaStmt", "AlterOwnerStmt":
      let schema = body["subname"].string ?? body["object"]["String"]["sval"].string ?? ""
      let type = body["renameType"].string ?? body["objectType"].string
      if type == "OBJECT_SCHEMA", schemas.contains(schema) { return entity }
      return isClosed(body["relation"]) || closed.contains(body["newschema"].string ?? "") ? entity : nil
    case "DropStmt":
      let isSchema = body["removeType"].string == "OBJECT_SCHEMA"
      let hasSystem = body["objects"].array.contains { object in
        isSchema
          ? schemas.contains(object["String"]["sval"].string ?? "")
          : isClosed(path: object["List"]["items"]) || isClosed(path: object["ObjectWithArgs"]["objname"])
      }
      return hasSystem ? entity : nil
    case "GrantStmt":
      let isSchema = body["objtype"].string == "OBJECT_SCHEMA"
      let hasSystem = body["objects"].array.contains {
        isSchema ? schemas.contains($0["String"]["sval"].string ?? "") : isClosed($0["RangeVar"])
      }
      return hasSystem ? entity : nil
    default: return nil
    }
  }

  private static func isClosed(_ relation: JSON) -> Bool { closed.contains(relation["schemaname"].string ?? "") }

  /// A qualified name as a list of strings.
  private static func isClosed(path: JSON) -> Bool {
    path.array.count > 1 && closed.contains(path.array[0]["String"]["sval"].string ?? "")
  }

  private static func writeRefusal(_ relation: JSON) -> ServerError? {
    let name = relation["relname"].string ?? ""
    let isCatalog = !relation["schemaname"].isPresent && name.hasPrefix("pg_")
    return isClosed(relation) || isCatalog ? ServerError("42501", "permission denied for table \(name)") : nil
  }
}
