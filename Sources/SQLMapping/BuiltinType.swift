/// One of PostgreSQL's own types that Penstock passes to a target unchanged, with its fixed OIDs.
package struct BuiltinType: Hashable, Sendable {
  /// The name in `pg_type`.
  package let name: String
  package let oid: UInt32
  /// The OID of its array type.
  package let arrayOID: UInt32
  /// The spelling for a cast that neither cuts nor rounds. `character` alone would mean `character(1)`.
  package let castName: String
  /// Whether DSQL takes it in a primary key or an index.
  package let isKeyOnDSQL: Bool
  /// Whether `=` means the very same value in print: not so for `-0.0`, `1.0` and `1.00`, or `24 hours` and `1 day`.
  package let equalityIsIdentity: Bool

  private init(
    _ name: String, _ oid: UInt32, _ arrayOID: UInt32, _ castName: String, isKey: Bool = true, exact: Bool = true
  ) {
    self.name = name
    self.oid = oid
    self.arrayOID = arrayOID
    self.castName = castName
    isKeyOnDSQL = isKey
    equalityIsIdentity = exact
  }

  /// Every type whose binary form (`typsend`, `typreceive`) is the same on all supported servers and on DSQL.
  package static let all: [BuiltinType] = [
    BuiltinType("bool", 16, 1000, "boolean"),
    BuiltinType("bytea", 17, 1001, "bytea", isKey: false),
    BuiltinType("int8", 20, 1016, "bigint"),
    BuiltinType("int2", 21, 1005, "smallint"),
    BuiltinType("int4", 23, 1007, "integer"),
    BuiltinType("text", 25, 1009, "text"),
    BuiltinType("json", 114, 199, "json", isKey: false, exact: false),
    BuiltinType("float4", 700, 1021, "real", exact: false),
    BuiltinType("float8", 701, 1022, "double precision", exact: false),
    BuiltinType("bpchar", 1042, 1014, "bpchar", exact: false),
    BuiltinType("varchar", 1043, 1015, "character varying"),
    BuiltinType("date", 1082, 1182, "date"),
    BuiltinType("time", 1083, 1183, "time without time zone"),
    BuiltinType("timestamp", 1114, 1115, "timestamp without time zone"),
    BuiltinType("timestamptz", 1184, 1185, "timestamp with time zone"),
    BuiltinType("interval", 1186, 1187, "interval", isKey: false, exact: false),
    BuiltinType("timetz", 1266, 1270, "time with time zone", isKey: false),
    BuiltinType("numeric", 1700, 1231, "numeric", exact: false),
    BuiltinType("uuid", 2950, 2951, "uuid"),
    BuiltinType("jsonb", 3802, 3807, "jsonb", isKey: false, exact: false),
  ]

  private static let byName = Dictionary(uniqueKeysWithValues: all.map { ($0.name, $0) })
  private static let byOID = Dictionary(uniqueKeysWithValues: all.map { ($0.oid, $0) })

  /// The OID of `text`, the carrier of every value that has no shared binary form.
  package static let textOID: UInt32 = 25

  /// The type of that name in `pg_type`, if it is one of these.
  package static func named(_ name: String) -> BuiltinType? { byName[name] }

  package static func of(_ oid: UInt32) -> BuiltinType? { byOID[oid] }

  /// The array type over an element type of this table, such as 1016 for 20; `nil` for any other OID.
  package static func arrayOID(of element: UInt32) -> UInt32? { byOID[element]?.arrayOID }
}
