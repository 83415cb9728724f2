internal import ChangeModel
internal import DSQLSink
internal import PostgresSource
internal import Runtime

extension StatusReport: CustomStringConvertible {
  package var description: String {
    var lines = [line("pipeline", pipeline)]
    switch target {
    case nil: break
    case .failure(let failure)?: lines.append(line("target", failure.message))
    case .success(let target)? where target.state == nil:
      lines.append(line("state", "none in the target: this pipeline has never run, or was reset"))
    case .success(let target)?: lines += describe(target)
    }
    switch source {
    case .failure(let failure)?: lines.append(line("source", failure.message))
    case .success(let source)?: lines += describe(source)
    case nil: break
    }
    if let tables = try? target?.get().tables, !tables.isEmpty { lines += [""] + table(tables) }
    return lines.joined(separator: "\n") + "\n"
  }

  private func line(_ name: String, _ text: String) -> String {
    name + ":" + String(repeating: " ", count: 11 - name.count) + text
  }

  private func describe(_ target: Target) -> [String] {
    guard let state = target.state else { return [] }
    var phase = state.phase.rawValue
    if state.phase != .streaming, let mark = state.highMark, mark != LSN(.max) { phase += ", to pass \(mark)" }
    var lines = [line("phase", phase), line("epoch", "\(state.epoch)")]
    if let lowest = target.lanes.min(), let highest = target.lanes.max() {
      let span = lowest == highest ? "committed at \(lowest)" : "committed from \(lowest) to \(highest)"
      lines.append(line("lanes", "\(target.lanes.count), \(highest == .zero ? "no change yet" : span)"))
    }
    if target.parkedLetters > 0 {
      lines.append(
        line("refused", "\(grouped(target.parkedLetters)) rows wait as dead letters; see penstock dlq list"))
    }
    if let record = target.health { lines += describe(record, state.phase) }
    return lines
  }

  private func describe(_ record: PipelineHealth.Record, _ phase: PipelineState.Phase) -> [String] {
    let (concurrency, pool, openings) = (record.health.concurrency, record.health.pool, record.health.openings)
    let writers = phase == .loading ? "load writers" : "lanes"
    var lines = [
      line("measured", "\(roughDuration(Double(record.age))) ago"),
      line(
        "writing",
        "\(concurrency.inFlight) \(writers) at work, \(concurrency.waiting) waiting, \(concurrency.allowed) of "
          + "\(concurrency.most) allowed"),
      line(
        "pool",
        "\(pool.total) connections, \(pool.active) active, \(pool.idle) idle, \(pool.waiting) waiting; "
          + "\(grouped(openings.opened)) opened, \(grouped(openings.failed)) refused"),
    ]
    if record.health.collisions > 0 {
      lines.append(line("collisions", "\(grouped(record.health.collisions)) rows had keys of other tables' rows"))
    }
    if let tokens = record.health.tokens {
      let end = record.tokenLife.map { life in
        life > 0 ? "; the current one ends in \(roughDuration(Double(life)))" : "; the last one has ended"
      }
      lines.append(line("tokens", "\(tokens.refreshes) signed, \(tokens.failures) failed\(end ?? "")"))
    }
    return lines
  }

  private func describe(_ source: Source) -> [String] {
    var lines = [line("instance", source.instance.summary)]
    guard let slot = source.instance.slot else {
      return lines + [line("slot", "\(slotName) does not exist")]
    }
    var text = "\(slot.name), confirmed \(slot.confirmedFlush), log ends at \(source.end)"
    if !slot.walStatus.isEmpty { text += ", \(slot.walStatus)" }
    lines.append(line("slot", text))
    lines.append(line("lag", binarySize(lag ?? 0)))
    if let retained = source.retained {
      let budget = source.budget.map { ", \(binarySize(UInt64(max(0, $0)))) more before the slot is lost" }
      lines.append(line("kept log", binarySize(retained) + (budget ?? ", no limit is set")))
    }
    return lines
  }

  private func table(_ tables: [Table]) -> [String] {
    let header = ["table", "state", "rows loaded", "chunks", ""]
    let rows = tables.map { table in
      [
        table.source == table.target ? table.source : "\(table.source) -> \(table.target)", table.state,
        grouped(table.rows), "\(table.chunksDone) of \(table.chunks)",
        table.indexesBuilt || table.chunksDone < table.chunks ? "" : "indexes to build",
      ]
    }
    let widths = header.indices.map { field in ([header] + rows).map { $0[field].count }.max() ?? 0 }
    return ([header] + rows).map { row in
      var text = zip(row, widths).map { $0 + String(repeating: " ", count: $1 - $0.count) }.joined(separator: "  ")
      while text.last == " " { text.removeLast() }
      return text
    }
  }

  /// The same as one JSON document on one line. Sides that did not answer are `null`, with their failure beside.
  package var json: String {
    var fields = ["\"pipeline\":\(jsonString(pipeline))"]
    switch target {
    case nil: break
    case .failure(let failure)?: fields.append("\"targetFailure\":\(jsonString(failure.message))")
    case .success(let target)?: fields += json(target)
    }
    switch source {
    case .failure(let failure)?: fields.append("\"sourceFailure\":\(jsonString(failure.message))")
    case .success(let source)?: fields += json(source)
    case nil: break
    }
    return "{" + fields.joined(separator: ",") + "}\n"
  }

  private func json(_ target: Target) -> [String] {
    guard let state = target.state else { return ["\"phase\":null"] }
    let tables = target.tables.map { table in
      """
      {"source":\(jsonString(table.source)),"target":\(jsonString(table.target)),"state":\(jsonString(table.state)),\
      "rows":\(table.rows),"chunks":\(table.chunks),"chunksDone":\(table.chunksDone),"indexesBuilt":\(table.indexesBuilt)}
      """
    }
    return [
      "\"phase\":\(jsonString(state.phase.rawValue))", "\"epoch\":\(state.epoch)",
      "\"deadLetters\":\(target.parkedLetters)",
      "\"health\":\(target.health.map(json) ?? "null")",
      "\"lanes\":[\(target.lanes.map { jsonString($0.description) }.joined(separator: ","))]",
      "\"tables\":[\(tables.joined(separator: ","))]",
    ]
  }

  private func json(_ record: PipelineHealth.Record) -> String {
    let (concurrency, pool, openings) = (record.health.concurrency, record.health.pool, record.health.openings)
    let tokens = record.health.tokens.map { tokens in
      """
      {"refreshes":\(tokens.refreshes),"failures":\(tokens.failures),\
      "expiresInSeconds":\(record.tokenLife.map { String($0) } ?? "null")}
      """
    }
    return """
      {"ageSeconds":\(record.age),"epoch":\(record.epoch),\
      "concurrency":{"inFlight":\(concurrency.inFlight),"waiting":\(concurrency.waiting),\
      "allowed":\(concurrency.allowed),"most":\(concurrency.most)},\
      "pool":{"total":\(pool.total),"active":\(pool.active),"idle":\(pool.idle),"waiting":\(pool.waiting),\
      "opened":\(openings.opened),"refused":\(openings.failed)},\
      "collisions":\(record.health.collisions),"tokens":\(tokens ?? "null")}
      """
  }

  private func json(_ source: Source) -> [String] {
    var fields = ["\"running\":\(source.instance.isRunning)", "\"logEnd\":\(jsonString(source.end.description))"]
    guard let slot = source.instance.slot else { return fields + ["\"slot\":null"] }
    fields.append(
      """
      "slot":{"name":\(jsonString(slot.name)),"confirmed":\(jsonString(slot.confirmedFlush.description)),\
      "walStatus":\(jsonString(slot.walStatus)),"activePID":\(slot.activePID.map(String.init) ?? "null"),\
      "lagBytes":\(lag ?? 0),"keptBytes":\(source.retained.map { String($0) } ?? "null"),\
      "budgetBytes":\(source.budget.map { String($0) } ?? "null")}
      """)
    return fields
  }
}

extension InstanceProbe {
  /// Such as `running, process 4711 of the source reads the slot`.
  var summary: String {
    if let pid = slot?.activePID { return "running, process \(pid) of the source reads the slot" }
    if sessions.isEmpty { return "not running" }
    return "running, with \(sessions.count) \(sessions.count == 1 ? "session" : "sessions") on the source"
  }
}
