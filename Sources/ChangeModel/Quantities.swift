/// `1,234,567`.
package func grouped(_ number: some FixedWidthInteger) -> String {
  var digits = String(number.magnitude)
  var groups: [String] = []
  while digits.count > 3 {
    groups.insert(String(digits.suffix(3)), at: 0)
    digits.removeLast(3)
  }
  return (number < 0 ? "-" : "") + ([digits] + groups).joined(separator: ",")
}

/// `12.5 MiB`.
package func binarySize(_ bytes: UInt64) -> String {
  let units = ["bytes", "KiB", "MiB", "GiB", "TiB", "PiB"]
  var unit = 0
  var (whole, rest) = (bytes, UInt64(0))
  while whole >= 1024, unit + 1 < units.count {
    (whole, rest) = whole.quotientAndRemainder(dividingBy: 1024)
    unit += 1
  }
  let tenths = rest * 10 / 1024
  return tenths == 0 ? "\(whole) \(units[unit])" : "\(whole).\(tenths) \(units[unit])"
}

/// `12 s`, `3 min 20 s`, `2 h 5 min`.
package func roughDuration(_ seconds: Double) -> String {
  let whole = Int(max(0, min(seconds, 1e9)))
  if whole < 60 { return "\(whole) s" }
  if whole < 3600 { return whole % 60 == 0 ? "\(whole / 60) min" : "\(whole / 60) min \(whole % 60) s" }
  let minutes = whole % 3600 / 60
  return minutes == 0 ? "\(whole / 3600) h" : "\(whole / 3600) h \(minutes) min"
}
