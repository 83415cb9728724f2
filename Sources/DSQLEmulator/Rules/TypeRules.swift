/// DSQL's allow-list of column types.
enum TypeRules {
  private static let stored: Set<String> = [
    "int2", "int4", "int8", "float4", "float8", "numeric", "bpchar", "varchar", "text", "bool", "uuid", "date", "time",
    "timetz", "timestamp", "timestamptz", "interval", "bytea", "json", "jsonb",
  ]
  /// Types PostgreSQL has and DSQL does not store.
  private static let refused: Set<String> = [
    "bit", "varbit", "money", "inet", "cidr", "macaddr", "macaddr8", "xml", "pg_lsn", "pg_snapshot", "txid_snapshot",
    "tsvector", "tsquery", "point", "line", "lseg", "box", "path", "polygon", "circle", "int4range", "int8range",
    "numrange", "tsrange", "tstzrange", "daterange", "int4multirange", "int8multirange", "nummultirange",
    "tsmultirange", "tstzmultirange", "datemultirange", "oid", "name", "char", "regclass", "regproc", "regtype",
    "regrole", "regnamespace", "regprocedure", "regoper", "regoperator", "regconfig", "regdictionary", "xid", "xid8",
    "cid", "tid", "jsonpath", "record", "unknown", "cstring", "void", "trigger", "anyelement", "anyarray",
  ]
  private static let serials: Set<String> = ["serial", "serial2", "serial4", "serial8", "bigserial", "smallserial"]
  private static let notInKeys: Set<String> = ["timetz", "interval", "bytea", "json", "jsonb"]
  private static let displayNames = [
    "int2": "smallint", "int4": "integer", "int8": "bigint", "float4": "real", "float8": "double precision",
    "bool": "boolean", "bpchar": "character", "varchar": "character varying", "varbit": "bit varying",
    "timestamptz": "timestamp with time zone", "timestamp": "timestamp without time zone",
    "time": "time without time zone", "timetz": "time with time zone", "char": "\"char\"",
  ]

  /// The internal name of a `TypeName` node, when it is one of PostgreSQL's own.
  static func name(_ type: JSON) -> String {
    type["names"].array.last?["String"]["sval"].string ?? ""
  }
  static func displayName(_ internalName: String) -> String {
    // PostgreSQL's own names of its array types.
    if internalName.hasPrefix("_"), stored.union(refused).contains(String(internalName.dropFirst())) {
      return displayName(String(internalName.dropFirst())) + "[]"
    }
    return displayNames[internalName] ?? internalName
  }

  /// Why a column cannot have this type.
  static func refusal(_ type: JSON) -> ServerError? {
    let name = name(type)
    if serials.contains(name) { return ServerError("42704", "type \"\(name)\" does not exist") }
    if !type["arrayBounds"].array.isEmpty {
      return .unsupported("datatype \(displayName(name))[] not supported")
    }
    if refused.contains(name) || displayName(name).hasSuffix("[]") {
      return .unsupported("datatype \(displayName(name)) not supported")
    }
    let length = type["typmods"].array.first?["A_Const"]["ival"]["ival"].int ?? 0
    if name == "bpchar", length > 4096 { return tooLong(4096, "char") }
    if name == "varchar", length > 65535 { return tooLong(65535, "varchar") }
    return nil
  }

  private static func tooLong(_ limit: Int, _ name: String) -> ServerError {
    ServerError("54000", "Datatype limit greater than \(limit) bytes not supported for \(name)")
  }

  /// Why a column of this type cannot be in a primary key, unique constraint or index.
  static func keyRefusal(_ type: JSON) -> ServerError? {
    let name = name(type)
    guard notInKeys.contains(name) else { return nil }
    return .unsupported("datatype \(displayName(name)) is not supported in a key")
  }

  /// A bare `numeric` is numeric(18,6) in DSQL: where to insert that.
  static func numericEdit(_ type: JSON, text: [UInt8], start: Int) -> TextEdit? {
    guard name(type) == "numeric", type["typmods"].array.isEmpty, type["arrayBounds"].array.isEmpty,
      let location = type["location"].int, location >= start, location - start < text.count
    else { return nil }
    var end: Int?
    // `pg_catalog.numeric` is three tokens.
    for token in SQLLexer(text, from: location - start) {
      if token.kind == .symbol, text[token.range.lowerBound] != UInt8(ascii: ".") { break }
      if end != nil, token.kind != .symbol, let last = end, text[last - 1] != UInt8(ascii: ".") { break }
      end = token.range.upperBound
      if token.kind == .word, ["NUMERIC", "DECIMAL", "DEC"].contains(DSQLWords.upper(text, token)) { break }
    }
    return end.map { TextEdit(location: $0 + start, insertion: "(18,6)") }
  }
}
