internal import Glibc
internal import Synchronization

/// Lines for the operator on standard error. Never put a secret or a row value (keys excepted) into one.
package struct Log: Sendable {
  package enum Level: Int, Comparable, Sendable {
    case error, warning, info, debug

    package static func < (a: Level, b: Level) -> Bool { a.rawValue < b.rawValue }
    var name: String {
      switch self {
      case .error: "error"
      case .warning: "warning"
      case .info: "info"
      case .debug: "debug"
      }
    }
  }

  package enum Format: Sendable { case text, json }

  /// What stands below the log on a terminal, and how many lines it takes there.
  private static let output = Mutex(Footer())

  private struct Footer {
    var text = ""
    var lines = 0

    /// Moves to where the footer began and clears from there.
    var erasure: String { lines == 0 ? "" : "\u{1B}[\(lines)F\u{1B}[J" }
  }

  package var level: Level
  package var format: Format
  /// The part of Penstock that speaks, such as `load` or `lane 3`.
  package var part: String

  package init(level: Level = .info, format: Format = .text, part: String = "penstock") {
    self.level = level
    self.format = format
    self.part = part
  }

  /// The same log in another part's name.
  package func named(_ part: String) -> Log {
    var log = self
    log.part = part
    return log
  }

  package func error(_ message: @autoclosure () -> String) { write(.error, message) }
  package func warning(_ message: @autoclosure () -> String) { write(.warning, message) }
  package func info(_ message: @autoclosure () -> String) { write(.info, message) }
  package func debug(_ message: @autoclosure () -> String) { write(.debug, message) }

  private func write(_ level: Level, _ message: () -> String) {
    guard level <= self.level else { return }
    let line: String
    switch format {
    case .text: line = "\(timestamp()) \(level.name) \(part): \(message())\n"
    case .json:
      line =
        "{\"time\":\"\(timestamp())\",\"level\":\"\(level.name)\",\"part\":\(jsonString(part)),"
        + "\"message\":\(jsonString(message()))}\n"
    }
    Log.output.withLock { footer in writeAll(footer.erasure + line + footer.text, to: STDERR_FILENO) }
  }

  /// Shows lines below the log on a terminal, in place of those shown before; none removes them.
  ///
  /// - Parameter lines: no longer than the terminal is wide, or they can't be taken back.
  package static func setFooter(_ lines: [String]) {
    output.withLock { footer in
      let text = lines.map { $0 + "\n" }.joined()
      guard text != footer.text else { return }
      writeAll(footer.erasure + text, to: STDERR_FILENO)
      footer = Footer(text: text, lines: lines.count)
    }
  }
}

/// Writes all bytes of `text` to a descriptor; a closed pipe is nobody's error here.
package func writeAll(_ text: String, to descriptor: Int32) {
  var text = text
  text.withUTF8 { bytes in
    var sent = 0
    while sent < bytes.count {
      let written = unsafe write(descriptor, bytes.baseAddress! + sent, bytes.count - sent)
      if written < 0 && errno == EINTR { continue }
      if written <= 0 { return }
      sent += written
    }
  }
}

/// A JSON string with quotes, escaped as RFC 8259 asks.
package func jsonString(_ text: String) -> String {
  var out = "\""
  for scalar in text.unicodeScalars {
    switch scalar {
    case "\"": out += "\\\""
    case "\\": out += "\\\\"
    case "\n": out += "\\n"
    case "\r": out += "\\r"
    case "\t": out += "\\t"
    case _ where scalar.value < 0x20:
      let digits = String(scalar.value, radix: 16)
      out += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
    default: out.unicodeScalars.append(scalar)
    }
  }
  return out + "\""
}

/// The wall clock now in UTC, ISO 8601 with milliseconds.
package func timestamp() -> String {
  var now = timespec()
  unsafe clock_gettime(CLOCK_REALTIME, &now)
  var parts = unsafe tm()
  _ = unsafe gmtime_r(&now.tv_sec, &parts)
  func digits(_ value: Int, _ width: Int) -> String {
    let text = String(value)
    return String(repeating: "0", count: max(0, width - text.count)) + text
  }
  let (date, time) = unsafe (
    (Int(parts.tm_year), Int(parts.tm_mon), Int(parts.tm_mday)),
    (Int(parts.tm_hour), Int(parts.tm_min), Int(parts.tm_sec))
  )
  return digits(date.0 + 1900, 4) + "-" + digits(date.1 + 1, 2) + "-" + digits(date.2, 2) + "T" + digits(time.0, 2)
    + ":" + digits(time.1, 2) + ":" + digits(time.2, 2) + "." + digits(now.tv_nsec / 1_000_000, 3) + "Z"
}
