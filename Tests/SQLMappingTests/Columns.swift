import ChangeModel
import SQLMapping

/// Type names of `pg_type` with their OIDs and SQL spellings, for the types that tests name.
private let catalog: [String: (oid: UInt32, spelling: String)] = [
  "bool": (16, "boolean"), "bytea": (17, "bytea"), "char": (18, "\"char\""), "name": (19, "name"),
  "int8": (20, "bigint"), "int2": (21, "smallint"), "int2vector": (22, "int2vector"), "int4": (23, "integer"),
  "text": (25, "text"), "oid": (26, "oid"), "json": (114, "json"), "xml": (142, "xml"), "point": (600, "point"),
  "box": (603, "box"), "circle": (718, "circle"), "float4": (700, "real"), "float8": (701, "double precision"),
  "money": (790, "money"), "macaddr": (829, "macaddr"), "inet": (869, "inet"), "cidr": (650, "cidr"),
  "macaddr8": (774, "macaddr8"), "bpchar": (1042, "bpchar"), "varchar": (1043, "character varying"),
  "date": (1082, "date"), "time": (1083, "time without time zone"),
  "timestamp": (1114, "timestamp without time zone"), "timestamptz": (1184, "timestamp with time zone"),
  "interval": (1186, "interval"), "timetz": (1266, "time with time zone"), "bit": (1560, "\"bit\""),
  "varbit": (1562, "bit varying"), "numeric": (1700, "numeric"), "uuid": (2950, "uuid"), "pg_lsn": (3220, "pg_lsn"),
  "tsvector": (3614, "tsvector"), "tsquery": (3615, "tsquery"), "jsonb": (3802, "jsonb"),
  "jsonpath": (4072, "jsonpath"), "regclass": (2205, "regclass"),
]

/// A column of a built-in type; `modifier` is `atttypmod`, `spelling` what `format_type` gives.
func column(
  _ name: String, _ type: String, modifier: Int32 = -1, spelling: String? = nil, notNull: Bool = false,
  number: Int = 1, generated: String? = nil
) -> SourceColumn {
  let known = catalog[type]!
  return SourceColumn(
    name: name, number: number, typeOID: known.oid, typeName: type, modifier: modifier,
    formattedType: spelling ?? known.spelling, isNotNull: notNull, defaultExpression: generated,
    isGenerated: generated != nil)
}

/// An array column over a built-in type.
func arrayColumn(_ name: String, of element: String, delimiter: UInt8 = 0x2C) -> SourceColumn {
  let known = catalog[element]!
  let oid = BuiltinType.arrayOID(of: known.oid) ?? 1020
  return SourceColumn(
    name: name, number: 1, typeOID: oid, typeName: "_" + element, kind: .array,
    formattedType: known.spelling + "[]", elementTypeName: element, elementDelimiter: delimiter)
}

/// A column of a type that someone made.
func userColumn(
  _ name: String, _ kind: SourceColumn.TypeKind, base: SourceColumn? = nil, type: String = "mood",
  element: String = ""
) -> SourceColumn {
  SourceColumn(
    name: name, number: 1, typeOID: 16_500, typeName: type, typeSchema: "public", kind: kind,
    formattedType: "public.\(type)", baseTypeOID: base?.typeOID, baseTypeName: base?.typeName,
    baseModifier: base?.modifier, baseFormattedType: base?.formattedType, baseKind: base?.kind,
    elementTypeName: base?.elementTypeName ?? element)
}

/// `numeric(p,s)`.
func numericColumn(_ name: String, _ precision: Int32, _ scale: Int32) -> SourceColumn {
  column(
    name, "numeric", modifier: (precision << 16 | scale & 0x7FF) + 4, spelling: "numeric(\(precision),\(scale))")
}

/// An ordinary table in `public`; the first `keys` columns are its primary key.
func table(
  _ name: String, _ columns: [SourceColumn], keys: Int = 1, indexes: [SourceIndex] = [],
  identity: ReplicaIdentity = .primaryKey
) -> SourceTable {
  var numbered = columns
  for index in numbered.indices { numbered[index].number = index + 1 }
  let primary =
    keys == 0
    ? []
    : [SourceIndex(name: name + "_pkey", isUnique: true, isPrimary: true, columns: columns.prefix(keys).map(\.name))]
  return SourceTable(
    oid: 1, name: TableName("public", name), columns: numbered, indexes: primary + indexes, replicaIdentity: identity)
}
