package import ChangeModel
package import Postgres

/// How an instance of a pipeline is at one moment.
package struct PipelineHealth: Hashable, Sendable {
  /// Of IAM tokens, never the tokens themselves.
  package struct Tokens: Hashable, Sendable {
    package var refreshes: Int
    package var failures: Int
    /// When the current one ends, in seconds since 1970-01-01 UTC; `nil` before the first.
    package var expiresAt: Int64?

    package init(refreshes: Int, failures: Int, expiresAt: Int64?) {
      self.refreshes = refreshes
      self.failures = failures
      self.expiresAt = expiresAt
    }
  }

  package var concurrency: ConcurrencyState.Counts
  package var pool: PoolState.Counts
  package var openings: PoolState.Openings
  /// Rows of merged tables that found their keys held by rows of other tables, since the instance began.
  package var collisions: Int
  /// `nil` when the login is by password.
  package var tokens: Tokens?

  package init(
    concurrency: ConcurrencyState.Counts, pool: PoolState.Counts, openings: PoolState.Openings, collisions: Int = 0,
    tokens: Tokens?
  ) {
    self.concurrency = concurrency
    self.pool = pool
    self.openings = openings
    self.collisions = collisions
    self.tokens = tokens
  }

  /// What the target remembers of it.
  package struct Record: Hashable, Sendable {
    package var health: PipelineHealth
    package var epoch: Int64
    /// Seconds since it was written, by the target's clock.
    package var age: Int
    /// Seconds from now until the current token ends.
    package var tokenLife: Int64?
  }
}

extension StateStore {
  /// Writes how this instance is, unless a newer one has written.
  package func write(
    _ health: PipelineHealth, _ identity: WriterIdentity, _ connection: Connection
  ) throws(Failure) {
    let (concurrency, pool) = (health.concurrency, health.pool)
    let figures: [Int?] = [
      concurrency.inFlight, concurrency.allowed, concurrency.most, concurrency.waiting, pool.total, pool.active,
      pool.idle, pool.waiting, health.openings.opened, health.openings.failed, health.tokens?.refreshes,
      health.tokens?.failures, health.tokens?.expiresAt.map { Int($0) }, health.collisions,
    ]
    let names = Self.healthColumns
    let values = names.indices.map { "$\($0 + 3)::bigint" }.joined(separator: ", ")
    let assignments = (["epoch", "written_at"] + names).map { "\($0)=EXCLUDED.\($0)" }.joined(separator: ", ")
    try connection.query(
      """
      INSERT INTO penstock.health AS h (pipeline, epoch, written_at, \(names.joined(separator: ", ")))
      VALUES ($1, $2::bigint, now(), \(values)) ON CONFLICT (pipeline) DO UPDATE SET \(assignments)
      WHERE h.epoch <= EXCLUDED.epoch
      """, [pipeline, String(identity.epoch)] + figures.map { $0.map { String($0) } })
  }

  /// How the last instance was; `nil` when none has written it, or the state tables are of an older Penstock.
  package func health(_ connection: Connection) throws(Failure) -> PipelineHealth.Record? {
    // The newest of its columns.
    let isThere = try connection.hasRows(
      """
      SELECT 1 FROM pg_catalog.pg_attribute WHERE attrelid=to_regclass('penstock.health') AND attname='collisions'
      AND NOT attisdropped
      """)
    guard isThere else { return nil }
    let rows = try connection.query(
      """
      SELECT epoch, floor(extract(epoch FROM now() - written_at))::bigint,
      token_expires_at - floor(extract(epoch FROM now()))::bigint, \(Self.healthColumns.joined(separator: ", "))
      FROM penstock.health WHERE pipeline=$1
      """, [pipeline])
    guard let row = rows.values.first else { return nil }
    let figures = row.map { $0.flatMap { Int($0) } }
    func figure(_ index: Int) -> Int { figures[index] ?? 0 }
    let tokens = figures[13].map {
      PipelineHealth.Tokens(refreshes: $0, failures: figure(14), expiresAt: figures[15].map { Int64($0) })
    }
    return PipelineHealth.Record(
      health: PipelineHealth(
        concurrency: .init(inFlight: figure(3), allowed: figure(4), most: figure(5), waiting: figure(6)),
        pool: .init(total: figure(7), active: figure(8), idle: figure(9), waiting: figure(10)),
        openings: .init(opened: figure(11), failed: figure(12)), collisions: figure(16), tokens: tokens),
      epoch: Int64(figure(0)), age: max(0, figure(1)), tokenLife: figures[2].map { Int64($0) })
  }

  private static let healthColumns = [
    "in_flight", "allowed", "most", "waiting", "pool_total", "pool_active", "pool_idle", "pool_waiting", "pool_opened",
    "pool_refused", "token_refreshes", "token_failures", "token_expires_at",
    "collisions",
  ]
}
