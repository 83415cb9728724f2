package import ChangeModel
package import PenstockExtensions
package import Runtime

/// A whole configuration file: values that need no further check.
package struct PipelineSettings: Hashable, Sendable {
  package enum Mode: String, Hashable, Sendable {
    case fullLoadAndCDC = "full-load-and-cdc"
    case fullLoad = "full-load"
    case cdc

    /// Whether existing rows are copied.
    package var loads: Bool { self != .cdc }
    /// Whether the change stream is followed.
    package var follows: Bool { self != .fullLoad }
  }

  package enum Fidelity: String, Hashable, Sendable {
    /// Changes of one key stay in order; parallel lanes.
    case key
    /// Source transactions stay whole and in order; one lane.
    case transaction
  }

  package enum ChunkBy: String, Hashable, Sendable { case auto, key, ctid }

  /// Names slot, publication, state rows and metrics.
  package let name: String
  /// `sink.enable-full-load: false` is already in it.
  package let mode: Mode
  package let fidelity: Fidelity
  /// Bytes of a table that one unit of the full load copies.
  package let chunkSize: Int
  package let chunkBy: ChunkBy
  package let logLevel: Log.Level
  package let logFormat: Log.Format
  package let source: SourceSettings
  package let sink: SinkSettings
  /// In the order of the file; the first that matches a table counts.
  package let routes: [RouteRule]
  /// In the order of the file; the first that matches a table counts.
  package let transforms: [TransformRule]

  /// Where a source table goes: by the first route that matches, else to its own name.
  package func route(of table: TableName) -> TableRoute {
    for route in routes {
      if let route = route.route(of: table) { return route }
    }
    return TableRoute(table.schema.isEmpty ? TableName("public", table.name) : table)
  }

  /// The name of a source table in the target.
  package func target(of table: TableName) -> TableName { route(of: table).target }

  /// What becomes of a source table's rows; `nil` when they stay as they are.
  package func transform(of table: TableName) -> TransformRule? {
    transforms.first { $0.sourceTable.matches(table) }
  }
}

extension PipelineSettings {
  /// Every setting there is without extensions.
  package static let description = description(Extensions())

  /// Every setting there is, with the names of a program's extensions.
  package static func description(_ extensions: Extensions) -> SectionDescription {
    let source = SettingsSource(file: "", environment: [:], extensions: extensions)
    var root = SettingsSection([], path: "", mark: .start, source: source)
    _ = PipelineSettings(&root)
    return root.description
  }

  init(_ root: inout SettingsSection) {
    let pipeline = root.section("pipeline", "What the pipeline is and does.", isRequired: true, PipelinePart.init)
    source = root.section("source", "Where the tables come from.", isRequired: true) { section in
      SourceSettings(&section, pipeline: pipeline.name)
    }
    var mode = pipeline.mode
    sink = root.section("sink", "Where the tables go.", isRequired: true) { section in
      SinkSettings.read(&section, pipeline: pipeline.name, mode: &mode)
    }
    self.mode = mode
    if let own = sink.own, self.mode != .cdc {
      root.report("sink", "type \(own.type) takes changes only; expected pipeline.mode: cdc")
    }
    if let own = sink.own, source.server == nil {
      root.report("sink", "type \(own.type) takes the changes of type: postgres only; expected that in source")
    }
    if case .registered(let type, _) = source.kind, mode != .fullLoadAndCDC {
      root.report("source", "type \(type) gives rows and changes as one; expected pipeline.mode: full-load-and-cdc")
    }
    if source.server == nil {
      for key in pipeline.cutting {
        root.report("pipeline", "\(key) cuts the tables of type: postgres only; expected it to be absent")
      }
      if let method = sink.statedLoadMethod {
        root.report(
          "sink", "load-method: \(method.rawValue) is for loads of type: postgres only; expected it to be absent")
      }
    }
    let naming = source.naming
    if source.dynamodb != nil, pipeline.fidelity == .transaction {
      root.report(
        "pipeline", "fidelity: transaction needs transactions, which a DynamoDB stream does not show; expected key")
    }
    routes = root.rules("route", "Other names for tables in the target, also one for several.", "routed") {
      let rule = RouteRule(&$0, naming)
      return (rule, rule.sourceTable)
    }
    transforms = root.rules("transform", "Other columns for tables in the target, and fewer rows.", "transformed") {
      let rule = TransformRule(&$0, naming)
      return (rule, rule.sourceTable)
    }
    if !transforms.isEmpty, source.server == nil && source.dynamodb == nil || sink.own != nil {
      root.report("transform", "only between type: postgres or dynamodb and a server; expected it to be absent")
    }
    name = pipeline.name
    fidelity = pipeline.fidelity
    chunkSize = pipeline.chunkSize
    chunkBy = pipeline.chunkBy
    logLevel = pipeline.logLevel
    logFormat = pipeline.logFormat
  }
}

extension SettingsSection {
  /// A list of rules, each for the tables of its own `source-table`.
  ///
  /// - Parameter done: what a rule does to its tables, for the message about a second rule for the same ones.
  fileprivate mutating func rules<Rule>(
    _ key: String, _ summary: String, _ done: String, _ read: (inout SettingsSection) -> (Rule, TablePattern)
  ) -> [Rule] {
    var lines: [TablePattern: Int] = [:]
    return sections(key, summary) { section in
      let (rule, tables) = read(&section)
      guard section.problems.isEmpty, let line = section.line("source-table") else { return rule }
      if let first = lines.updateValue(line, forKey: tables) {
        section.report("source-table", "\(done) already on line \(first); expected one rule for it")
      }
      return rule
    }
  }
}

/// The section `pipeline`.
private struct PipelinePart {
  let name: String
  let mode: PipelineSettings.Mode
  let fidelity: PipelineSettings.Fidelity
  let chunkSize: Int
  let chunkBy: PipelineSettings.ChunkBy
  /// The settings of how tables are cut that are in the file.
  let cutting: [String]
  let logLevel: Log.Level
  let logFormat: Log.Format

  init(_ section: inout SettingsSection) {
    name = section.required(
      .text(
        "name", "[a-z0-9_]{1,40}", expected: "1 to 40 characters of a-z, 0-9 and _",
        "The pipeline's name; it names the slot, the publication and the state in the target."))
    mode = section.value(
      .choice(
        "mode",
        ["full-load-and-cdc": PipelineSettings.Mode.fullLoadAndCDC, "full-load": .fullLoad, "cdc": .cdc],
        "Whether to copy existing rows, to follow changes, or both."), default: .fullLoadAndCDC)
    fidelity = section.value(
      .choice(
        "fidelity", ["key": PipelineSettings.Fidelity.key, "transaction": .transaction],
        "What stays in order: the changes of one key, in parallel lanes, or whole source transactions, in one lane."),
      default: .key)
    chunkSize = section.value(
      .byteSize("chunk-size", in: 8192...(16 << 30), "How much of a table one unit of the full load copies."),
      default: 32 << 20)
    chunkBy = section.value(
      .choice(
        "chunk-by", ["auto": PipelineSettings.ChunkBy.auto, "key": .key, "ctid": .ctid],
        "How tables are cut for the full load: by ranges of the key or by physical position."), default: .auto)
    cutting = ["chunk-size", "chunk-by"].filter(section.isGiven)
    logLevel = section.value(
      .choice(
        "log-level", ["error": Log.Level.error, "warning": .warning, "info": .info, "debug": .debug],
        "The least important messages that are still logged."), default: .info)
    logFormat = section.value(
      .choice("log-format", ["text": Log.Format.text, "json": .json], "The form of log lines on standard error."),
      default: .text)
  }
}
