import ChangeModel
import SQLMapping

extension SourceCheck {
  static func tables(_ facts: SourceFacts, _ request: CheckRequest) -> [Finding] {
    var found: [Finding] = []
    if facts.catalog.tables.isEmpty {
      found.append(
        Finding(
          .tablesNone, .error, "source.tables", "no table of database \(facts.database) is selected",
          fix: "Name tables as schema.table, with * for any part of a name; names are case-sensitive."))
    }
    for other in facts.catalog.others { found.append(kind(other, facts)) }
    for table in facts.catalog.tables {
      found += access(table, facts)
      if request.followsChanges {
        found += identity(table)
        found += changes(table, facts)
      }
      found += partitions(table, facts, request)
      found += remarks(table)
    }
    return found
  }

  private static func kind(_ other: SourceTable, _ facts: SourceFacts) -> Finding {
    let isPartition = facts.catalog.foreignPartitions.contains(other.name)
    let what = other.kind == .view ? "view" : "foreign table"
    return Finding(
      .tableKind, isPartition ? .error : .warning, other.name.description,
      isPartition
        ? "it is a foreign table and a partition of a selected table; its rows and changes can't be read"
        : "it is a \(what), which has no changes of its own and is not copied",
      fix: isPartition
        ? "Detach it, or leave the partitioned table out with exclude-tables."
        : "Add it to exclude-tables to silence this.")
  }

  private static func access(_ table: SourceTable, _ facts: SourceFacts) -> [Finding] {
    var found: [Finding] = []
    var schemas: Set<String> = []
    let role = quotedIdentifier(facts.user)
    for oid in Set([table.oid] + table.heaps.map(\.oid)).sorted() {
      guard let relation = facts.relations[oid] else { continue }
      if !relation.canUseSchema, schemas.insert(relation.name.schema).inserted {
        found.append(
          Finding(
            .tablePrivilege, .error, relation.name.description,
            "role \(facts.user) may not use schema \(relation.name.schema)",
            fix: "GRANT USAGE ON SCHEMA \(quotedIdentifier(relation.name.schema)) TO \(role);"))
      }
      if !relation.canSelect {
        found.append(
          Finding(
            .tablePrivilege, .error, relation.name.description, "role \(facts.user) may not read it",
            fix: "GRANT SELECT ON \(relation.name.quoted) TO \(role);"))
      }
      if relation.hidesRows {
        found.append(
          Finding(
            .tableRowSecurity, .error, relation.name.description,
            "row-level security hides rows of it from role \(facts.user)",
            fix: "ALTER ROLE \(role) BYPASSRLS;"))
      }
    }
    return found
  }

  private static func identity(_ table: SourceTable) -> [Finding] {
    let subject = table.name.description
    switch table.replicaIdentity {
    case .nothing:
      return [
        Finding(
          .tableIdentity, .error, subject, "its replica identity is NOTHING, so updates and deletes name no row",
          fix: identityFix(for: table))
      ]
    case .index(let name) where table.identityColumns?.isEmpty ?? true:
      return [
        Finding(
          .tableIdentity, .error, subject, "its replica identity is index \(name), which is gone",
          fix: identityFix(for: table))
      ]
    case .primaryKey where table.primaryKey == nil:
      return [
        Finding(
          .tableIdentity, .error, subject,
          "it has no primary key and no other replica identity, so updates and deletes name no row",
          fix: identityFix(for: table))
      ]
    case .full where table.primaryKey == nil && table.uniqueIndexWithoutNulls == nil:
      return [
        Finding(
          .tableFullIdentity, .warning, subject,
          "it has no key at all: every update and delete searches the whole target table",
          fix: "Add a primary key if the table is large.")
      ]
    case .full:
      return [
        Finding(
          .tableFullIdentity, .info, subject,
          "its replica identity is FULL: the source logs every old row whole, although the key would do")
      ]
    case .primaryKey, .index: return []
    }
  }

  private static func changes(_ table: SourceTable, _ facts: SourceFacts) -> [Finding] {
    var found: [Finding] = []
    if table.isUnlogged {
      found.append(
        Finding(
          .tableUnlogged, .error, table.name.description,
          "it or a partition of it is unlogged: its changes are not in the log",
          fix: "ALTER TABLE \(table.name.quoted) SET LOGGED; or leave it out with exclude-tables."))
    }
    if let relation = facts.relations[table.oid], relation.childCount > 0 {
      found.append(
        Finding(
          .tableInheritance, .warning, table.name.description,
          "\(relation.childCount) tables inherit from it; their rows are not its own and are copied only if they are "
            + "selected too"))
    }
    return found
  }

  private static func partitions(_ table: SourceTable, _ facts: SourceFacts, _ request: CheckRequest) -> [Finding] {
    guard table.kind == .partitioned else { return [] }
    let subject = table.name.description
    var found = [
      Finding(
        .tablePartitioned, .info, subject,
        "its \(table.heaps.count) partitions become one table of the target; the server does not publish a TRUNCATE of "
          + "a single one, nor that one is detached")
    ]
    guard request.followsChanges, let root = facts.relations[table.oid] else { return found }
    if facts.serverVersion < 130_000 {
      found = [
        Finding(
          .tablePartitioned, .warning, subject,
          "PostgreSQL 12 publishes its \(table.heaps.count) partitions one by one; one that is made later is not followed",
          fix: "Add no partition while Penstock runs, or upgrade the source to 13.")
      ]
    }
    for heap in table.heaps {
      guard let leaf = facts.relations[heap.oid], leaf.identity != root.identity else { continue }
      found.append(
        Finding(
          .partitionIdentity, .error, heap.name.description,
          "its replica identity is not that of \(table.name), under whose name its changes come",
          fix:
            "Give the partition the same: ALTER TABLE \(heap.name.quoted) REPLICA IDENTITY \(form(table.replicaIdentity));"
        ))
    }
    return found
  }

  private static func form(_ identity: ReplicaIdentity) -> String {
    switch identity {
    case .primaryKey: "DEFAULT"
    case .nothing: "NOTHING"
    case .full: "FULL"
    case .index: "USING INDEX the partition's own index of those columns"
    }
  }

  private static func remarks(_ table: SourceTable) -> [Finding] {
    var found: [Finding] = []
    let subject = table.name.description
    let generated = table.columns.filter(\.isGenerated).map(\.name)
    if !generated.isEmpty {
      found.append(
        Finding(
          .tableGenerated, .info, subject,
          "not copied, since the source does not publish generated columns: \(list(generated)); penstock plan shows "
            + "which of them the target computes"))
    }
    let identity = table.columns.filter(\.isIdentity).map(\.name)
    if !identity.isEmpty {
      found.append(
        Finding(
          .tableIdentityColumn, .info, subject,
          "\(list(identity)) is copied with its values, as a plain column without a sequence"))
    }
    if !table.uncopied.isEmpty {
      let parts = table.uncopied.map { "\($0.kind.rawValue) \($0.name)" }
      found.append(Finding(.tableUncopied, .info, subject, "stays behind: \(list(parts))"))
    }
    return found
  }

  // MARK: The target

  static func target(_ facts: SourceFacts, _ request: CheckRequest) -> [Finding] {
    let mapper = SchemaMapper(dialect: request.dialect, followsChanges: request.followsChanges)
    var found: [Finding] = []
    for table in facts.catalog.tables {
      do {
        let mapping = try mapper.mapTable(table, target: table.name)
        found += types(mapping)
        for index in mapping.indexes {
          guard let reason = index.skipReason else { continue }
          found.append(
            Finding(
              .targetIndex, .warning, "\(table.name), index \(index.name)", "the target does not get it: \(reason)"))
        }
      } catch {
        // Without an identity a table has a finding of its own already.
        if table.identityColumns?.isEmpty ?? true, table.replicaIdentity != .full, request.followsChanges { continue }
        found.append(
          Finding(.targetTable, .error, table.name.description, error.message, fix: error.hint))
      }
    }
    return found + money(facts)
  }

  private static func types(_ mapping: TableMapping) -> [Finding] {
    let changed = mapping.columns.filter { $0.remark != nil }.map { column in
      "\(column.source.name) \(column.source.formattedType) becomes \(column.targetType)"
    }
    if changed.isEmpty { return [] }
    return [Finding(.targetType, .info, mapping.source.name.description, list(changed))]
  }

  /// `money` is a count of the smallest unit; how many make one whole is the locale's affair.
  private static func money(_ facts: SourceFacts) -> [Finding] {
    let locale = facts.moneyLocale
    let twoDecimals =
      ["C", "C.UTF-8", "C.UTF8", "POSIX", ""].contains(locale)
      || ["en_US", "en_GB", "de_", "fr_", "es_", "it_", "nl_", "en_CA", "en_AU"].contains { locale.hasPrefix($0) }
    guard !twoDecimals else { return [] }
    return facts.catalog.tables.compactMap { table in
      let columns = table.columns.filter { $0.baseTypeName == "money" && $0.baseTypeOID == 790 }.map(\.name)
      if columns.isEmpty { return nil }
      return Finding(
        .moneyLocale, .warning, table.name.description,
        "\(list(columns)) is money and lc_monetary is \(locale); Penstock reads amounts with two decimals",
        fix: "If that currency has no two decimals: ALTER TABLE \(table.name.quoted) ALTER COLUMN "
          + "\(quotedIdentifier(columns[0])) TYPE numeric;")
    }
  }
}
