internal import PenstockExtensions
package import Runtime

/// A sink that a program has registered.
package struct OwnSinkSettings: Hashable, Sendable {
  package let type: String
  package let options: [String: Secret]
}

/// Where the tables go.
package struct SinkSettings: Hashable, Sendable {
  package enum Kind: String, Hashable, Sendable { case dsql, postgres }
  package enum LoadMethod: String, Hashable, Sendable { case insert, copy }

  /// A sink that a program has registered; what is said of a server then means nothing.
  package private(set) var own: OwnSinkSettings?
  package let kind: Kind
  package let server: ServerSettings
  /// How to log in with IAM tokens; `nil` when the login is by password.
  package let iam: IAMLogin?
  package let login: LoginSettings
  package let pool: PoolSettings
  /// Workers of the full load, and lanes of the change stream unless transactions are kept whole.
  package let parallelism: Int
  /// Whether fewer work at a time while the target bears no more.
  package let adaptsConcurrency: Bool
  /// Most rows buffered for one transaction.
  package let batchSize: Int
  package private(set) var flushInterval: Duration
  package let loadMethod: LoadMethod
  /// As the file has it.
  let statedLoadMethod: LoadMethod?
  package let usesPipelining: Bool
  /// Most bytes of changes and rows in memory.
  package private(set) var bufferSize: Int
  package private(set) var retry: Backoff.Limits
  package let refusedRows: RefusedRowSettings
  package let errorPolicy: ErrorPolicySettings
}

extension SinkSettings {
  /// What `ssl-root-cert` is called that means the certificates of the system.
  static let systemCertificates = "system"

  /// - Parameters:
  ///   - pipeline: the pipeline's name.
  ///   - mode: the pipeline's; only changes are followed when `enable-full-load` is false.
  static func read(
    _ section: inout SettingsSection, pipeline: String, mode: inout PipelineSettings.Mode
  ) -> SinkSettings {
    let type = section.required(
      .name(
        "type", builtIn: BuiltInNames.sinks, registered: section.extensions.sinks.keys, kind: "a sink",
        "What the target is; a program of your own can register [other sinks](extending.md#sink)."))
    let options = section.texts("options", "For a registered `type`; what they mean is its own matter.")
    if let kind = Kind(rawValue: type) {
      if section.isGiven("options") {
        section.report("options", "only for a registered type; expected it to be absent")
      }
      return SinkSettings(&section, kind, pipeline: pipeline, mode: &mode)
    }
    var blank = section.blank
    var settings = SinkSettings(&blank, .postgres, pipeline: pipeline, mode: &mode)
    settings.own = OwnSinkSettings(type: type, options: options)
    settings.flushInterval = readFlushInterval(&section)
    settings.bufferSize = readBufferSize(&section)
    settings.retry = readRetry(&section)
    return settings
  }

  private init(
    _ section: inout SettingsSection, _ kind: Kind, pipeline: String, mode: inout PipelineSettings.Mode
  ) {
    self.kind = kind
    server = ServerSettings(
      &section, .sink(kind, pipeline: pipeline, otherTypes: section.extensions.sinks.keys.sorted()))
    let usesIAM = section.optional(
      .boolean("use-iam-auth", "Whether to log in with IAM tokens in place of a password."), absent: "`true` for `dsql`"
    )
    login = LoginSettings(
      &section, of: server, default: usesIAM ?? (kind == .dsql) ? "iam" : "password",
      builtIn: BuiltInNames.authenticationProviders, defaultText: "`iam` for `dsql`, else `password`")
    section.rule(.excludes("auth-provider", ["use-iam-auth"]))
    if kind == .postgres, login.provider == "iam", section.isGiven("auth-provider") {
      section.report("auth-provider", "\"iam\" can't be used with type: postgres; expected password")
    }
    iam = IAMLogin.read(&section, kind, login.provider, pipeline: pipeline)
    section.rule(.onlyWhen(key: "type", value: "postgres", ["url"]))
    section.rule(.onlyWhen(key: "type", value: "dsql", ["admin-user", "use-iam-auth"] + IAMLogin.keys))
    section.rule(
      .choicesWhen(key: "type", value: "dsql", choice: "ssl-mode", ["require", "verify-ca", "verify-full"]))
    pool = PoolSettings(&section)
    mode = Self.readMode(&section, mode)
    parallelism = section.value(
      .integer(
        "parallelism", in: 1...64,
        "Parallel readers and writers of the full load, and parallel lanes of changes."), default: 4)
    adaptsConcurrency = section.value(
      .boolean(
        "adaptive-concurrency",
        "Whether fewer of them write at a time while the target conflicts, refuses connections or grows slow. A load into "
          + "DSQL begins with two, as a new table takes few rows at first."), default: true)
    batchSize = section.value(
      .integer(
        "batch-size", in: 1...100_000,
        "Most rows buffered for one transaction. On DSQL a transaction is cut at 3,000 rows whatever this says."),
      default: 5000)
    flushInterval = Self.readFlushInterval(&section)
    statedLoadMethod = section.optional(
      .choice("load-method", ["insert": LoadMethod.insert, "copy": .copy], "How the full load writes rows."),
      absent: "`insert` for `dsql`, `copy` for `postgres`")
    loadMethod = statedLoadMethod ?? (kind == .dsql ? .insert : .copy)
    usesPipelining = section.value(
      .boolean("pipelining", "Whether all statements of a transaction are sent at once, or one by one."), default: true)
    bufferSize = Self.readBufferSize(&section)
    refusedRows = RefusedRowSettings(&section)
    errorPolicy = ErrorPolicySettings(&section)
    retry = Self.readRetry(&section)
    pool.checkEnough(for: parallelism, &section)
  }

  private static func readFlushInterval(_ section: inout SettingsSection) -> Duration {
    section.value(
      .duration(
        "flush-interval", in: 1...3_600_000,
        "Longest time until what the target has committed is confirmed to the source."), default: .seconds(1))
  }

  private static func readBufferSize(_ section: inout SettingsSection) -> Int {
    section.value(
      .byteSize("buffer-size", in: (1 << 20)...(16 << 30), "Most memory for changes and rows on their way."),
      default: 16 << 20)
  }

  private static func readRetry(_ section: inout SettingsSection) -> Backoff.Limits {
    section.section(
      "retry", "What happens when the source or the target fails or goes away.", Backoff.Limits.read)
  }

  private static func readMode(
    _ section: inout SettingsSection, _ mode: PipelineSettings.Mode
  ) -> PipelineSettings.Mode {
    let loads = section.value(
      .boolean("enable-full-load", "Whether existing rows are copied; `false` is the same as `pipeline.mode: cdc`."),
      default: true)
    if !loads, mode == .fullLoad {
      section.report("enable-full-load", "false although pipeline.mode is full-load; expected true, or another mode")
    }
    return loads ? mode : .cdc
  }
}

extension ServerSettings.Side {
  fileprivate static func sink(_ kind: SinkSettings.Kind, pipeline: String, otherTypes: [String]) -> Self {
    Self(
      otherTypes: otherTypes, applicationName: "penstock:\(pipeline)", hostKey: "host", databaseKey: "database",
      defaultDatabase: "postgres",
      defaultSSLMode: kind == .dsql ? .verifyFull : .prefer,
      sslModeText: "`verify-full` for `dsql`, `prefer` for `postgres`",
      defaultRootCertificate: kind == .dsql ? SinkSettings.systemCertificates : nil,
      rootCertificateText:
        "`\(SinkSettings.systemCertificates)` for `dsql` with `verify-ca` or `verify-full`, else libpq's",
      adminKey: "admin-user")
  }
}

extension Backoff.Limits {
  static func read(_ section: inout SettingsSection) -> Backoff.Limits {
    let initial = section.value(
      .duration("initial-delay", in: 1...60_000, "The wait before the first retry; it doubles from then on."),
      default: .milliseconds(100))
    let longest = section.value(
      .duration("max-delay", in: 1...3_600_000, "The longest wait between two retries."), default: .seconds(30))
    let budget = section.value(
      .duration(
        "max-elapsed", in: 0...604_800_000,
        "How long one failure is retried before the pipeline stops; 0 retries for ever."), default: .seconds(600))
    if initial > longest {
      section.report(
        section.isGiven("initial-delay") ? "initial-delay" : "max-delay",
        "initial-delay is longer than max-delay; expected initial-delay to be the shorter one")
    }
    return Backoff.Limits(
      initialDelay: initial, maxDelay: longest, maxElapsed: budget == .zero ? nil : budget)
  }
}
