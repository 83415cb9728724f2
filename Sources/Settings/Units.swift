/// Reads `500ms`, `1s`, `5min` (or `5m`) and `2h` as milliseconds; `nil` when it is none, or too large to count.
func parsedDuration(_ text: String) -> Int? {
  guard let (count, unit) = countAndUnit(text) else { return nil }
  let factor: Int? =
    switch unit {
    case "ms": 1
    case "s": 1000
    case "m", "min": 60_000
    case "h": 3_600_000
    default: nil
    }
  guard let factor else { return nil }
  // What overflows is out of any range; the reader says so.
  return count.multipliedReportingOverflow(by: factor).overflow ? .max : count * factor
}

/// The units that `parsedDuration` knows, as a regular expression of the whole text.
let durationPattern = "[0-9]+(ms|s|m|min|h)"

/// Milliseconds in the largest unit that divides them.
func durationText(_ milliseconds: Int) -> String {
  if milliseconds == 0 { return "0" }
  if milliseconds % 3_600_000 == 0 { return "\(milliseconds / 3_600_000)h" }
  if milliseconds % 60_000 == 0 { return "\(milliseconds / 60_000)min" }
  if milliseconds % 1000 == 0 { return "\(milliseconds / 1000)s" }
  return "\(milliseconds)ms"
}

/// Reads `8MiB`, `64MB`, `512kB`, `100B` or a plain number as bytes; `nil` when it is none of these.
func parsedByteSize(_ text: String) -> Int? {
  guard let (count, unit) = countAndUnit(text) else { return nil }
  let factor: Int? =
    switch unit {
    case "", "B": 1
    case "kB", "KB": 1000
    case "KiB": 1 << 10
    case "MB": 1_000_000
    case "MiB": 1 << 20
    case "GB": 1_000_000_000
    case "GiB": 1 << 30
    default: nil
    }
  guard let factor else { return nil }
  return count.multipliedReportingOverflow(by: factor).overflow ? .max : count * factor
}

/// The units that `parsedByteSize` knows, as a regular expression of the whole text.
let byteSizePattern = "[0-9]+(B|kB|KB|KiB|MB|MiB|GB|GiB)"

/// Bytes in the largest binary unit that divides them.
func byteSizeText(_ bytes: Int) -> String {
  for (shift, unit) in [(30, "GiB"), (20, "MiB"), (10, "KiB")] where bytes > 0 && bytes % (1 << shift) == 0 {
    return "\(bytes >> shift)\(unit)"
  }
  return "\(bytes)B"
}

private func countAndUnit(_ text: String) -> (count: Int, unit: Substring)? {
  let digits = text.prefix { $0.isASCII && $0.isWholeNumber }
  guard !digits.isEmpty else { return nil }
  return (Int(digits) ?? .max, text[digits.endIndex...])
}
