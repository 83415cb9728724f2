package import ChangeModel
package import SQLMapping

/// What the pipeline that is checked intends to do.
package struct CheckRequest: Sendable {
  package var slotName: String
  package var publicationName: String
  /// Whether changes are followed, for which slot and publication are needed.
  package var followsChanges: Bool
  /// Ordinary sessions that the pipeline opens on the source at once.
  package var sessions: Int
  package var dialect: SinkDialect

  package init(
    slotName: String, publicationName: String, followsChanges: Bool = true, sessions: Int = 10, dialect: SinkDialect
  ) {
    self.slotName = slotName
    self.publicationName = publicationName
    self.followsChanges = followsChanges
    self.sessions = sessions
    self.dialect = dialect
  }
}

/// Everything about a source that the rules of `penstock check` look at. Read at once, judged without a server.
package struct SourceFacts: Sendable {
  /// As libpq counts it, such as 150018.
  package var serverVersion = 150_000
  package var isInRecovery = false
  package var encoding = "UTF8"
  package var database = ""
  package var user = ""
  package var isSuperuser = false
  /// By its own attribute, as superuser, or as a member of `rds_replication`.
  package var canReplicate = true
  /// Whether the role `rds_replication` exists: the server is Amazon's.
  package var isRDS = false
  package var canCreateInDatabase = true
  /// `pg_settings.setting` by name, in each setting's own unit.
  package var settings: [String: String] = [:]
  /// `lc_monetary` of a new session.
  package var moneyLocale = "C"
  package var slots: [Slot] = []
  package var senderCount = 0
  package var sessionCount = 0
  /// The publication of the request's name, if it exists.
  package var publication: Publication?
  package var openTransactions: [OpenTransaction] = []
  package var preparedTransactions: [PreparedTransaction] = []
  package var catalog = SourceCatalog(tables: [])
  /// By OID: of every selected table, and of every partition of one.
  package var relations: [UInt32: Relation] = [:]

  package init() {}

  /// A row of `pg_replication_slots`.
  package struct Slot: Hashable, Sendable {
    package var name: String
    package var plugin: String
    package var database: String
    package var isLogical = true
    package var isTemporary = false
    package var activePID: Int?
    /// `reserved`, `extended`, `unreserved` or `lost`; empty before 13.
    package var walStatus = "reserved"
    package var confirmedFlushLSN: String

    package init(name: String, plugin: String = "pgoutput", database: String, confirmedFlushLSN: String = "") {
      self.name = name
      self.plugin = plugin
      self.database = database
      self.confirmedFlushLSN = confirmedFlushLSN
    }
  }

  package struct Publication: Hashable, Sendable {
    package var owner: String
    package var isOwned: Bool
    package var isForAllTables = false
    package var viaRoot = true
    /// Those of insert, update, delete and truncate that it leaves out.
    package var missingOperations: [String] = []
    /// As `pg_publication_tables` lists them.
    package var tables: Set<TableName> = []
    /// Tables of which it leaves out rows or columns.
    package var filtered: Set<TableName> = []

    package init(owner: String, isOwned: Bool) {
      self.owner = owner
      self.isOwned = isOwned
    }
  }

  /// A transaction that has an id, and that slot creation would wait for.
  package struct OpenTransaction: Hashable, Sendable {
    package var pid: Int
    package var user: String
    package var application: String
    package var state: String
    /// `nil` when the server hides it from us.
    package var ageSeconds: Int?

    package init(pid: Int, user: String, application: String, state: String, ageSeconds: Int?) {
      self.pid = pid
      self.user = user
      self.application = application
      self.state = state
      self.ageSeconds = ageSeconds
    }
  }

  package struct PreparedTransaction: Hashable, Sendable {
    package var name: String
    package var database: String
    package var owner: String
    package var ageSeconds: Int

    package init(name: String, database: String, owner: String, ageSeconds: Int) {
      self.name = name
      self.database = database
      self.owner = owner
      self.ageSeconds = ageSeconds
    }
  }

  /// What we may do with one relation, and what its own replica identity is.
  package struct Relation: Hashable, Sendable {
    package var name: TableName
    package var canUseSchema = true
    package var canSelect = true
    package var isOwned = true
    package var owner = ""
    /// Whether row-level security would hide rows from us.
    package var hidesRows = false
    /// `relreplident` and the identity's columns, for comparing a partition with its root.
    package var identity = ""
    /// Tables that inherit from it, partitions not counted.
    package var childCount = 0

    package init(_ name: TableName) { self.name = name }
  }
}
