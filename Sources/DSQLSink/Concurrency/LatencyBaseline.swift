internal import Runtime

/// Tells whether transactions take longer than such transactions usually do.
///
/// Each is compared with others of about its size. What is usual is the lowest that their smoothed time has been, so one
/// lucky transaction does not set the bar, and one that hangs does not miss it.
struct LatencyBaseline: Sendable {
  enum Verdict: Equatable, Sendable {
    /// Too few transactions of this size were seen.
    case unknown
    case usual
    /// More than two and a half times the usual time. The share is that of the usual time in it: by Little's law so many of
    /// those that are in flight do not merely wait for the others.
    case slow(usualShare: Double)
  }

  private struct Series {
    var count = 0.0
    var smoothed = 0.0
    var lowest = Double.infinity
  }

  /// So many transactions make a first idea of what is usual.
  private static let learnedAfter = 4.0
  /// The part that a transaction has in the smoothed time is at least one in so many.
  private static let smoothing = 16.0
  /// Differences below this many seconds come from the machine, not from a queue.
  private static let leastSeconds = 0.02
  private static let slowFactor = 2.5
  /// A transaction counts as at most so many usual ones.
  private static let spikeFactor = 4.0
  private static let relaxation = 1.5

  /// By the magnitude of the size.
  private var series: [Int: Series] = [:]

  /// - Parameter size: of the transaction, in any unit that is proportional to the work.
  mutating func judge(_ latency: Duration, size: Int) -> Verdict {
    let magnitude = Int.bitWidth - max(1, size).leadingZeroBitCount
    return judge(latency.seconds, &series[magnitude, default: Series()])
  }

  private func judge(_ seconds: Double, _ series: inout Series) -> Verdict {
    let isLearned = series.count >= Self.learnedAfter
    let usual = max(series.lowest, Self.leastSeconds)
    let taken = series.lowest.isFinite ? min(seconds, usual * Self.spikeFactor) : seconds
    series.count += 1
    series.smoothed += (taken - series.smoothed) / min(series.count, Self.smoothing)
    guard series.count >= Self.learnedAfter else { return .unknown }
    series.lowest = min(series.lowest, series.smoothed)
    guard isLearned else { return .unknown }
    return series.smoothed > usual * Self.slowFactor ? .slow(usualShare: usual / series.smoothed) : .usual
  }

  /// Looks anew, for another number in flight.
  ///
  /// - Parameter isSlowByItself: fewer in flight have not made the target faster: more is taken for usual.
  mutating func restart(isSlowByItself: Bool) {
    for magnitude in Array(series.keys) {
      series[magnitude]?.count = 0
      series[magnitude]?.smoothed = 0
      if isSlowByItself { series[magnitude]?.lowest *= Self.relaxation }
    }
  }
}
