import ChangeModel
import PostgresSource
import SQLMapping
import Testing

private let request = CheckRequest(slotName: "penstock_x", publicationName: "penstock_x", dialect: .dsql)

private func integer(_ name: String, number: Int = 1) -> SourceColumn {
  SourceColumn(name: name, number: number, typeOID: 23, typeName: "int4", formattedType: "integer", isNotNull: true)
}

private let primaryKey = SourceIndex(name: "t_pkey", isUnique: true, isPrimary: true, columns: ["id"])

/// A table `public.t` in whose description nothing is wrong.
private func plainTable() -> SourceTable {
  SourceTable(oid: 1, name: TableName("public", "t"), columns: [integer("id")], indexes: [primaryKey])
}

/// A source in which nothing is to be found.
private func cleanFacts() -> SourceFacts {
  var facts = SourceFacts()
  facts.database = "shop"
  facts.user = "app"
  facts.settings = [
    "wal_level": "logical", "max_replication_slots": "10", "max_wal_senders": "10", "wal_sender_timeout": "60000",
    "max_slot_wal_keep_size": "100000", "max_connections": "100", "superuser_reserved_connections": "3",
  ]
  facts.catalog = SourceCatalog(tables: [plainTable()])
  facts.relations = [1: SourceFacts.Relation(TableName("public", "t"))]
  return facts
}

/// One thing that is wrong, and what is to be said of it.
struct CheckCase: Sendable, CustomTestStringConvertible {
  let id: FindingID
  let severity: FindingSeverity
  let fix: String
  let change: @Sendable (inout SourceFacts) -> Void

  init(
    _ id: FindingID, _ severity: FindingSeverity, fix: String = "",
    _ change: @escaping @Sendable (inout SourceFacts) -> Void
  ) {
    self.id = id
    self.severity = severity
    self.fix = fix
    self.change = change
  }

  var testDescription: String { "\(id.rawValue) \(severity.rawValue)" }
}

private let resumable = SourceFacts.Slot(name: "penstock_x", database: "shop", confirmedFlushLSN: "0/15D68C8")

private func publication(_ change: (inout SourceFacts.Publication) -> Void = { _ in }) -> SourceFacts.Publication {
  var publication = SourceFacts.Publication(owner: "app", isOwned: true)
  publication.tables = [TableName("public", "t")]
  change(&publication)
  return publication
}

private let serverCases = [
  CheckCase(.serverVersion, .error, fix: "Upgrade the source.") { $0.serverVersion = 110_022 },
  CheckCase(.serverVersion, .warning) { $0.serverVersion = 190_000 },
  CheckCase(.serverRecovery, .error, fix: "Give the primary's address in source.") { $0.isInRecovery = true },
  CheckCase(.serverEncoding, .error, fix: "Move it into a database with a real encoding.") {
    $0.encoding = "SQL_ASCII"
  },
  CheckCase(.serverEncoding, .info) { $0.encoding = "LATIN1" },
  CheckCase(.serverConnections, .warning, fix: "Lower sink.parallelism, or raise max_connections.") {
    $0.sessionCount = 95
  },
  CheckCase(.walLevel, .error, fix: "ALTER SYSTEM SET wal_level = 'logical'; then restart the server.") {
    $0.settings["wal_level"] = "replica"
  },
  CheckCase(.walLevel, .error, fix: "Set rds.logical_replication = 1 in the parameter group and restart the server.") {
    $0.settings["wal_level"] = "replica"
    $0.isRDS = true
  },
  CheckCase(
    .walKeepSize, .info, fix: "Watch the slot's lag, or set a limit well above what is written in the longest outage."
  ) { $0.settings["max_slot_wal_keep_size"] = "-1" },
  CheckCase(
    .walKeepSize, .warning, fix: "ALTER SYSTEM SET max_slot_wal_keep_size = '1024MB'; SELECT pg_reload_conf();"
  ) { $0.settings["max_slot_wal_keep_size"] = "500" },
  CheckCase(
    .walSenderTimeout, .warning, fix: "ALTER SYSTEM SET wal_sender_timeout = '60s'; SELECT pg_reload_conf();"
  ) { $0.settings["wal_sender_timeout"] = "2000" },
  CheckCase(
    .walIdleSlotTimeout, .warning, fix: "ALTER SYSTEM SET idle_replication_slot_timeout = 0; SELECT pg_reload_conf();"
  ) { $0.settings["idle_replication_slot_timeout"] = "3600" },
  CheckCase(.roleReplication, .error, fix: "ALTER ROLE \"app\" REPLICATION;") { $0.canReplicate = false },
  CheckCase(.roleReplication, .error, fix: "GRANT rds_replication TO \"app\";") {
    $0.canReplicate = false
    $0.isRDS = true
  },
]

private let slotCases = [
  CheckCase(
    .slotsFree, .error,
    fix: "Drop a slot that is not needed with SELECT pg_drop_replication_slot('…'), or: "
      + "ALTER SYSTEM SET max_replication_slots = 6; then restart the server."
  ) {
    $0.settings["max_replication_slots"] = "1"
    $0.slots = [SourceFacts.Slot(name: "other", database: "shop")]
  },
  CheckCase(.sendersFree, .error, fix: "ALTER SYSTEM SET max_wal_senders = 15; then restart the server.") {
    $0.senderCount = 10
  },
  CheckCase(.slotResumed, .info) { $0.slots = [resumable] },
  CheckCase(
    .slotActive, .error,
    fix: "Stop the other reader, or end it with SELECT pg_terminate_backend(4711); or: Choose another source.slot-name."
  ) {
    $0.slots = [resumable]
    $0.slots[0].activePID = 4711
  },
  CheckCase(.slotForeign, .error, fix: "Choose another source.slot-name.") {
    $0.slots = [SourceFacts.Slot(name: "penstock_x", plugin: "wal2json", database: "shop")]
  },
  CheckCase(.slotForeign, .error, fix: "Choose another source.slot-name.") {
    $0.slots = [SourceFacts.Slot(name: "penstock_x", database: "elsewhere")]
  },
  CheckCase(
    .slotLost, .error,
    fix: "Run penstock reset and load again; to drop the slot alone: SELECT pg_drop_replication_slot('penstock_x');"
  ) {
    $0.slots = [resumable]
    $0.slots[0].walStatus = "lost"
  },
  CheckCase(.slotLost, .warning, fix: "Start Penstock now, or raise max_slot_wal_keep_size.") {
    $0.slots = [resumable]
    $0.slots[0].walStatus = "unreserved"
  },
  CheckCase(.transactionOpen, .warning, fix: "Wait for it, or: SELECT pg_terminate_backend(99);") {
    $0.openTransactions = [
      SourceFacts.OpenTransaction(
        pid: 99, user: "bob", application: "psql", state: "idle in transaction", ageSeconds: 600),
      SourceFacts.OpenTransaction(pid: 98, user: "bob", application: "", state: "active", ageSeconds: 1),
    ]
  },
  CheckCase(.transactionPrepared, .error, fix: "In that database: COMMIT PREPARED 'two'; or ROLLBACK PREPARED.") {
    $0.preparedTransactions = [
      SourceFacts.PreparedTransaction(name: "two", database: "shop", owner: "bob", ageSeconds: 5)
    ]
  },
]

private let publicationCases = [
  CheckCase(.publicationPrivilege, .error, fix: "GRANT CREATE ON DATABASE \"shop\" TO \"app\";") {
    $0.canCreateInDatabase = false
  },
  CheckCase(
    .publicationPrivilege, .error,
    fix: "As an owner: CREATE PUBLICATION \"penstock_x\" FOR TABLE \"public\".\"t\" "
      + "WITH (publish_via_partition_root = true);"
  ) { $0.relations[1]!.isOwned = false },
  CheckCase(
    .publicationOperations, .error,
    fix: "ALTER PUBLICATION \"penstock_x\" SET (publish = 'insert, update, delete, truncate');"
  ) { $0.publication = publication { $0.missingOperations = ["delete"] } },
  CheckCase(.publicationTables, .error, fix: "ALTER PUBLICATION \"penstock_x\" ADD TABLE \"public\".\"t\";") {
    $0.publication = publication { $0.tables = [] }
  },
  CheckCase(
    .publicationFilter, .error,
    fix: "ALTER PUBLICATION \"penstock_x\" DROP TABLE \"public\".\"t\"; "
      + "ALTER PUBLICATION \"penstock_x\" ADD TABLE \"public\".\"t\";"
  ) { $0.publication = publication { $0.filtered = [TableName("public", "t")] } },
]

private let tableCases = [
  CheckCase(
    .tablesNone, .error, fix: "Name tables as schema.table, with * for any part of a name; names are case-sensitive."
  ) { $0.catalog.tables = [] },
  CheckCase(.tableKind, .warning, fix: "Add it to exclude-tables to silence this.") {
    $0.catalog.others = [SourceTable(oid: 2, name: TableName("public", "v"), kind: .view, columns: [])]
  },
  CheckCase(.tableKind, .error, fix: "Detach it, or leave the partitioned table out with exclude-tables.") {
    $0.catalog.others = [SourceTable(oid: 2, name: TableName("public", "far"), kind: .foreign, columns: [])]
    $0.catalog.foreignPartitions = [TableName("public", "far")]
  },
  CheckCase(.tablePrivilege, .error, fix: "GRANT SELECT ON \"public\".\"t\" TO \"app\";") {
    $0.relations[1]!.canSelect = false
  },
  CheckCase(.tablePrivilege, .error, fix: "GRANT USAGE ON SCHEMA \"public\" TO \"app\";") {
    $0.relations[1]!.canUseSchema = false
  },
  CheckCase(.tableRowSecurity, .error, fix: "ALTER ROLE \"app\" BYPASSRLS;") { $0.relations[1]!.hidesRows = true },
  CheckCase(
    .tableUnlogged, .error, fix: "ALTER TABLE \"public\".\"t\" SET LOGGED; or leave it out with exclude-tables."
  ) { $0.catalog.tables[0].isUnlogged = true },
  CheckCase(
    .tableIdentity, .error, fix: "Add a primary key, or run ALTER TABLE \"public\".\"t\" REPLICA IDENTITY FULL;"
  ) { $0.catalog.tables[0].indexes = [] },
  CheckCase(.tableIdentity, .error, fix: "ALTER TABLE \"public\".\"t\" REPLICA IDENTITY USING INDEX \"u\";") {
    $0.catalog.tables[0].indexes = [SourceIndex(name: "u", isUnique: true, columns: ["id"])]
  },
  CheckCase(.tableIdentity, .error, fix: "ALTER TABLE \"public\".\"t\" REPLICA IDENTITY DEFAULT;") {
    $0.catalog.tables[0].replicaIdentity = .nothing
  },
  CheckCase(.tableIdentity, .error, fix: "ALTER TABLE \"public\".\"t\" REPLICA IDENTITY DEFAULT;") {
    $0.catalog.tables[0].replicaIdentity = .index("gone")
  },
  CheckCase(.tableFullIdentity, .warning, fix: "Add a primary key if the table is large.") {
    $0.catalog.tables[0].replicaIdentity = .full
    $0.catalog.tables[0].indexes = []
  },
  CheckCase(.tableFullIdentity, .info) { $0.catalog.tables[0].replicaIdentity = .full },
  CheckCase(.tablePartitioned, .info) { $0.catalog.tables[0].kind = .partitioned },
  CheckCase(
    .tablePartitioned, .warning, fix: "Add no partition while Penstock runs, or upgrade the source to 13."
  ) {
    $0.serverVersion = 120_017
    $0.catalog.tables[0].kind = .partitioned
  },
  CheckCase(.tableInheritance, .warning) { $0.relations[1]!.childCount = 2 },
  CheckCase(.tableGenerated, .info) {
    var column = integer("twice", number: 2)
    column.isGenerated = true
    column.defaultExpression = "(id * 2)"
    $0.catalog.tables[0].columns.append(column)
  },
  CheckCase(.tableIdentityColumn, .info) { $0.catalog.tables[0].columns[0].isIdentity = true },
  CheckCase(.tableUncopied, .info) {
    $0.catalog.tables[0].uncopied = [UncopiedPart(kind: .trigger, name: "stamp")]
  },
  CheckCase(.targetTable, .error, fix: "Split it, or leave it out with exclude-tables.") {
    $0.catalog.tables[0].columns += (2...300).map { integer("c\($0)", number: $0) }
  },
  CheckCase(.targetType, .info) {
    $0.catalog.tables[0].columns.append(
      SourceColumn(name: "ip", number: 2, typeOID: 869, typeName: "inet", formattedType: "inet"))
  },
  CheckCase(.targetIndex, .warning) {
    $0.catalog.tables[0].indexes.append(SourceIndex(name: "g", columns: ["id"], method: "gist"))
  },
]

@Suite("The rules of check")
struct CheckRuleTests {
  @Test("nothing is found where nothing is wrong")
  func clean() {
    var published = cleanFacts()
    published.publication = publication()

    #expect(SourceCheck.findings(cleanFacts(), request) == [])
    #expect(SourceCheck.findings(published, request) == [])
  }

  @Test(
    "each thing that is wrong gives its one finding, with the exact fix",
    arguments: serverCases + slotCases + publicationCases + tableCases)
  func oneFinding(_ expected: CheckCase) {
    var facts = cleanFacts()
    expected.change(&facts)

    let found = SourceCheck.findings(facts, request)

    #expect(found.map(\.id) == [expected.id])
    #expect(found.first?.severity == expected.severity)
    #expect(found.first?.fix == expected.fix)
    #expect(found.first?.evidence.isEmpty == false)
  }

  @Test("a partition with another identity than its root is named")
  func partitionIdentity() {
    var facts = cleanFacts()
    facts.catalog.tables[0].kind = .partitioned
    facts.catalog.tables[0].heaps = [
      SourceHeap(oid: 2, name: TableName("public", "t1"), pages: 1, bytes: 1, estimatedRows: 1, filenode: 2)
    ]
    facts.relations[2] = SourceFacts.Relation(TableName("public", "t1"))
    facts.relations[2]!.identity = "f"

    let found = SourceCheck.findings(facts, request)

    #expect(found.map(\.id) == [.partitionIdentity, .tablePartitioned])
    #expect(
      found[0].fix == "Give the partition the same: ALTER TABLE \"public\".\"t1\" REPLICA IDENTITY DEFAULT;")
  }

  @Test("a publication that does not publish through the root is refused for partitioned tables")
  func publicationPartitions() {
    var facts = cleanFacts()
    facts.catalog.tables[0].kind = .partitioned
    facts.publication = publication { $0.viaRoot = false }

    #expect(SourceCheck.findings(facts, request).map(\.id) == [.publicationPartitions, .tablePartitioned])
  }

  @Test("money under a currency without two decimals is told", arguments: [("ja_JP.UTF-8", 1), ("de_DE.UTF-8", 0)])
  func moneyLocale(locale: String, count: Int) {
    var facts = cleanFacts()
    facts.moneyLocale = locale
    facts.catalog.tables[0].columns.append(
      SourceColumn(name: "price", number: 2, typeOID: 790, typeName: "money", formattedType: "money"))

    #expect(SourceCheck.findings(facts, request).count { $0.id == .moneyLocale } == count)
  }

  @Test("a load without changes needs neither slot nor publication nor identity")
  func loadOnly() {
    var facts = cleanFacts()
    var loadOnly = request
    loadOnly.followsChanges = false
    facts.settings["wal_level"] = "minimal"
    facts.canReplicate = false
    facts.canCreateInDatabase = false
    facts.catalog.tables[0].isUnlogged = true
    facts.catalog.tables[0].indexes = []

    #expect(SourceCheck.findings(facts, loadOnly) == [])
  }

  @Test("the worst comes first")
  func order() {
    var facts = cleanFacts()
    facts.settings["max_slot_wal_keep_size"] = "-1"
    facts.settings["wal_sender_timeout"] = "1000"
    facts.canReplicate = false

    #expect(SourceCheck.findings(facts, request).map(\.severity) == [.error, .warning, .info])
  }

  @Test("a finding prints as two lines that can be grepped")
  func description() {
    let finding = Finding(.slotActive, .error, "slot a", "process 1 reads it", fix: "Stop it.")

    #expect(finding.description == "error: slot a: process 1 reads it [slot.active]\n  to do: Stop it.")
  }

  @Test("every finding about the source has a case in these tables")
  func coverage() {
    let tabled = Set((serverCases + slotCases + publicationCases + tableCases).map(\.id))

    #expect(
      Set(FindingID.allCases.filter { !$0.rawValue.hasPrefix("target.") }).subtracting(tabled) == [
        .partitionIdentity, .publicationPartitions, .moneyLocale,
        // Of a DynamoDB source.
        .sourceIdentity, .tableStream, .tableStatus, .tableCapacity,
      ])
  }
}
