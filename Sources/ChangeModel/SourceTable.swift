/// A table's schema and name, as stored in the catalog (unquoted, case kept). A DynamoDB table has no schema: an empty one.
package struct TableName: Hashable, Comparable, Sendable, CustomStringConvertible {
  package var schema: String
  package var name: String

  package init(_ schema: String, _ name: String) {
    self.schema = schema
    self.name = name
  }

  /// `schema.name`, unquoted, or the name alone: for people and for the state tables.
  package var description: String { schema.isEmpty ? name : "\(schema).\(name)" }

  package static func < (a: TableName, b: TableName) -> Bool {
    a.schema == b.schema ? a.name < b.name : a.schema < b.schema
  }
}

/// One column of a source table, from `pg_attribute` and `pg_type`.
package struct SourceColumn: Hashable, Sendable {
  /// PostgreSQL's `typtype`, with arrays set apart.
  package enum TypeKind: String, Hashable, Sendable {
    case base, array, `enum`, composite, domain, range, multirange, pseudo
  }

  package var name: String
  /// `attnum`: stable when a column is renamed.
  package var number: Int
  package var typeOID: UInt32
  /// The type's own name in `pg_type`, such as `int4`, `numeric`, `_text`, `mood`.
  package var typeName: String
  /// The schema of the type: `pg_catalog` for built-in ones.
  package var typeSchema: String
  package var kind: TypeKind
  /// `atttypmod`; -1 when the type has no modifier.
  package var modifier: Int32
  /// `format_type`: the SQL spelling, such as `numeric(12,2)`.
  package var formattedType: String
  /// For a domain, the base type's OID, name and modifier at the bottom of the chain; else the type's own.
  package var baseTypeOID: UInt32
  package var baseTypeName: String
  package var baseModifier: Int32
  package var baseFormattedType: String
  package var baseKind: TypeKind
  /// For an array (or a domain over one), the element type's name, its base type's if it is a domain; else empty.
  package var elementTypeName: String
  /// For an array, the byte between its elements (`typdelim`): a comma, but a semicolon for `box`.
  package var elementDelimiter: UInt8
  /// Whether its collation calls texts equal that differ (`deterministic = false`).
  package var comparesLoosely: Bool
  package var isNotNull: Bool
  /// The column's default expression as SQL, if any.
  package var defaultExpression: String?
  /// Whether it was added with a value for the rows that were there (`atthasmissing`), and not all are rewritten since.
  package var wasAddedWithValue = false
  /// `GENERATED ALWAYS AS (…) STORED`.
  package var isGenerated: Bool
  /// `GENERATED … AS IDENTITY`.
  package var isIdentity: Bool

  package init(
    name: String, number: Int, typeOID: UInt32, typeName: String, typeSchema: String = "pg_catalog",
    kind: TypeKind = .base, modifier: Int32 = -1, formattedType: String, baseTypeOID: UInt32? = nil,
    baseTypeName: String? = nil, baseModifier: Int32? = nil, baseFormattedType: String? = nil,
    baseKind: TypeKind? = nil, elementTypeName: String = "", elementDelimiter: UInt8 = 0x2C,
    comparesLoosely: Bool = false, isNotNull: Bool = false,
    defaultExpression: String? = nil, isGenerated: Bool = false, isIdentity: Bool = false
  ) {
    self.name = name
    self.number = number
    self.typeOID = typeOID
    self.typeName = typeName
    self.typeSchema = typeSchema
    self.kind = kind
    self.modifier = modifier
    self.formattedType = formattedType
    self.baseTypeOID = baseTypeOID ?? typeOID
    self.baseTypeName = baseTypeName ?? typeName
    self.baseModifier = baseModifier ?? modifier
    self.baseFormattedType = baseFormattedType ?? formattedType
    self.baseKind = baseKind ?? kind
    self.elementTypeName = elementTypeName
    self.elementDelimiter = elementDelimiter
    self.comparesLoosely = comparesLoosely
    self.isNotNull = isNotNull
    self.defaultExpression = defaultExpression
    self.isGenerated = isGenerated
    self.isIdentity = isIdentity
  }
}

/// An index of a source table, from `pg_index`.
package struct SourceIndex: Hashable, Sendable {
  package var name: String
  package var isUnique: Bool
  package var isPrimary: Bool
  /// `NULLS NOT DISTINCT` (PostgreSQL 15).
  package var nullsNotDistinct: Bool
  /// Key columns by name in index order; `nil` where the key is an expression.
  package var columns: [String?]
  package var included: [String]
  /// The key parts as `pg_get_indexdef` writes them, without order or operator class.
  package var keyDefinitions: [String]
  /// The predicate of a partial index as SQL.
  package var predicate: String?
  /// The access method, such as `btree`.
  package var method: String
  /// By key part, what follows it in a definition: a non-default operator class, `DESC`, `NULLS FIRST`; or empty.
  package var keyOptions: [String]
  /// The first operator class or access method that an extension or a user made, such as `gin_trgm_ops`.
  package var foreignPart: String?
  /// Whether uniqueness is checked by each statement; `false` for a deferrable constraint.
  package var isImmediate: Bool
  /// `indisvalid`: `false` after a concurrent build that failed.
  package var isValid: Bool

  package init(
    name: String, isUnique: Bool = false, isPrimary: Bool = false, nullsNotDistinct: Bool = false,
    columns: [String?], included: [String] = [], keyDefinitions: [String]? = nil, predicate: String? = nil,
    method: String = "btree", keyOptions: [String]? = nil, foreignPart: String? = nil, isImmediate: Bool = true,
    isValid: Bool = true
  ) {
    self.name = name
    self.isUnique = isUnique
    self.isPrimary = isPrimary
    self.nullsNotDistinct = nullsNotDistinct
    self.columns = columns
    self.included = included
    self.keyDefinitions = keyDefinitions ?? columns.map { $0 ?? "" }
    self.predicate = predicate
    self.method = method
    self.keyOptions = keyOptions ?? columns.map { _ in "" }
    self.foreignPart = foreignPart
    self.isImmediate = isImmediate
    self.isValid = isValid
  }
}

/// What the source writes to its log to name the old row of an UPDATE or DELETE (`relreplident`).
package enum ReplicaIdentity: Hashable, Sendable {
  case primaryKey, nothing, full
  /// A unique index's columns, by index name.
  case index(String)
}

/// One physical heap of a table: the table itself, or a leaf partition.
package struct SourceHeap: Hashable, Sendable {
  package var oid: UInt32
  package var name: TableName
  /// `pg_relation_size / block size`, measured at planning time.
  package var pages: UInt64
  /// Heap plus TOAST, in bytes.
  package var bytes: UInt64
  /// The server's estimate of rows; negative when it has none.
  package var estimatedRows: Double
  /// `pg_relation_filenode`: changes when the heap is rewritten, which makes old ctid ranges meaningless.
  package var filenode: UInt32

  package init(
    oid: UInt32, name: TableName, pages: UInt64, bytes: UInt64, estimatedRows: Double, filenode: UInt32
  ) {
    self.oid = oid
    self.name = name
    self.pages = pages
    self.bytes = bytes
    self.estimatedRows = estimatedRows
    self.filenode = filenode
  }

  /// Whether its rows are 64 KiB or more on average. Without an estimate a page counts as one row.
  package var hasWideRows: Bool {
    let rows = estimatedRows > 0 ? estimatedRows : Double(max(1, pages))
    return Double(bytes) / rows >= 65536
  }
}

/// Something of a source table that no target gets.
package struct UncopiedPart: Hashable, Sendable {
  package enum Kind: String, Hashable, Sendable, CaseIterable {
    case foreignKey = "foreign key"
    case check = "check constraint"
    case exclusion = "exclusion constraint"
    case trigger
    case rule
    case policy = "row security policy"
  }

  package var kind: Kind
  package var name: String

  package init(kind: Kind, name: String) {
    self.kind = kind
    self.name = name
  }
}

/// A table to replicate, as the source's catalog describes it.
package struct SourceTable: Hashable, Sendable {
  package enum Kind: String, Hashable, Sendable { case ordinary, partitioned, foreign, view, other }

  package var oid: UInt32
  package var name: TableName
  package var kind: Kind
  package var isUnlogged: Bool
  package var columns: [SourceColumn]
  package var indexes: [SourceIndex]
  package var replicaIdentity: ReplicaIdentity
  /// The heaps that hold its rows: one for an ordinary table, the leaves of a partitioned one.
  package var heaps: [SourceHeap]
  /// Constraints, triggers and the like, which stay behind.
  package var uncopied: [UncopiedPart]

  package init(
    oid: UInt32, name: TableName, kind: Kind = .ordinary, isUnlogged: Bool = false, columns: [SourceColumn],
    indexes: [SourceIndex] = [], replicaIdentity: ReplicaIdentity = .primaryKey, heaps: [SourceHeap] = [],
    uncopied: [UncopiedPart] = []
  ) {
    self.oid = oid
    self.name = name
    self.kind = kind
    self.isUnlogged = isUnlogged
    self.columns = columns
    self.indexes = indexes
    self.replicaIdentity = replicaIdentity
    self.heaps = heaps
    self.uncopied = uncopied
  }

  package var primaryKey: SourceIndex? { indexes.first(where: \.isPrimary) }

  /// The columns that name a row in the change stream, or `nil` when the table has no key at all.
  ///
  /// With `REPLICA IDENTITY FULL` the primary key serves if there is one, as the old row holds it.
  package var identityColumns: [String]? {
    switch replicaIdentity {
    case .primaryKey, .full, .nothing: primaryKey?.columns.compactMap(\.self)
    case .index(let name): indexes.first { $0.name == name }?.columns.compactMap(\.self)
    }
  }

  /// Whether rows are so large on average that only few should be in memory at a time.
  package var hasWideRows: Bool { heaps.contains(where: \.hasWideRows) }

  package var totalBytes: UInt64 { heaps.reduce(0) { $0 + $1.bytes } }
  package var estimatedRows: Double { heaps.reduce(0) { $0 + max(0, $1.estimatedRows) } }
}
