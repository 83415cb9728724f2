internal import AWS
internal import DynamoDBSource
internal import Runtime
internal import Synchronization

/// Looks how far behind the streams are, and warns before DynamoDB forgets what was not read.
final class LagWatch: Sendable {
  private let followers: [StreamFollower]
  private let service: DynamoDBService
  private let monitor: RunMonitor
  private let log: Log
  /// Hours left at the last warning.
  private let warned = Mutex<Int64>(.max)

  init(_ followers: [StreamFollower], _ service: DynamoDBService, _ monitor: RunMonitor, _ log: Log) {
    self.followers = followers
    self.service = service
    self.monitor = monitor
    self.log = log
  }

  func look() {
    let now = UnixTime.now
    let left = followers.map { $0.progress.secondsLeft(now: now) }.min() ?? ShardPosition.retentionSeconds
    monitor.streamLag = RunMonitor.StreamLag(
      seconds: ShardPosition.retentionSeconds - left, secondsLeft: left, throttles: service.statistics.throttles)
    // From half of the time on, at every hour that has passed.
    let hours = left / 3600
    let isNews = warned.withLock { warned in
      if hours >= 12 { warned = .max }
      guard hours < 12, hours < warned else { return false }
      warned = hours
      return true
    }
    if isNews {
      log.warning(
        "the streams are read \((ShardPosition.retentionSeconds - left) / 3600) hours late: in \(hours) hours DynamoDB "
          + "forgets changes that are not in the target")
    }
  }
}
