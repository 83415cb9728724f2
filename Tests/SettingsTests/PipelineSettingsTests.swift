import ChangeModel
import Runtime
import Settings
import Testing

/// Parses a configuration given as text, under the name `p.yaml`.
func parse(_ text: String, _ environment: [String: String] = [:]) throws(SettingsProblems) -> PipelineSettings {
  try PipelineSettings.parse(Array(text.utf8), file: "p.yaml", environment: environment)
}

@Suite("A correct file") struct PipelineSettingsTests {
  /// A file that gives nearly every setting, none by its default.
  static let fullText = """
    pipeline:
      { name: orders, mode: cdc, fidelity: transaction, chunk-size: 8MiB, chunk-by: ctid, log-level: debug, log-format: json }
    source:
      type: postgres
      hostname: db.internal
      port: 5433
      database-name: shop
      username: penstock
      password: ${SHOP_PASSWORD:-secret}
      ssl-mode: verify-full
      ssl-root-cert: /etc/ssl/shop.pem
      connect-timeout-ms: 2500
      tables: [public.*, "billing.invoice_*", '"My Schema"."Odd.Name"']
      exclude-tables: [public.audit]
    sink:
      type: dsql
      host: abcdefghijklmnopqrstuvwxyz.dsql.us-east-1.on.aws
      admin-user: true
      max-pool-size: 30
      connection-max-lifetime: 45m
      parallelism: 8
      batch-size: 2000
      flush-interval-ms: 500
      load-method: copy
      pipelining: false
      adaptive-concurrency: false
      buffer-size: 67108864
      on-error: dead-letter
      dead-letter-classes: [data, size]
      dead-letter-limit: 7
      retry: { initial-delay: 50ms, max-delay: 1min, max-elapsed: 0 }
    route:
      - { source-table: public.orders, sink-table: app.orders }
      - source-table: billing.*
        sink-table: app.*
    """

  @Test("a small file gets every default") func defaults() throws {
    let settings = try parse(
      """
      source:
        type: postgres
        url: postgresql://postgres@127.0.0.1:5433/bench
        publication-name: bench_pub
        slot-name: bench_penstock
        tables: [public.narrow, public.wide]
      sink:
        type: postgres
        url: postgresql://postgres@127.0.0.1:5434/bench
      pipeline:
        name: bench
      """)

    #expect(settings.name == "bench")
    #expect(settings.mode == .fullLoadAndCDC)
    #expect(settings.fidelity == .key)
    #expect(settings.chunkSize == 32 << 20)
    #expect(settings.chunkBy == .auto)
    #expect(settings.logLevel == .info)
    #expect(settings.logFormat == .text)
    #expect(settings.source.server?.description == "postgresql://postgres@127.0.0.1:5433/bench")
    #expect(settings.source.server?.sslMode == .prefer)
    #expect(settings.source.server?.connectTimeout == .seconds(10))
    #expect(settings.source.tables.map(\.description) == ["public.narrow", "public.wide"])
    #expect(settings.source.slotName == "bench_penstock")
    #expect(settings.source.publicationName == "bench_pub")
    #expect(settings.sink.kind == .postgres)
    #expect(settings.sink.iam == nil)
    #expect(settings.sink.pool.maxSize == 20)
    #expect(settings.sink.pool.maxLifetime == .seconds(59 * 60))
    #expect(settings.sink.parallelism == 4)
    #expect(settings.sink.adaptsConcurrency)
    #expect(settings.sink.batchSize == 5000)
    #expect(settings.sink.flushInterval == .seconds(1))
    #expect(settings.sink.loadMethod == .copy)
    #expect(settings.sink.usesPipelining)
    #expect(settings.sink.bufferSize == 16 << 20)
    #expect(settings.sink.refusedRows.parkedClasses == [])
    #expect(settings.sink.refusedRows.perMinute == 100)
    #expect(
      settings.sink.retry
        == Backoff.Limits(initialDelay: .milliseconds(100), maxDelay: .seconds(30), maxElapsed: .seconds(600)))
    #expect(settings.routes.isEmpty)
  }

  @Test("a full file is read whole") func full() throws {
    let settings = try parse(Self.fullText, ["SHOP_PASSWORD": "x: y"])

    #expect(settings.mode == .cdc)
    #expect(settings.fidelity == .transaction)
    #expect(settings.chunkSize == 8 << 20)
    #expect(settings.logLevel == .debug)
    #expect(settings.logFormat == .json)
    #expect(settings.source.server?.password?.revealed == "x: y")
    #expect(settings.source.server?.connectTimeout == .milliseconds(2500))
    #expect(settings.source.server?.sslRootCertificate == "/etc/ssl/shop.pem")
    #expect(settings.source.slotName == "penstock_orders")
    #expect(settings.source.selects(TableName("My Schema", "Odd.Name")))
    #expect(settings.source.selects(TableName("public", "orders")))
    #expect(!settings.source.selects(TableName("public", "audit")))
    #expect(settings.sink.kind == .dsql)
    #expect(settings.sink.server.username == "admin")
    #expect(settings.sink.server.database == "postgres")
    #expect(settings.sink.server.sslMode == .verifyFull)
    #expect(settings.sink.server.sslRootCertificate == "system")
    #expect(settings.sink.iam == IAMLogin(sessionName: "penstock-\(settings.name)"))
    #expect(settings.sink.pool.maxLifetime == .seconds(45 * 60))
    #expect(settings.sink.flushInterval == .milliseconds(500))
    #expect(!settings.sink.usesPipelining)
    #expect(!settings.sink.adaptsConcurrency)
    #expect(settings.sink.bufferSize == 64 << 20)
    #expect(settings.sink.refusedRows.parkedClasses == [.data, .size])
    #expect(settings.sink.refusedRows.perMinute == 7)
    #expect(settings.sink.retry.maxElapsed == nil)
    #expect(settings.target(of: TableName("public", "orders")) == TableName("app", "orders"))
    #expect(settings.target(of: TableName("billing", "invoice")) == TableName("app", "invoice"))
    #expect(settings.target(of: TableName("public", "users")) == TableName("public", "users"))
    #expect(settings.route(of: TableName("public", "users")).merging == nil)
  }

  @Test(
    "what a route says about tables that share a target, and about the target's indexes",
    arguments: [
      ("{ source-table: a.t, sink-table: b.t }", TableRoute.Merging(), []),
      ("{ source-table: a.*, sink-table: b.* }", TableRoute.Merging(), []),
      ("{ source-table: a.*, sink-table: b.t }", TableRoute.Merging(isForMany: true), []),
      (
        "{ source-table: '*.t', sink-table: b.*, on-collision: keep-first, origin-column: o, indexes: [[x], [y, Z]] }",
        TableRoute.Merging(policy: .keepFirst, originColumn: "o", isForMany: true), [["x"], ["y", "Z"]]
      ),
    ])
  func merging(route: String, merging: TableRoute.Merging, indexes: [[String]]) throws {
    let settings = try parse(
      """
      pipeline: { name: a }
      source: { type: postgres, url: 'postgresql://u@h/d', tables: [a.t] }
      sink: { type: postgres, url: 'postgresql://u@h/d' }
      route: [\(route)]
      """)

    #expect(
      settings.route(of: TableName("a", "t")) == TableRoute(TableName("b", "t"), merging: merging, indexes: indexes))
  }

  @Test("no way of printing the settings shows a password") func secrets() throws {
    let settings = try parse(
      """
      pipeline: { name: a }
      source: { type: postgres, url: 'postgresql://u:hunter2@h/d', tables: [a.b] }
      sink: { type: postgres, host: h, username: u, password: hunter3 }
      """)
    var dumped = ""
    dump(settings, to: &dumped)

    #expect(settings.source.server?.password?.revealed == "hunter2")
    #expect(settings.sink.server.password?.revealed == "hunter3")
    let server = try #require(settings.source.server)
    for text in [dumped, "\(settings)", String(reflecting: settings), server.description] {
      #expect(!text.contains("hunter"))
    }
    #expect(!server.parameters.contains { $0.value.contains("hunter") })
  }
}
