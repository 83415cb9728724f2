import Foundation
import PenstockTestKit

/// A table as the random writer needs to know it, read from the source's catalog.
struct ZooTable: Decodable, Sendable {
  /// Qualified and quoted for SQL, as all names here.
  var name: String
  var columns: [Column]
  var references: [Reference]
  /// Whether another table refers to it, so that it can't be emptied alone.
  var isReferenced: Bool
  /// Whether `ON CONFLICT DO NOTHING` is refused, since a constraint is looked at later.
  var isDeferrable: Bool
  /// Whether it has triggers, which may name its columns.
  var hasTriggers: Bool

  struct Column: Decodable, Sendable {
    var name: String
    /// The declared type.
    var type: String
    /// The type below all domains, such as `character varying(20)`.
    var base: String
    var isEnum: Bool
    /// Whether the type is built in, or an array of one that is.
    var isBuiltIn: Bool
    var isNotNull: Bool
    var isGenerated: Bool
    var isAlwaysIdentity: Bool
    var hasDefault: Bool
    var isKey: Bool
    /// Whether a unique index or constraint takes part of its value from the column.
    var isUnique: Bool
    var isIndexed: Bool
    /// Whether a check, an exclusion or a partition's bounds may refuse a value made up for it.
    var isBound: Bool
    /// Whether nothing depends on the column but its default.
    var isFree: Bool
  }

  struct Reference: Decodable, Sendable {
    var columns: [String]
    var parent: String
    var parentColumns: [String]
  }

  /// Columns whose values can be given.
  var writable: [Column] { columns.filter { !$0.isGenerated } }

  /// The reference that a column is part of; the first if there are several.
  func reference(of column: Column) -> Int? { references.firstIndex { $0.columns.contains(column.name) } }

  /// All tables but partitions, ordered by name.
  static func all(in database: TestDatabase) throws -> [ZooTable] {
    try JSONDecoder().decode([ZooTable].self, from: Data(database.run(query).utf8))
  }

  private static let query = """
    WITH RECURSIVE base AS (
      SELECT oid AS type, oid AS base, -1 AS modifier, false AS checked FROM pg_type
      UNION ALL
      SELECT b.type, t.typbasetype, t.typtypmod,
        b.checked OR t.typnotnull OR EXISTS (SELECT FROM pg_constraint k WHERE k.contypid = t.oid)
      FROM base b JOIN pg_type t ON t.oid = b.base WHERE t.typtype = 'd'
    ), indexed AS (
      SELECT i.indrelid AS relation, a.attnum, bool_or(i.indisprimary) AS primary, bool_or(i.indisunique) AS unique,
        bool_or(i.indisexclusion) AS exclusion
      FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid
      WHERE a.attnum = ANY (i.indkey) OR EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass
        AND d.objid = i.indexrelid AND d.refobjid = i.indrelid AND d.refobjsubid = a.attnum)
      GROUP BY 1, 2
    ), columns AS (
      SELECT a.attrelid, json_agg(json_build_object('name', quote_ident(a.attname),
        'type', format_type(a.atttypid, a.atttypmod),
        'base', format_type(b.base, CASE WHEN b.base = a.atttypid THEN a.atttypmod ELSE b.modifier END),
        'isEnum', t.typtype = 'e', 'isBuiltIn', b.base < 16384, 'isNotNull', a.attnotnull,
        'isGenerated', a.attgenerated <> '', 'isAlwaysIdentity', a.attidentity = 'a',
        'hasDefault', a.atthasdef OR a.attidentity <> '', 'isKey', coalesce(x.primary, false),
        'isUnique', coalesce(x.unique, false), 'isIndexed', x.attnum IS NOT NULL,
        'isBound', b.checked OR coalesce(x.exclusion, false)
          OR EXISTS (SELECT FROM pg_constraint k WHERE k.conrelid = a.attrelid AND k.contype = 'c' AND a.attnum = ANY (k.conkey))
          OR EXISTS (SELECT FROM pg_inherits i JOIN pg_partitioned_table p ON p.partrelid IN (i.inhrelid, i.inhparent)
            JOIN pg_attribute q ON q.attrelid = p.partrelid AND q.attnum = ANY (p.partattrs)
            WHERE a.attrelid IN (SELECT relid FROM pg_partition_ancestors(i.inhrelid)) AND q.attname = a.attname),
        'isFree', NOT EXISTS (SELECT FROM pg_depend d LEFT JOIN pg_attrdef f ON d.classid = 'pg_attrdef'::regclass AND f.oid = d.objid
          WHERE d.refclassid = 'pg_class'::regclass AND d.refobjid = a.attrelid AND d.refobjsubid = a.attnum
          AND (f.adnum IS NULL OR f.adnum <> a.attnum OR a.attgenerated <> ''))
        ) ORDER BY a.attnum) AS list
      FROM pg_attribute a
      JOIN LATERAL (SELECT * FROM base WHERE type = a.atttypid ORDER BY (SELECT typtype = 'd' FROM pg_type WHERE oid = base.base) LIMIT 1) b ON true
      JOIN pg_type t ON t.oid = b.base
      LEFT JOIN indexed x ON x.relation = a.attrelid AND x.attnum = a.attnum
      WHERE a.attnum > 0 AND NOT a.attisdropped
      GROUP BY 1
    )
    SELECT coalesce(json_agg(json_build_object('name', c.oid::regclass::text, 'columns', l.list,
      'references', coalesce((SELECT json_agg(json_build_object('parent', k.confrelid::regclass::text,
          'columns', (SELECT json_agg(quote_ident(a.attname) ORDER BY n) FROM unnest(k.conkey) WITH ORDINALITY u(m, n)
            JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = u.m),
          'parentColumns', (SELECT json_agg(quote_ident(a.attname) ORDER BY n) FROM unnest(k.confkey) WITH ORDINALITY u(m, n)
            JOIN pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = u.m)) ORDER BY k.conname)
        FROM pg_constraint k WHERE k.conrelid = c.oid AND k.contype = 'f' AND k.conparentid = 0), '[]'),
      'isReferenced', EXISTS (SELECT FROM pg_constraint k WHERE k.confrelid = c.oid),
      'hasTriggers', EXISTS (SELECT FROM pg_trigger g WHERE g.tgrelid = c.oid AND NOT g.tgisinternal),
      'isDeferrable', EXISTS (SELECT FROM pg_constraint k WHERE k.conrelid = c.oid AND k.contype IN ('u', 'x') AND k.condeferrable)
    ) ORDER BY c.oid::regclass::text), '[]')
    FROM pg_class c JOIN columns l ON l.attrelid = c.oid
    WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition
    AND c.relnamespace::regnamespace::text NOT IN ('pg_catalog', 'information_schema');
    """
}
