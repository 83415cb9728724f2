package import AWS
internal import Apply
package import ChangeModel
package import DSQLSink
package import Postgres
package import Runtime
internal import SQLMapping
package import Settings

/// How the two sides of a pipeline are reached, made from its settings.
package struct Endpoints: Sendable {
  /// Queries and COPY. Of a registered source it leads nowhere: every connect is refused with the reason.
  package let source: ConnectionSettings
  /// The same with the replication protocol.
  package let replication: ConnectionSettings
  /// A registered source, in place of a server.
  package let ownSource: OwnSource?
  /// A DynamoDB source, in place of a server.
  package let dynamodb: DynamoDBAccess?
  /// A registered sink, in place of a server.
  package let ownSink: OwnSink?
  /// Of a registered sink it leads nowhere, as `source` does.
  package let sink: SinkOptions
  /// How the sink's tokens are made; `nil` when its login is not by IAM.
  package let login: DSQLLogin?
  /// Who gives the sink's passwords.
  package let sinkLogin: LoginGate

  /// - Throws: when an extension can't be made.
  package init(_ settings: PipelineSettings, _ surroundings: Surroundings, log: Log) throws(Failure) {
    let retry = settings.sink.retry
    switch settings.source.kind {
    case .postgres(let server, let login):
      source = try Endpoints.sourceConnection(server, surroundings.gate(login, server, role: .source))
      (ownSource, dynamodb) = (nil, nil)
    case .dynamodb(let settings):
      source = Endpoints.noServer("source", "dynamodb", .source)
      ownSource = nil
      dynamodb = DynamoDBAccess(settings, environment: surroundings.environment, retry: retry, log: log)
    case .registered(let type, let options):
      source = Endpoints.noServer("source", type, .source)
      ownSource = try surroundings.source(type, options, pipeline: settings.name)
      dynamodb = nil
    }
    replication = source.adding([("replication", "database")])
    login = Endpoints.login(settings, environment: surroundings.environment, log: log)
    sinkLogin = try surroundings.gate(settings.sink.login, settings.sink.server, role: .sink, tokens: login)
    ownSink = try settings.sink.own.map { own throws(Failure) in
      try surroundings.sink(own, pipeline: settings.name)
    }
    var connection =
      settings.sink.own.map { Endpoints.noServer("sink", $0.type, .sink) }
      ?? Endpoints.sinkConnection(settings, sinkLogin)
    connection.errorPolicy = try surroundings.errorPolicy(settings.sink.errorPolicy)
    sink = SinkOptions(
      dialect: settings.sink.kind == .dsql ? .dsql : .postgres,
      connection: connection,
      envelope: settings.sink.kind == .dsql
        ? .dsql(batchSize: settings.sink.batchSize) : .postgres(batchSize: settings.sink.batchSize),
      pool: PoolState.Limits(settings.sink.pool), limiter: ConcurrencyLimiter(.init(settings.sink)),
      retry: settings.sink.retry,
      isPipelined: settings.sink.usesPipelining,
      deadLetters: DeadLetters(
        classes: settings.sink.refusedRows.parkedClasses, perMinute: settings.sink.refusedRows.perMinute))
  }

  /// A PostgreSQL source's sessions.
  private static func sourceConnection(_ server: ServerSettings, _ gate: LoginGate) -> ConnectionSettings {
    let session = sourceSessionSettings.map { "-c \($0.name)=\($0.value)" }
    let limits = ["statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout"].map { "-c \($0)=0" }
    return ConnectionSettings(
      role: .source,
      parameters: server.parameters + [
        ("options", (session + limits + ["-c synchronize_seqscans=off"]).joined(separator: " "))
      ] + Endpoints.keepalive,
      connectTimeout: server.connectTimeout,
      gate: gate)
  }

  /// For a side that is no server: a command that asks it is told so.
  private static func noServer(_ side: String, _ type: String, _ role: Failure.Kind) -> ConnectionSettings {
    let failure = Failure(
      .configuration, "\(side).type \(type) is no server that this command could ask",
      hint: "docs/extending.md says which commands such a pipeline has.")
    return ConnectionSettings(
      role: role, parameters: [("host", type)], password: { () throws(Failure) in throw failure })
  }

  /// Finds out within a minute that the other side is gone.
  private static let keepalive: [(keyword: String, value: String)] = [
    ("keepalives_idle", "20"), ("keepalives_interval", "10"), ("keepalives_count", "3"), ("tcp_user_timeout", "60000"),
    ("gssencmode", "disable"),
  ]

  private static func sinkConnection(
    _ settings: PipelineSettings, _ gate: LoginGate
  ) -> ConnectionSettings {
    let server = settings.sink.server
    var parameters = server.parameters + keepalive
    if settings.sink.kind == .postgres {
      // DSQL refuses a session that asks for any of these.
      parameters.append(("application_name", "penstock:\(settings.name)"))
      parameters.append(
        (
          "options",
          "-c plan_cache_mode=force_generic_plan -c statement_timeout=0 -c lock_timeout=0 "
            + "-c idle_in_transaction_session_timeout=60s -c tcp_keepalives_idle=20 -c tcp_keepalives_interval=10 "
            + "-c tcp_keepalives_count=3 -c datestyle=ISO -c intervalstyle=postgres -c timezone=UTC"
        ))
    }
    return ConnectionSettings(
      role: .sink, parameters: parameters, connectTimeout: server.connectTimeout, gate: gate)
  }

  /// How the sink's tokens are made; `nil` when its login is not by IAM.
  /// - Parameter lifetimeSeconds: how long they live; `nil` for the usual time.
  package static func login(
    _ settings: PipelineSettings, environment: [String: String], lifetimeSeconds: Int64? = nil, log: Log
  ) -> DSQLLogin? {
    guard let iam = settings.sink.iam else { return nil }
    return DSQLLogin(
      host: settings.sink.server.host, user: settings.sink.server.username, region: iam.region,
      role: iam.role.map { STS.Role(arn: $0, sessionName: iam.sessionName, externalID: iam.externalID) },
      lifetimeSeconds: lifetimeSeconds ?? tokenLifetimeSeconds(environment), environment: environment,
      log: log.named("login"))
  }

  /// How long tokens live. A debug build obeys `PENSTOCK_TOKEN_LIFETIME_SECONDS`, for tests that see them expire.
  private static func tokenLifetimeSeconds(_ environment: [String: String]) -> Int64 {
    #if DEBUG
      if let text = environment["PENSTOCK_TOKEN_LIFETIME_SECONDS"] {
        guard let seconds = Int64(text), seconds > 0 else { preconditionFailure("\(text) is no lifetime of a token") }
        return seconds
      }
    #endif
    return DSQLToken.defaultLifetimeSeconds
  }
}

extension ConcurrencyState.Limits {
  init(_ settings: SinkSettings) {
    // DSQL splits a new table while it is written to; before that, more writers only wait longer.
    self.init(
      most: settings.parallelism, start: settings.kind == .dsql ? 2 : nil, isAdaptive: settings.adaptsConcurrency)
  }
}

extension PoolState.Limits {
  init(_ settings: PoolSettings) {
    self.init(
      maxSize: settings.maxSize, minSize: settings.minSize, lifetime: settings.maxLifetime,
      idleTimeout: settings.idleTimeout, acquireTimeout: settings.acquireTimeout, opensPerSecond: Double(settings.rate))
  }
}
