import ChangeModel
import SQLMapping

/// The judgement of `penstock check`. Pure: the same facts give the same findings.
package enum SourceCheck {
  /// Transactions older than this are told of before a slot is created.
  static let oldTransactionSeconds = 60
  /// The versions that Penstock knows, by major number.
  static let knownVersions = 12...18

  /// Every finding, the worst first, in the order of the rules otherwise.
  package static func findings(_ facts: SourceFacts, _ request: CheckRequest) -> [Finding] {
    var found = server(facts, request)
    guard facts.serverVersion / 10_000 >= knownVersions.lowerBound else { return found }
    if request.followsChanges {
      found += log(facts)
      found += role(facts)
      found += slot(facts, request)
      found += publication(facts, request)
      found += transactions(facts, request)
    }
    found += tables(facts, request)
    found += target(facts, request)
    return FindingSeverity.allCases.flatMap { severity in found.filter { $0.severity == severity } }
  }

  private static func server(_ facts: SourceFacts, _ request: CheckRequest) -> [Finding] {
    var found: [Finding] = []
    let major = facts.serverVersion / 10_000
    if major < knownVersions.lowerBound {
      found.append(
        Finding(
          .serverVersion, .error, "server", "it is PostgreSQL \(major); Penstock needs 12 or newer",
          fix: "Upgrade the source."))
    } else if major > knownVersions.upperBound {
      found.append(
        Finding(.serverVersion, .warning, "server", "it is PostgreSQL \(major); Penstock is known to work up to 18"))
    }
    if facts.isInRecovery {
      found.append(
        Finding(
          .serverRecovery, .error, "server", "it is a standby, where no publication can be created",
          fix: "Give the primary's address in source."))
    }
    if facts.encoding == "SQL_ASCII" {
      found.append(
        Finding(
          .serverEncoding, .error, "database \(facts.database)",
          "its encoding is SQL_ASCII, so its bytes can't be turned into UTF-8",
          fix: "Move it into a database with a real encoding."))
    } else if facts.encoding != "UTF8" {
      found.append(
        Finding(
          .serverEncoding, .info, "database \(facts.database)",
          "its encoding is \(facts.encoding); the server turns every text into UTF-8"))
    }
    let reserved = number(facts, "superuser_reserved_connections") ?? 0
    if let limit = number(facts, "max_connections"), limit - reserved - facts.sessionCount < request.sessions {
      found.append(
        Finding(
          .serverConnections, .warning, "max_connections",
          "\(facts.sessionCount) of \(limit) are in use and \(reserved) reserved; Penstock opens up to \(request.sessions)",
          fix: "Lower sink.parallelism, or raise max_connections."))
    }
    return found
  }

  private static func log(_ facts: SourceFacts) -> [Finding] {
    var found: [Finding] = []
    if let level = facts.settings["wal_level"], level != "logical" {
      found.append(
        Finding(
          .walLevel, .error, "wal_level", "it is \(level); following changes needs logical",
          fix: facts.isRDS
            ? "Set rds.logical_replication = 1 in the parameter group and restart the server."
            : "ALTER SYSTEM SET wal_level = 'logical'; then restart the server."))
    }
    if let megabytes = number(facts, "max_slot_wal_keep_size") {
      found += keepSize(megabytes, bytes: facts.catalog.tables.reduce(0) { $0 + $1.totalBytes })
    }
    if let milliseconds = number(facts, "wal_sender_timeout"), milliseconds > 0, milliseconds < 10_000 {
      found.append(
        Finding(
          .walSenderTimeout, .warning, "wal_sender_timeout",
          "it is \(milliseconds) ms; a short pause of the network ends the stream",
          fix: "ALTER SYSTEM SET wal_sender_timeout = '60s'; SELECT pg_reload_conf();"))
    }
    if let seconds = number(facts, "idle_replication_slot_timeout"), seconds > 0 {
      found.append(
        Finding(
          .walIdleSlotTimeout, .warning, "idle_replication_slot_timeout",
          "a slot that Penstock does not read for \(seconds) s is lost, and the tables must be loaded again",
          fix: "ALTER SYSTEM SET idle_replication_slot_timeout = 0; SELECT pg_reload_conf();"))
    }
    return found
  }

  private static func keepSize(_ megabytes: Int, bytes: UInt64) -> [Finding] {
    if megabytes < 0 {
      return [
        Finding(
          .walKeepSize, .info, "max_slot_wal_keep_size",
          "it is unlimited: while Penstock stands still, the source keeps its log and may fill its disk",
          fix: "Watch the slot's lag, or set a limit well above what is written in the longest outage.")
      ]
    }
    // The log of everything written during the load is kept; a table's own size is a fair guess at it.
    let wanted = max(1024, Int(bytes >> 20))
    if megabytes >= wanted { return [] }
    return [
      Finding(
        .walKeepSize, .warning, "max_slot_wal_keep_size",
        "it is \(megabytes) MB; if more is written while tables load or Penstock stands still, the slot is lost",
        fix: "ALTER SYSTEM SET max_slot_wal_keep_size = '\(wanted)MB'; SELECT pg_reload_conf();")
    ]
  }

  private static func role(_ facts: SourceFacts) -> [Finding] {
    if facts.canReplicate { return [] }
    let role = quotedIdentifier(facts.user)
    return [
      Finding(
        .roleReplication, .error, "role \(facts.user)", "it may not open a replication connection",
        fix: facts.isRDS ? "GRANT rds_replication TO \(role);" : "ALTER ROLE \(role) REPLICATION;")
    ]
  }

  private static func slot(_ facts: SourceFacts, _ request: CheckRequest) -> [Finding] {
    let subject = "slot \(request.slotName)"
    let drop = "SELECT pg_drop_replication_slot(\(quotedLiteral(request.slotName)));"
    let other = "Choose another source.slot-name."
    guard let slot = facts.slots.first(where: { $0.name == request.slotName }) else { return freeSlots(facts) }
    if !slot.isLogical || slot.isTemporary || slot.plugin != "pgoutput" || slot.database != facts.database {
      let what =
        !slot.isLogical
        ? "it is a physical slot"
        : slot.isTemporary
          ? "it is temporary"
          : slot.plugin != "pgoutput"
            ? "its plugin is \(slot.plugin), not pgoutput" : "it belongs to database \(slot.database)"
      return [Finding(.slotForeign, .error, subject, what, fix: other)]
    }
    if slot.walStatus == "lost" {
      return [
        Finding(
          .slotLost, .error, subject, "the server has removed log that it needs: changes are gone for good",
          fix: "Run penstock reset and load again; to drop the slot alone: \(drop)")
      ]
    }
    var found: [Finding] = []
    if slot.walStatus == "unreserved" {
      found.append(
        Finding(
          .slotLost, .warning, subject, "the server may remove log that it needs at the next checkpoint",
          fix: "Start Penstock now, or raise max_slot_wal_keep_size."))
    }
    if let pid = slot.activePID {
      found.append(
        Finding(
          .slotActive, .error, subject, "process \(pid) of the server reads it already",
          fix: "Stop the other reader, or end it with SELECT pg_terminate_backend(\(pid)); or: \(other)"))
    } else if found.isEmpty {
      found.append(
        Finding(.slotResumed, .info, subject, "it exists and will be read from \(slot.confirmedFlushLSN)"))
    }
    return found
  }

  private static func freeSlots(_ facts: SourceFacts) -> [Finding] {
    var found: [Finding] = []
    if let limit = number(facts, "max_replication_slots"), facts.slots.count >= limit {
      let idle = facts.slots.filter { $0.activePID == nil }.map(\.name).sorted()
      found.append(
        Finding(
          .slotsFree, .error, "max_replication_slots",
          "all \(limit) are taken" + (idle.isEmpty ? "" : "; not read by anyone: \(idle.joined(separator: ", "))"),
          fix: "Drop a slot that is not needed with SELECT pg_drop_replication_slot('…'), or: "
            + "ALTER SYSTEM SET max_replication_slots = \(limit + 5); then restart the server."))
    }
    if let limit = number(facts, "max_wal_senders"), facts.senderCount >= limit {
      found.append(
        Finding(
          .sendersFree, .error, "max_wal_senders", "all \(limit) are in use",
          fix: "ALTER SYSTEM SET max_wal_senders = \(limit + 5); then restart the server."))
    }
    return found
  }

  /// Creating a slot waits for the end of every transaction that runs, in any database.
  private static func transactions(_ facts: SourceFacts, _ request: CheckRequest) -> [Finding] {
    if facts.slots.contains(where: { $0.name == request.slotName }) { return [] }
    var found = facts.preparedTransactions.map { transaction in
      Finding(
        .transactionPrepared, .error, "prepared transaction \(transaction.name)",
        "\(transaction.owner) prepared it \(transaction.ageSeconds) s ago in database \(transaction.database); "
          + "the slot can't be created before it ends",
        fix: "In that database: COMMIT PREPARED \(quotedLiteral(transaction.name)); or ROLLBACK PREPARED.")
    }
    for transaction in facts.openTransactions where (transaction.ageSeconds ?? .max) >= oldTransactionSeconds {
      let age = transaction.ageSeconds.map { "\($0) s" } ?? "an unknown time"
      let state = transaction.state.isEmpty ? "" : ", \(transaction.state)"
      let application = transaction.application.isEmpty ? "" : " (\(transaction.application))"
      found.append(
        Finding(
          .transactionOpen, .warning, "process \(transaction.pid)",
          "a transaction of \(transaction.user)\(application) is open for \(age)\(state); "
            + "the slot can't be created before it ends",
          fix: "Wait for it, or: SELECT pg_terminate_backend(\(transaction.pid));"))
    }
    return found
  }

  static func number(_ facts: SourceFacts, _ setting: String) -> Int? { facts.settings[setting].flatMap { Int($0) } }
}
