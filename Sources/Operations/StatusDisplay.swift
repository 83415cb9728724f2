internal import Glibc
package import Runtime
internal import Synchronization

/// Shows how work goes on: on a terminal some lines that are redrawn in place below the log, else a line of the log
/// every few seconds.
package final class StatusDisplay: Sendable {
  /// What is shown at one moment.
  package struct Frame: Sendable {
    /// For a terminal; cut to its width.
    package var lines: [String]
    /// For a log; `nil` for nothing to say.
    package var summary: String?

    package init(lines: [String], summary: String?) {
      self.lines = lines
      self.summary = summary
    }
  }

  private static let redrawPeriod = Duration.milliseconds(250)
  private static let linePeriod = Duration.seconds(5)

  private let log: Log
  private let frame: @Sendable (_ linesMax: Int) -> Frame
  private let stop = Wakeup()
  private let isEnded = Mutex(false)

  /// Starts to show, on a thread of its own.
  ///
  /// - Parameter frame: called on that thread, again and again, one call at a time.
  package init(log: Log, _ frame: @escaping @Sendable (_ linesMax: Int) -> Frame) {
    self.log = log
    self.frame = frame
    let executor = ThreadExecutor(name: "status")
    let isTerminal = isatty(STDERR_FILENO) != 0 && log.format == .text
    Task(executorPreference: executor) { [self] in
      defer { executor.shutdown() }
      if isTerminal { redraw() } else { writeLines() }
    }
  }

  /// Takes the lines away. The last state stays in the log only if the caller writes it there.
  package func end() {
    isEnded.withLock { isEnded in
      isEnded = true
      Log.setFooter([])
    }
    stop.signal()
  }

  private func redraw() {
    while !stop.isSignalled {
      let (width, height) = terminalSize()
      let lines = frame(max(1, height - 2)).lines.map { String($0.prefix(width - 1)) }
      isEnded.withLock { isEnded in if !isEnded { Log.setFooter(lines) } }
      stop.wait(for: Self.redrawPeriod)
    }
  }

  private func writeLines() {
    stop.wait(for: Self.linePeriod)
    while !stop.isSignalled {
      if let summary = frame(0).summary { log.info(summary) }
      stop.wait(for: Self.linePeriod)
    }
  }
}

/// Columns and rows of the terminal on standard error; 80 by 24 when it does not tell.
private func terminalSize() -> (width: Int, height: Int) {
  var size = winsize()
  guard unsafe ioctl(STDERR_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0, size.ws_row > 0 else {
    return (80, 24)
  }
  return (Int(size.ws_col), Int(size.ws_row))
}
