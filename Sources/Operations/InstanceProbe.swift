package import ChangeModel
package import Postgres
package import PostgresSource

/// Whether an instance of a pipeline works right now, as the source server sees it.
package struct InstanceProbe: Hashable, Sendable {
  /// The pipeline's slot, if it is there.
  package var slot: SlotStatus?
  /// Server processes of sessions that the instance has opened beside the one that reads the slot.
  package var sessions: [Int]

  package var isRunning: Bool { slot?.activePID != nil || !sessions.isEmpty }

  /// - Parameter connection: opened with `observing(_:)`, so that it is not counted itself.
  package init(pipeline: String, slotName: String, _ connection: Connection) throws(Failure) {
    let slot = try ReplicationSlot.status(slotName, connection)
    self.slot = slot
    let rows = try connection.query(
      "SELECT pid FROM pg_catalog.pg_stat_activity WHERE application_name = $1 AND datname = current_database()",
      ["penstock:\(pipeline)"])
    sessions = rows.values.compactMap { $0[0].flatMap { Int($0) } }.filter { $0 != slot?.activePID }
  }

  /// The settings of a session that only looks, under a name of its own.
  package static func observing(_ settings: ConnectionSettings) -> ConnectionSettings {
    settings.adding([("application_name", "penstock (looking)")])
  }
}
