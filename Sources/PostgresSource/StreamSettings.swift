package import ChangeModel

/// What a replication session is asked for.
package struct StreamSettings: Sendable {
  package var slot: String
  package var publication: String
  package var isBinary: Bool
  /// The longest time between two reports of our position to the source.
  package var reportInterval: Duration
  /// Where the log was before the source's catalog was read: relations sent for older changes may look otherwise.
  package var catalogLSN: LSN
  /// Stop and drain once everything up to here is committed; `nil` goes on for ever.
  package var stopAt: LSN?

  package init(
    slot: String, publication: String, isBinary: Bool, reportInterval: Duration, catalogLSN: LSN, stopAt: LSN?
  ) {
    self.slot = slot
    self.publication = publication
    self.isBinary = isBinary
    self.reportInterval = reportInterval
    self.catalogLSN = catalogLSN
    self.stopAt = stopAt
  }
}
