import ChangeModel
import Postgres

/// The queries behind `SourceCatalog`, each for all tables at once and keyed by the table's OID.
enum CatalogQueries {
  // MARK: Columns

  static func columns(_ connection: Connection, _ oids: String) throws(Failure) -> [UInt32: [SourceColumn]] {
    var columns: [UInt32: [SourceColumn]] = [:]
    for fields in try connection.query(columnsQuery(connection.serverVersion), [oids]).values {
      var row = CatalogRow(fields)
      let table = try row.number(UInt32.self)
      columns[table, default: []].append(try column(&row))
    }
    return columns
  }

  private static func column(_ row: inout CatalogRow) throws(Failure) -> SourceColumn {
    var column = SourceColumn(
      name: row.text(), number: try row.number(), typeOID: try row.number(), typeName: row.text(),
      typeSchema: row.text(), kind: kind(row.text()), modifier: try row.number(), formattedType: row.text())
    column.baseTypeOID = try row.number()
    column.baseTypeName = row.text()
    column.baseModifier = try row.number()
    column.baseFormattedType = row.text()
    column.baseKind = kind(row.text())
    column.elementTypeName = row.text()
    column.elementDelimiter = row.text().utf8.first ?? UInt8(ascii: ",")
    column.comparesLoosely = row.flag()
    column.isNotNull = row.flag()
    column.defaultExpression = row.optional()
    column.isGenerated = row.flag()
    column.isIdentity = row.flag()
    column.wasAddedWithValue = row.flag()
    return column
  }

  private static func kind(_ letter: String) -> SourceColumn.TypeKind {
    switch letter {
    case "a": .array
    case "e": .enum
    case "c": .composite
    case "d": .domain
    case "r": .range
    case "m": .multirange
    case "p": .pseudo
    default: .base
    }
  }

  /// `bottom` gives the type under each chain of domains, with the modifier of the innermost one. A type is an array
  /// when its element type names it as its array type, which leaves out `int2vector` and its like.
  static func columnsQuery(_ serverVersion: Int) -> String {
    // From 18 on a NOT NULL may be not validated, and old rows may still hold NULLs.
    let notNull =
      serverVersion >= 180_000
      ? """
      a.attnotnull AND NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conrelid = a.attrelid AND k.contype = 'n'
        AND k.conkey[1] = a.attnum AND NOT k.convalidated)
      """ : "a.attnotnull"
    return """
      WITH RECURSIVE chain(oid, base, modifier) AS (
        SELECT oid, typbasetype, typtypmod FROM pg_type WHERE typtype = 'd'
        UNION ALL
        SELECT chain.oid, t.typbasetype, t.typtypmod FROM chain JOIN pg_type t ON t.oid = chain.base
        WHERE t.typtype = 'd'
      ), bottom AS (
        SELECT chain.* FROM chain JOIN pg_type t ON t.oid = chain.base WHERE t.typtype <> 'd'
      )
      SELECT a.attrelid::int8, a.attname, a.attnum, t.oid::int8, t.typname, n.nspname,
        CASE WHEN te.oid IS NULL THEN t.typtype ELSE 'a' END, a.atttypmod, format_type(t.oid, a.atttypmod),
        b.oid::int8, b.typname, coalesce(bottom.modifier, a.atttypmod),
        format_type(b.oid, coalesce(bottom.modifier, a.atttypmod)),
        CASE WHEN be.oid IS NULL THEN b.typtype ELSE 'a' END, eb.typname, be.typdelim,
        NOT coalesce(l.collisdeterministic, true), \(notNull),
        pg_get_expr(d.adbin, d.adrelid), a.attgenerated <> '', a.attidentity <> '', a.atthasmissing
      FROM pg_attribute a
      JOIN pg_type t ON t.oid = a.atttypid
      JOIN pg_namespace n ON n.oid = t.typnamespace
      LEFT JOIN pg_type te ON te.oid = t.typelem AND te.typarray = t.oid
      LEFT JOIN bottom ON bottom.oid = t.oid
      JOIN pg_type b ON b.oid = coalesce(bottom.base, t.oid)
      LEFT JOIN pg_type be ON be.oid = b.typelem AND be.typarray = b.oid
      LEFT JOIN bottom element ON element.oid = be.oid
      LEFT JOIN pg_type eb ON eb.oid = coalesce(element.base, be.oid)
      LEFT JOIN pg_collation l ON l.oid = a.attcollation
      LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
      WHERE a.attrelid = ANY ($1::oid[]) AND a.attnum > 0 AND NOT a.attisdropped
      ORDER BY a.attrelid, a.attnum
      """
  }

  // MARK: Indexes

  static func indexes(_ connection: Connection, _ oids: String) throws(Failure) -> [UInt32: [SourceIndex]] {
    var indexes: [UInt32: [SourceIndex]] = [:]
    for fields in try connection.query(indexesQuery(connection.serverVersion), [oids]).values {
      var row = CatalogRow(fields)
      let table = try row.number(UInt32.self)
      let name = row.text()
      if indexes[table]?.last?.name != name {
        var index = SourceIndex(name: name, columns: [])
        index.isUnique = row.flag()
        index.isPrimary = row.flag()
        index.nullsNotDistinct = row.flag()
        index.isImmediate = row.flag()
        index.isValid = row.flag()
        index.method = row.text()
        index.predicate = row.optional()
        index.foreignPart = row.optional()
        indexes[table, default: []].append(index)
      } else {
        for _ in 0..<8 { _ = row.optional() }
      }
      addPart(&row, to: &indexes[table]![indexes[table]!.count - 1])
    }
    return indexes
  }

  private static func addPart(_ row: inout CatalogRow, to index: inout SourceIndex) {
    let isKey = row.flag()
    let column = row.optional()
    let definition = row.text()
    let options = row.text()
    let foreignPart = row.optional()
    guard isKey else {
      if let column { index.included.append(column) }
      return
    }
    index.columns.append(column)
    index.keyDefinitions.append(definition)
    index.keyOptions.append(options)
    if index.foreignPart == nil { index.foreignPart = foreignPart }
  }

  /// One row per index column. OIDs from 16384 on are of things that someone made; an operator class of an extension
  /// matters only over a built-in type, since a target without the extension has no other either.
  static func indexesQuery(_ serverVersion: Int) -> String {
    """
    SELECT i.indrelid::int8, c.relname, i.indisunique, i.indisprimary,
      \(serverVersion >= 150_000 ? "i.indnullsnotdistinct" : "false"), i.indimmediate, i.indisvalid, am.amname,
      pg_get_expr(i.indpred, i.indrelid),
      CASE WHEN am.oid >= 16384 THEN 'access method ' || am.amname END,
      k.n <= i.indnkeyatts, a.attname, pg_get_indexdef(i.indexrelid, k.n::int, false),
      concat_ws(' ', CASE WHEN NOT o.opcdefault THEN quote_ident(o.opcname) END,
        CASE i.indoption[k.n - 1] & 3 WHEN 1 THEN 'DESC NULLS LAST' WHEN 2 THEN 'NULLS FIRST' WHEN 3 THEN 'DESC' END),
      CASE WHEN o.oid >= 16384 AND o.opcintype < 16384 THEN 'operator class ' || o.opcname END
    FROM pg_index i
    JOIN pg_class c ON c.oid = i.indexrelid
    JOIN pg_am am ON am.oid = c.relam
    CROSS JOIN LATERAL generate_series(1, i.indnatts) AS k(n)
    LEFT JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[k.n - 1] AND a.attnum > 0
    LEFT JOIN pg_opclass o ON o.oid = CASE WHEN k.n <= i.indnkeyatts THEN i.indclass[k.n - 1] END
    WHERE i.indrelid = ANY ($1::oid[]) AND i.indislive
    ORDER BY i.indrelid, i.indisprimary DESC, c.relname, k.n
    """
  }

  // MARK: Heaps and what stays behind

  static func heaps(
    _ connection: Connection, _ oids: String
  ) throws(Failure) -> [UInt32: [(heap: SourceHeap, isForeign: Bool, isUnlogged: Bool)]] {
    var heaps: [UInt32: [(heap: SourceHeap, isForeign: Bool, isUnlogged: Bool)]] = [:]
    // Before 14 a table never analysed says 0 rows, as an empty one does.
    let rows = connection.isAtLeast(14) ? "c.reltuples" : "CASE WHEN c.relpages = 0 THEN -1 ELSE c.reltuples END"
    let query = """
      SELECT root.oid::int8, c.oid::int8, n.nspname, c.relname,
        coalesce(pg_relation_size(c.oid), 0) / current_setting('block_size')::int8,
        coalesce(pg_table_size(c.oid), 0), \(rows), coalesce(pg_relation_filenode(c.oid), 0)::int8,
        c.relkind = 'f', c.relpersistence = 'u'
      FROM unnest($1::oid[]) AS root(oid)
      CROSS JOIN LATERAL (
        SELECT root.oid AS leaf WHERE (SELECT relkind FROM pg_class WHERE oid = root.oid) <> 'p'
        UNION ALL
        SELECT relid::oid FROM pg_partition_tree(root.oid) WHERE isleaf AND relid <> root.oid
      ) AS leaves
      JOIN pg_class c ON c.oid = leaves.leaf JOIN pg_namespace n ON n.oid = c.relnamespace
      WHERE c.relkind <> 'p'
      ORDER BY 1, 3, 4
      """
    for fields in try connection.query(query, [oids]).values {
      var row = CatalogRow(fields)
      let root = try row.number(UInt32.self)
      let heap = SourceHeap(
        oid: try row.number(), name: TableName(row.text(), row.text()), pages: try row.number(),
        bytes: try row.number(), estimatedRows: row.real(), filenode: try row.number())
      heaps[root, default: []].append((heap, row.flag(), row.flag()))
    }
    return heaps
  }

  static func uncopied(_ connection: Connection, _ oids: String) throws(Failure) -> [UInt32: [UncopiedPart]] {
    let query = """
      SELECT conrelid::int8, CASE contype WHEN 'f' THEN 'foreign key' WHEN 'c' THEN 'check constraint'
        ELSE 'exclusion constraint' END, conname
      FROM pg_constraint WHERE conrelid = ANY ($1::oid[]) AND contype IN ('f', 'c', 'x')
      UNION ALL
      SELECT tgrelid::int8, 'trigger', tgname FROM pg_trigger WHERE tgrelid = ANY ($1::oid[]) AND NOT tgisinternal
      UNION ALL
      SELECT ev_class::int8, 'rule', rulename FROM pg_rewrite WHERE ev_class = ANY ($1::oid[])
      UNION ALL
      SELECT polrelid::int8, 'row security policy', polname FROM pg_policy WHERE polrelid = ANY ($1::oid[])
      ORDER BY 1, 2, 3
      """
    var parts: [UInt32: [UncopiedPart]] = [:]
    for fields in try connection.query(query, [oids]).values {
      var row = CatalogRow(fields)
      let table = try row.number(UInt32.self)
      guard let kind = UncopiedPart.Kind(rawValue: row.text()) else { continue }
      parts[table, default: []].append(UncopiedPart(kind: kind, name: row.text()))
    }
    return parts
  }
}
