import ChangeModel
import DSQLSink
import DynamoDBSource
import FullLoad
import Glibc
import Operations
import Pipeline
import Postgres
import PostgresSource
import Runtime
import SQLMapping
import Settings

/// `penstock check`: 1 when a finding is an error.
func checkPipeline(
  _ settings: PipelineSettings, _ surroundings: Surroundings, json: Bool, log: Log
) async -> Int32 {
  do throws(Failure) {
    let found = try await onThread("check") { () throws(Failure) in
      try await findings(settings, Endpoints(settings, surroundings, log: log), log)
    }
    writeAll(json ? jsonDocument(found) : text(found), to: STDOUT_FILENO)
    return found.contains { $0.severity == .error } ? 1 : 0
  } catch {
    log.error("\(error)")
    return error.exitCode
  }
}

/// `penstock plan`.
func planPipeline(_ settings: PipelineSettings, _ surroundings: Surroundings, log: Log) async -> Int32 {
  do throws(Failure) {
    let report = try await onThread("plan") { () throws(Failure) in
      try await plan(settings, Endpoints(settings, surroundings, log: log), log)
    }
    writeAll(report, to: STDOUT_FILENO)
    return 0
  } catch {
    log.error("\(error)")
    return error.exitCode
  }
}

private func findings(
  _ settings: PipelineSettings, _ endpoints: Endpoints, _ log: Log
) async throws(Failure) -> [Finding] {
  if let source = endpoints.ownSource {
    let preparation = try await Preparation(settings, source, endpoints.sink.dialect)
    return sorted(
      try TargetCheck(settings, endpoints).findings(preparation.mappings, sourceIdentity: preparation.sourceIdentity))
  }
  if let source = endpoints.dynamodb {
    return sorted(try await DynamoDBCheck(settings, source, endpoints, log: log).findings())
  }
  let source = try Connection(InstanceProbe.observing(endpoints.source))
  let request = CheckRequest(
    slotName: settings.source.slotName, publicationName: settings.source.publicationName,
    followsChanges: settings.mode.follows, sessions: settings.sink.parallelism + 3, dialect: endpoints.sink.dialect)
  let facts = try SourceFacts.read(source, for: request) { settings.source.selects($0) }
  let mapper = SchemaMapper(dialect: endpoints.sink.dialect, followsChanges: settings.mode.follows)
  // A table that can't be mapped is a finding of the source's rules.
  let mappable = facts.catalog.tables.filter { table in
    // One whose transform is wrong is no finding about a table.
    settings.transform(of: table.name) != nil || (try? mapper.mapTable(table, target: table.name)) != nil
  }
  let mappings = try mapper.mapSchema(mappable, settings)
  // Reading the identity needs a right that a run needs too; without it the comparison is left out.
  let identity = try? ReplicationSlot.sourceIdentity(source)
  let found =
    SourceCheck.findings(facts, request)
    + (endpoints.ownSink == nil
      ? try TargetCheck(settings, endpoints).findings(mappings, sourceIdentity: identity) : [])
  return sorted(found)
}

private func sorted(_ findings: [Finding]) -> [Finding] {
  FindingSeverity.allCases.flatMap { severity in findings.filter { $0.severity == severity } }
}

private func text(_ findings: [Finding]) -> String {
  let counts = FindingSeverity.allCases.map { severity in
    (severity, findings.count { $0.severity == severity })
  }
  let summary = counts.map { "\($1) \($0.rawValue)\($1 == 1 || $0 == .info ? "" : "s")" }.joined(separator: ", ")
  return findings.map { "\($0)\n" }.joined() + summary + "\n"
}

private func jsonDocument(_ findings: [Finding]) -> String {
  let rows = findings.map { finding in
    """
    {"id":\(jsonString(finding.id.rawValue)),"severity":\(jsonString(finding.severity.rawValue)),\
    "subject":\(jsonString(finding.subject)),"evidence":\(jsonString(finding.evidence)),"fix":\(jsonString(finding.fix))}
    """
  }
  let hasErrors = findings.contains { $0.severity == .error }
  return "{\"ok\":\(!hasErrors),\"findings\":[\(rows.joined(separator: ","))]}\n"
}

private func plan(
  _ settings: PipelineSettings, _ endpoints: Endpoints, _ log: Log
) async throws(Failure) -> String {
  if let source = endpoints.ownSource {
    let mappings = try await Preparation(settings, source, endpoints.sink.dialect).mappings
    return PlanReport(mappings, by: SchemaMapper(dialect: endpoints.sink.dialect)).description
  }
  if let source = endpoints.dynamodb {
    let preparation = try await Preparation(
      settings, source.settings, source.service(),
      inferences: Preparation.knownInferences(settings, endpoints, log: log), dialect: endpoints.sink.dialect)
    var notes: [TableName: [String]] = [:]
    for item in preparation.items { notes[item.mapping.table] = item.notes }
    return PlanReport(preparation.mappings, by: SchemaMapper(dialect: endpoints.sink.dialect), notes: notes).description
  }
  let preparation = try Preparation(settings, endpoints)
  let source = try Connection(InstanceProbe.observing(endpoints.source))
  var notes: [TableName: [String]] = [:]
  for (index, mapping) in preparation.mappings.enumerated() where settings.mode.loads {
    let chunks = try ChunkPlanner(settings).splitTableIntoChunks(mapping, index: index, source)
    notes[mapping.source.name] = [chunkNote(chunks, mapping)]
  }
  let mapper = SchemaMapper(dialect: endpoints.sink.dialect, followsChanges: settings.mode.follows)
  let leftOut = preparation.uncopied.map { "left out: \($0)\n" }.joined()
  return PlanReport(preparation.mappings, by: mapper, notes: notes).description
    + (leftOut.isEmpty ? "" : "\n" + leftOut)
}

/// Such as `24 chunks of about 32 MiB, cut by physical position`.
private func chunkNote(_ chunks: [Chunk], _ mapping: TableMapping) -> String {
  guard chunks.count > 1 else { return "loaded in one piece" }
  let size = binarySize(chunks.reduce(0) { $0 + $1.bytesEstimate } / UInt64(chunks.count))
  let kinds = Set(chunks.map(\.kind))
  let way =
    kinds.contains(.ctid)
    ? "cut by physical position" : kinds.contains(.key) ? "cut by ranges of the key" : "one for each partition"
  return "\(chunks.count) chunks of about \(size), \(way)"
}
