internal import ChangeModel
internal import DSQLSink
internal import Postgres

/// Whether an instance of the pipeline brings changes into the target.
struct PipelinePulse: Sendable {
  /// An instance writes how it is every five seconds.
  static let silenceMax = 15

  let pipeline: String
  let follows: Bool

  /// Why nothing more comes; `nil` while an instance works.
  func standstill(_ target: Connection) throws(Failure) -> String? {
    guard follows else { return "the pipeline does not follow changes" }
    let store = StateStore(pipeline: pipeline)
    guard let health = try store.health(target) else { return "the pipeline is not running" }
    guard health.age > Self.silenceMax else { return nil }
    return "the pipeline is not running: its last sign of life is \(health.age) s old"
  }
}
