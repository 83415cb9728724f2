internal import ChangeModel
internal import DSQLSink
internal import FullLoad
package import Pipeline
internal import PostgresSource
package import Runtime
internal import Synchronization

/// The progress of `penstock run`: tables with rows, bytes, rates and time left while they load; then changes, lag and
/// confirmed position.
package final class RunDisplay: Sendable {
  private let monitor: RunMonitor
  private let recent = Mutex(RecentRates())

  package init(_ monitor: RunMonitor) { self.monitor = monitor }

  /// Shows it until the display is ended.
  package func show(log: Log) -> StatusDisplay { StatusDisplay(log: log) { self.frame(linesMax: $0) } }

  /// What there is to say now.
  package func frame(linesMax: Int) -> StatusDisplay.Frame {
    let phase = monitor.phase
    switch phase {
    case .loading:
      let tables = monitor.load.tables
      guard !tables.isEmpty else { return .init(lines: ["preparing the load"], summary: nil) }
      return loadFrame(tables, linesMax)
    case .catchingUp, .streaming: return streamFrame(phase)
    case .starting, .indexing, .draining, .waiting: return .init(lines: [phase.rawValue], summary: phase.rawValue)
    }
  }

  // MARK: Load

  private func loadFrame(_ tables: [LoadProgress.Table], _ linesMax: Int) -> StatusDisplay.Frame {
    let now = monotonicNow()
    let (rows, bytes) = (tables.reduce(0) { $0 + $1.rows }, tables.reduce(0) { $0 + $1.bytes })
    let (rate, byteRate) = recent.withLock { recent in
      (recent.rows.rate(rows, at: now), recent.bytes.rate(bytes, at: now))
    }
    let share = LoadShare(tables)
    let left = share.secondsLeft(after: monitor.load.elapsed.seconds)
    let total =
      "\(percent(share.done)) \(grouped(rows)) rows, \(binarySize(UInt64(bytes))), \(grouped(Int(rate))) rows/s, "
      + "\(binarySize(UInt64(byteRate)))/s" + (left.map { ", about \(roughDuration($0)) left" } ?? "")
    let finished = tables.count { $0.chunksDone == $0.chunksTotal }
    let shown = tables.filter { $0.chunksDone < $0.chunksTotal && $0.rows > 0 }.prefix(max(0, linesMax - 1))
    let width = shown.map { $0.name.description.count }.max() ?? 0
    var lines = shown.map { table in
      let name = table.name.description
      return "\(bar(LoadShare([table]).done)) \(name + String(repeating: " ", count: width - name.count))  "
        + "\(grouped(table.rows)) rows, \(binarySize(UInt64(table.bytes))), chunk \(table.chunksDone) of \(table.chunksTotal)"
    }
    lines.append("\(bar(share.done)) loading: \(total), \(finished) of \(tables.count) tables done")
    return .init(lines: lines, summary: "loading: \(total), \(finished) of \(tables.count) tables done")
  }

  // MARK: Stream

  private func streamFrame(_ phase: RunMonitor.Phase) -> StatusDisplay.Frame {
    if let lag = monitor.streamLag { return lagFrame(phase, lag) }
    let stream = monitor.stream
    let now = monotonicNow()
    let changes = monitor.apply.changes
    let rate = recent.withLock { $0.changes.rate(changes, at: now) }
    let committed = stream.committed
    let lag = stream.serverEnd.rawValue.subtractingReportingOverflow(committed.rawValue)
    // Before the first report nothing is known.
    let bytes = lag.overflow || committed == .zero ? 0 : lag.partialValue
    // Commit times count from 2000-01-01.
    let age = Double(wallClockMicroseconds() - 946_684_800_000_000 - stream.commitTime) / 1e6
    let isCurrent = recent.withLock { recent in
      let unapplied = stream.changes - changes
      if bytes == 0 { recent.unappliedAtRest = unapplied }
      return unapplied == recent.unappliedAtRest
    }
    let seconds = isCurrent || stream.commitTime == 0 ? "0" : "\((max(0, age) * 10).rounded() / 10)"
    var text =
      "\(phase.rawValue): \(grouped(changes)) changes, \(grouped(Int(rate)))/s, "
      // Nobody knows where a registered source ends.
      + (stream.serverEnd == .zero ? "" : "lag \(binarySize(bytes)) and \(seconds) s, ")
      + "committed \(committed)"
    if monitor.apply.conflicts > 0 { text += ", \(grouped(monitor.apply.conflicts)) conflicts" }
    return .init(lines: [text], summary: text)
  }

  /// Of a DynamoDB source, whose streams have no common position.
  private func lagFrame(_ phase: RunMonitor.Phase, _ lag: RunMonitor.StreamLag) -> StatusDisplay.Frame {
    let changes = monitor.apply.changes
    let rate = recent.withLock { $0.changes.rate(changes, at: monotonicNow()) }
    var text = "\(phase.rawValue): \(grouped(changes)) changes, \(grouped(Int(rate)))/s, lag \(lag.seconds) s"
    if lag.seconds > 0 { text += ", \(roughDuration(Double(lag.secondsLeft))) until the stream forgets" }
    if lag.throttles > 0 { text += ", throttled \(grouped(lag.throttles)) times" }
    if monitor.apply.conflicts > 0 { text += ", \(grouped(monitor.apply.conflicts)) conflicts" }
    return .init(lines: [text], summary: text)
  }

  private func percent(_ share: Double) -> String { "\(Int((share * 100).rounded(.down)))%" }

  private func bar(_ share: Double) -> String {
    let cells = 20
    let full = Int((share * Double(cells)).rounded(.down))
    return "[" + String(repeating: "#", count: full) + String(repeating: ".", count: cells - full) + "]"
  }
}

/// Which part of a load is done, by the sizes that were estimated when it was planned.
struct LoadShare {
  /// 0...1; 1 only when every chunk is done.
  var done: Double
  /// The part that this run has found done when it began is not told apart, so the time left is a guess.
  init(_ tables: [LoadProgress.Table]) {
    var (done, total) = (0.0, 0.0)
    for table in tables {
      let size = Double(max(table.bytesEstimate, 1))
      total += size
      // Chunks under way count by their rows, as far as the number of rows is known.
      let byRows = table.rowsEstimate > 0 ? min(0.99, Double(table.rows) / Double(table.rowsEstimate)) : 0
      let byChunks = Double(table.bytesEstimateDone) / size
      done += table.chunksDone == table.chunksTotal ? size : size * min(0.99, max(byRows, byChunks))
    }
    self.done = total == 0 ? 1 : done / total
  }

  func secondsLeft(after elapsed: Double) -> Double? {
    guard done > 0.01, elapsed > 2 else { return nil }
    return elapsed * (1 - done) / done
  }
}

/// What the display remembers between two frames.
private struct RecentRates {
  var rows = RecentRate()
  var bytes = RecentRate()
  var changes = RecentRate()
  /// Changes read less changes applied when nothing was on its way: those of an earlier run that came again.
  var unappliedAtRest: Int?
}

private struct RecentRate {
  private static let window = Duration.seconds(5)
  private var samples: [(at: Duration, value: Int)] = []

  /// Growth in a second; 0 until two moments are known.
  mutating func rate(_ value: Int, at now: Duration) -> Double {
    // A counter that was set back has begun anew.
    if let last = samples.last, last.value > value { samples.removeAll() }
    samples.append((now, value))
    while samples.count > 2, samples[1].at < now - Self.window { samples.removeFirst() }
    let first = samples[0]
    let seconds = (now - first.at).seconds
    return seconds > 0.05 ? Double(value - first.value) / seconds : 0
  }
}
