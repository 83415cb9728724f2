internal import ChangeModel
internal import Runtime

extension VerificationReport: CustomStringConvertible {
  /// Keys that are printed of one table.
  private static let printedMax = 100

  package var description: String {
    var lines: [String] = []
    for table in tables {
      lines.append("\(table.place): \(table.counts), \(table.verdict), \(table.pace)")
      lines += table.differences.prefix(Self.printedMax).map { "  \(table.source) \($0)" }
      let more = table.differences.count - Self.printedMax
      if more > 0 { lines.append("  ... and \(more) more") }
      if table.overlooked > 0 {
        lines.append("  \(table.overlooked) more rows differed at the first look; too many to be looked at again")
      }
    }
    if let standstill, !isEqual {
      lines.append("changes on their way may be among these: \(standstill)")
    }
    if isEqual {
      lines.append("source and target are equal")
    } else {
      let count = tables.count { $0.differing > 0 }
      lines.append(
        "\(differing) \(differing == 1 ? "row differs" : "rows differ") in \(count) \(count == 1 ? "table" : "tables")")
    }
    return lines.joined(separator: "\n") + "\n"
  }

  /// The same as one JSON document.
  package var json: String {
    let rows = tables.map { table in
      """
      {"source":\(jsonString(table.source.description)),"target":\(jsonString(table.target.description)),\
      "sourceRows":\(table.sourceRows),"targetRows":\(table.targetRows),"bytes":\(table.bytes),\
      "seconds":\(table.elapsed.seconds),"differing":\(table.differing),"notLookedAtAgain":\(table.overlooked),\
      "differences":[\(table.differences.map(\.json).joined(separator: ","))]}
      """
    }
    return """
      {"equal":\(isEqual),"differing":\(differing),"seconds":\(elapsed.seconds),\
      "standstill":\(standstill.map(jsonString) ?? "null"),"tables":[\(rows.joined(separator: ","))]}

      """
  }
}

extension VerificationReport.Table {
  fileprivate var place: String { source == target ? "\(source)" : "\(source) -> \(target)" }

  fileprivate var counts: String {
    sourceRows == targetRows ? "\(sourceRows) rows" : "\(sourceRows) rows in the source, \(targetRows) in the target"
  }

  fileprivate var verdict: String {
    switch differing {
    case 0: "equal"
    case 1: "1 differs"
    default: "\(differing) differ"
    }
  }

  fileprivate var pace: String {
    let seconds = max(0.001, elapsed.seconds)
    return "\((seconds * 10).rounded() / 10) s, \(Int(Double(max(sourceRows, targetRows)) / seconds)) rows/s"
  }
}

extension RowDifference: CustomStringConvertible {
  package var description: String {
    if let copies {
      let digest = copies.digest.prefix(8).map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
      return "(row without a key, digest \(digest)): \(copies.source) in the source, \(copies.target) in the target"
    }
    let parts = key.map { "\($0.name)=\($0.isNumber ? $0.text : "'\($0.text)'")" }
    return "(\(parts.joined(separator: ", "))): \(verdict)"
  }

  private var verdict: String {
    switch kind {
    case .missing: "missing in target"
    case .extra: "extra in target"
    case .different:
      columns.isEmpty
        ? "differs"
        : "differs in \(columns.count == 1 ? "column" : "columns") \(columns.joined(separator: ", "))"
    case .unsettled: "changed at every look, so it could not be compared"
    }
  }

  fileprivate var json: String {
    let parts = key.map { "\(jsonString($0.name)):\(jsonString($0.text))" }
    var fields = ["\"kind\":\"\(kind.rawValue)\"", "\"key\":{\(parts.joined(separator: ","))}"]
    if !columns.isEmpty { fields.append("\"columns\":[\(columns.map(jsonString).joined(separator: ","))]") }
    if let copies { fields.append("\"sourceCopies\":\(copies.source),\"targetCopies\":\(copies.target)") }
    return "{\(fields.joined(separator: ","))}"
  }
}
