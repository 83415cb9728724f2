import Apply
import ChangeModel
import ChangeTestKit
import DSQLSink
import PenstockTestKit
import Postgres
import Runtime
import Testing

@Suite("A pool of real connections")
struct SinkPoolTests {
  private func pool(
    max: Int = 2, min: Int = 0, lifetime: Duration = .seconds(60), acquire: Duration = .seconds(30), port: Int? = nil
  ) throws -> SinkPool {
    let cluster = try TestCluster.shared
    return SinkPool(
      ConnectionSettings(
        role: .sink,
        parameters: [
          ("host", "127.0.0.1"), ("port", "\(port ?? cluster.port)"), ("user", "postgres"), ("dbname", "postgres"),
        ]),
      PoolState.Limits(maxSize: max, minSize: min, lifetime: lifetime, acquireTimeout: acquire))
  }

  @Test("a connection given back is used again, with what was prepared in it")
  func reuse() throws {
    let pool = try pool()
    let first = try pool.acquire()
    let pid = first.connection.backendPID
    pool.giveBack(first, isUsable: true)
    let second = try pool.acquire()

    #expect(second.connection.backendPID == pid)
    #expect(pool.counts == PoolState.Counts(total: 1, active: 1, idle: 0, waiting: 0))
  }

  @Test("a connection that the server ended, or that was left in a transaction, is replaced")
  func broken() throws {
    let pool = try pool(max: 1)
    let first = try pool.acquire()
    let pid = first.connection.backendPID
    pool.giveBack(first, isUsable: true)
    try TestCluster.shared.psql("SELECT pg_terminate_backend(\(pid), 10000)")
    let second = try pool.acquire()
    #expect(try second.connection.query("BEGIN").count == 0)
    pool.giveBack(second, isUsable: true)
    let third = try pool.acquire()

    #expect(third.connection.backendPID != second.connection.backendPID)
    #expect(pid != second.connection.backendPID)
    #expect(pool.counts.total == 1)
  }

  @Test("who waits too long is told how the pool stands")
  func exhausted() throws {
    let pool = try pool(max: 1, acquire: .milliseconds(50))
    let lease = try pool.acquire()
    let failure = #expect(throws: Failure.self) { _ = try pool.acquire() }
    pool.giveBack(lease, isUsable: true)

    #expect(
      failure?.message == "no connection became free in time: 1 open, 1 active, 0 idle, 1 waiting")
    #expect(failure?.isTransient == true)
    #expect(pool.counts == PoolState.Counts(total: 1, active: 0, idle: 1, waiting: 0))
  }

  @Test("a connection that could not be opened leaves no trace but the pause before the next")
  func refused() throws {
    let pool = try pool(max: 1, acquire: .seconds(5), port: freePort())
    for _ in 0..<3 {
      let failure = #expect(throws: Failure.self) { _ = try pool.acquire() }
      #expect(failure?.isTransient == true)
      #expect(pool.counts == PoolState.Counts(total: 0))
    }
  }

  @Test("a stop ends the wait for a connection")
  func interrupted() throws {
    let pool = try pool(max: 1)
    let lease = try pool.acquire()
    let end = Wakeup()
    end.signal()
    let failure = #expect(throws: Failure.self) { _ = try pool.acquire(end: end) }
    pool.giveBack(lease, isUsable: true)

    #expect(failure?.message == "interrupted")
    #expect(pool.counts.waiting == 0)
  }

  @Test("the smallest number is opened ahead, and replaced when it has grown old")
  func ahead() async throws {
    let pool = try pool(max: 3, min: 2, lifetime: .milliseconds(300))
    try pool.tend()
    #expect(pool.counts == PoolState.Counts(total: 2, active: 0, idle: 2, waiting: 0))
    let lease = try pool.acquire()
    let pid = lease.connection.backendPID
    pool.giveBack(lease, isUsable: true)
    try await eventually("the connection to grow old") {
      try pool.tend()
      let lease = try pool.acquire()
      defer { pool.giveBack(lease, isUsable: true) }
      return lease.connection.backendPID != pid
    }
    #expect(pool.counts.total <= 3)
  }

  @Test("many writers share few connections, and each gets its turn")
  func sharing() throws {
    var setup = Rig.Setup()
    setup.lanes = 6
    setup.pool = PoolState.Limits(maxSize: 2, lifetime: .milliseconds(40), acquireTimeout: .seconds(60))
    setup.emulator = { _ in }
    let rig = try Rig("CREATE TABLE t (c0 int PRIMARY KEY, c1 text)", [tablePlan(["int4", "text"], key: [0])], setup)
    for round in 0..<20 {
      rig.send((0..<30).map { .upsert([Cell("\(round * 30 + $0)"), "v"]) })
      try rig.work()
    }

    #expect(try rig.session.query("SELECT count(*) FROM t").single == "600")
    #expect(rig.pool.counts.total <= 2)
  }
}
