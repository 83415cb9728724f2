import ChangeModel
import SQLMapping

extension SourceCheck {
  static func publication(_ facts: SourceFacts, _ request: CheckRequest) -> [Finding] {
    guard let publication = facts.publication else { return creation(facts, request) }
    let subject = "publication \(request.publicationName)"
    let name = quotedIdentifier(request.publicationName)
    var found: [Finding] = []
    if !publication.missingOperations.isEmpty {
      found.append(
        Finding(
          .publicationOperations, .error, subject,
          "it leaves out every \(publication.missingOperations.joined(separator: ", "))",
          fix: "ALTER PUBLICATION \(name) SET (publish = 'insert, update, delete, truncate');"))
    }
    let partitioned = facts.catalog.tables.filter { $0.kind == .partitioned }
    if !publication.viaRoot, facts.serverVersion >= 130_000, let table = partitioned.first {
      found.append(
        Finding(
          .publicationPartitions, .error, subject,
          "it publishes the partitions of \(table.name) under their own names",
          fix: "ALTER PUBLICATION \(name) SET (publish_via_partition_root = true);"))
    }
    // Without publish_via_partition_root a root is not in the list, its leaves are.
    let missing = facts.catalog.tables.filter { table in
      !publication.tables.contains(table.name)
        && (publication.viaRoot || table.kind != .partitioned
          || !table.heaps.allSatisfy { publication.tables.contains($0.name) })
    }
    if !missing.isEmpty {
      found.append(
        Finding(
          .publicationTables, .error, subject,
          "it lacks \(missing.count) of the selected tables: \(list(missing.map(\.name.description)))",
          fix: "ALTER PUBLICATION \(name) ADD TABLE \(published(missing, facts));"))
    }
    for table in facts.catalog.tables where publication.filtered.contains(table.name) {
      found.append(
        Finding(
          .publicationFilter, .error, table.name.description,
          "\(subject) leaves out some of its rows or columns, so the target would not be equal",
          fix: "ALTER PUBLICATION \(name) DROP TABLE \(table.name.quoted); "
            + "ALTER PUBLICATION \(name) ADD TABLE \(table.name.quoted);"))
    }
    return found
  }

  /// What creating the publication takes: CREATE in the database, and each table's ownership.
  private static func creation(_ facts: SourceFacts, _ request: CheckRequest) -> [Finding] {
    if facts.isSuperuser { return [] }
    let subject = "publication \(request.publicationName)"
    var found: [Finding] = []
    if !facts.canCreateInDatabase {
      found.append(
        Finding(
          .publicationPrivilege, .error, subject, "role \(facts.user) may not create it",
          fix: "GRANT CREATE ON DATABASE \(quotedIdentifier(facts.database)) TO \(quotedIdentifier(facts.user));"))
    }
    let others = facts.catalog.tables.filter { !(facts.relations[$0.oid]?.isOwned ?? true) }
    if !others.isEmpty {
      let options = facts.serverVersion >= 130_000 ? " WITH (publish_via_partition_root = true)" : ""
      found.append(
        Finding(
          .publicationPrivilege, .error, subject,
          "role \(facts.user) does not own \(list(others.map(\.name.description))), and only an owner can publish a table",
          fix: "As an owner: CREATE PUBLICATION \(quotedIdentifier(request.publicationName)) FOR TABLE "
            + "\(published(facts.catalog.tables, facts))\(options);"))
    }
    return found
  }

  /// The tables as a publication names them: PostgreSQL 12 takes leaves for their root.
  private static func published(_ tables: [SourceTable], _ facts: SourceFacts) -> String {
    tables.flatMap { table in
      table.kind == .partitioned && facts.serverVersion < 130_000 ? table.heaps.map(\.name.quoted) : [table.name.quoted]
    }.joined(separator: ", ")
  }

  /// Names for a sentence: the first ten.
  static func list(_ names: [String]) -> String {
    names.count > 10
      ? names.prefix(10).joined(separator: ", ") + " and \(names.count - 10) more"
      : names.joined(separator: ", ")
  }
}
