/// How bad a finding is.
package enum FindingSeverity: String, Hashable, Sendable, Comparable, CaseIterable {
  /// `penstock run` would fail, or lose something.
  case error
  /// It will run, and may hurt later.
  case warning
  /// Worth knowing.
  case info

  package static func < (a: FindingSeverity, b: FindingSeverity) -> Bool {
    allCases.firstIndex(of: a)! < allCases.firstIndex(of: b)!
  }
}

/// What `penstock check` can find. The raw values are stable: people script against them.
package enum FindingID: String, Hashable, Sendable, CaseIterable {
  case serverVersion = "server.version"
  case serverRecovery = "server.recovery"
  case serverEncoding = "server.encoding"
  case serverConnections = "server.connections"
  case walLevel = "wal.level"
  case walKeepSize = "wal.keep-size"
  case walSenderTimeout = "wal.sender-timeout"
  case walIdleSlotTimeout = "wal.idle-slot-timeout"
  case roleReplication = "role.replication"
  case slotsFree = "slots.free"
  case sendersFree = "senders.free"
  case slotResumed = "slot.resumed"
  case slotActive = "slot.active"
  case slotForeign = "slot.foreign"
  case slotLost = "slot.lost"
  case publicationPrivilege = "publication.privilege"
  case publicationOperations = "publication.operations"
  case publicationTables = "publication.tables"
  case publicationFilter = "publication.filter"
  case publicationPartitions = "publication.partitions"
  case transactionOpen = "transaction.open"
  case transactionPrepared = "transaction.prepared"
  case tablesNone = "tables.none"
  case tablePrivilege = "table.privilege"
  case tableRowSecurity = "table.row-security"
  case tableKind = "table.kind"
  case tableUnlogged = "table.unlogged"
  case tableIdentity = "table.identity"
  case tableFullIdentity = "table.full-identity"
  case tablePartitioned = "table.partitioned"
  case partitionIdentity = "partition.identity"
  case tableInheritance = "table.inheritance"
  case tableGenerated = "table.generated"
  case tableIdentityColumn = "table.identity-column"
  case tableUncopied = "table.uncopied"
  case moneyLocale = "money.locale"
  case sourceIdentity = "source.identity"
  case tableStream = "table.stream"
  case tableStatus = "table.status"
  case tableCapacity = "table.capacity"
  case targetTable = "target.table"
  case targetType = "target.type"
  case targetIndex = "target.index"
  case targetConnection = "target.connection"
  case targetIdentity = "target.identity"
  case targetPrivilege = "target.privilege"
  case targetColumns = "target.columns"
  case targetKey = "target.key"
  case targetRows = "target.rows"
  case targetState = "target.state"
}

/// One thing that `penstock check` found.
package struct Finding: Hashable, Sendable, CustomStringConvertible {
  package var id: FindingID
  package var severity: FindingSeverity
  /// What it is about: a table, a slot, a setting.
  package var subject: String
  /// The facts, one sentence.
  package var evidence: String
  /// What to do, exact statements where there are any; empty when there is nothing to do.
  package var fix: String

  package init(_ id: FindingID, _ severity: FindingSeverity, _ subject: String, _ evidence: String, fix: String = "") {
    self.id = id
    self.severity = severity
    self.subject = subject
    self.evidence = evidence
    self.fix = fix
  }

  package var description: String {
    var text = "\(severity.rawValue): \(subject): \(evidence) [\(id.rawValue)]"
    if !fix.isEmpty { text += "\n  to do: " + fix.split(separator: "\n").joined(separator: "\n         ") }
    return text
  }
}
