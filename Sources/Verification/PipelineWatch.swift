internal import ChangeModel
internal import Postgres
internal import PostgresSource
internal import Runtime

/// Waits until the pipeline has brought everything up to a position of the source's log into the target.
struct PipelineWatch {
  /// How long a slot may be without a reader.
  static let idleLimit = Duration.seconds(5)
  /// How long the confirmed position may stand still.
  static let stallLimit = Duration.seconds(30)

  /// The pipeline's slot; `nil` for one that does not follow changes.
  let slot: String?
  /// Why there is nothing to wait for; `nil` while the pipeline works.
  private(set) var standstill: String?

  init(slot: String?) {
    self.slot = slot
    if slot == nil { standstill = "the pipeline does not follow changes" }
  }

  var isRunning: Bool { standstill == nil }

  /// Returns once the slot's confirmed position has passed `position`, or it turned out that it does not move.
  ///
  /// - Parameter meanwhile: called between two looks at the slot; says whether it took time.
  mutating func wait(
    past position: LSN, _ source: Connection, meanwhile: () throws(Failure) -> Bool
  ) throws(Failure) {
    guard let slot, isRunning else { return }
    var confirmed = LSN.zero
    var movedAt = monotonicNow()
    var seenAt = movedAt
    while true {
      guard let status = try ReplicationSlot.status(slot, source) else {
        standstill = "there is no replication slot \(slot)"
        return
      }
      let now = monotonicNow()
      if status.confirmedFlush >= position { return }
      if status.confirmedFlush != confirmed { movedAt = now }
      confirmed = status.confirmedFlush
      if status.activePID != nil { seenAt = now }
      if now - seenAt > Self.idleLimit {
        standstill = "the pipeline is not running: nobody reads slot \(slot)"
        return
      }
      if now - movedAt > Self.stallLimit {
        standstill = "the pipeline stands still: slot \(slot) has been at \(confirmed) for \(Self.stallLimit.seconds) s"
        return
      }
      if try !meanwhile() { Wakeup().wait(for: .milliseconds(50)) }
    }
  }
}
