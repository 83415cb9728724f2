import Apply
import ChangeModel
import ChangeTestKit
import DSQLEmulator
import DSQLSink
import PenstockTestKit
import Postgres
import Runtime
import Synchronization
import Testing

@Suite("Lanes before a target that bears more or less", .serialized)
struct AdaptiveConcurrencyTests {
  private static let ddl = "CREATE TABLE t (c0 int PRIMARY KEY, c1 text)"
  private static let plans = [tablePlan(["int4", "text"], key: [0])]

  /// Sixteen lanes before an emulated cluster.
  private func rig(
    _ limiter: ConcurrencyLimiter, lanes: Int = 16, batchSize: Int = 20,
    _ faults: @escaping (inout EmulatorOptions) -> Void
  ) throws -> Rig {
    var setup = Rig.Setup()
    setup.lanes = lanes
    setup.envelope = .dsql(batchSize: batchSize)
    setup.limiter = limiter
    setup.emulator = faults
    return try Rig(Self.ddl, Self.plans, setup)
  }

  /// Writes so many rows, and tells the numbers that were allowed meanwhile, in order.
  @discardableResult
  private func write(_ count: Int, through rig: Rig) async throws -> [Int] {
    rig.send((0..<count).map { .upsert([Cell("\($0)"), "v"]) })
    let limiter = rig.options.limiter
    let course = Mutex([limiter.counts.allowed])
    let isDone = Atomic(false)
    let executor = ThreadExecutor(name: "watch")
    let watch = Task(executorPreference: executor) {
      while !isDone.load(ordering: .relaxed) {
        let allowed = limiter.counts.allowed
        course.withLock { if $0.last != allowed { $0.append(allowed) } }
        Wakeup().wait(for: .milliseconds(1))
      }
    }
    defer { executor.shutdown() }
    let result = await Result { try await rig.workInParallel() }
    isDone.store(true, ordering: .relaxed)
    await watch.value
    try result.get()
    #expect(try rig.session.query("SELECT count(*), count(DISTINCT c0) FROM t").values == [["\(count)", "\(count)"]])
    return course.withLock { $0 }
  }

  @Test("they become fewer while every other transaction conflicts, and more again when that is over")
  func manyConflicts() async throws {
    let limiter = ConcurrencyLimiter(.init(most: 16))
    let falling = try await write(
      4000,
      through: rig(limiter) {
        $0.faults.conflict = 0.5; $0.commitLatency = .milliseconds(10)
      })
    let rising = try await write(16_000, through: rig(limiter) { $0.commitLatency = .milliseconds(10) })

    #expect(falling.first == 16 && falling.min()! <= 5, "\(falling)")
    #expect(rising.first! <= 8 && rising.contains(16), "\(rising)")
  }

  @Test("a conflict now and then costs little") func fewConflicts() async throws {
    let limiter = ConcurrencyLimiter(.init(most: 16))
    let course = try await write(
      16_000,
      through: rig(limiter) {
        $0.faults.conflict = 0.05; $0.commitLatency = .milliseconds(10)
      })

    #expect(course.contains(15) && course.dropFirst().contains(16), "\(course)")
  }

  @Test("they become fewer while connections are refused, and the rows come all the same") func refusals() async throws
  {
    let limiter = ConcurrencyLimiter(.init(most: 16))
    let course = try await write(4000, through: rig(limiter) { $0.faults.refuseConnect = 0.7 })

    #expect(course.min()! < 16, "\(course)")
  }

  @Test("from a low start they are all at work soon") func start() async throws {
    let limiter = ConcurrencyLimiter(.init(most: 16, start: 2))
    limiter.startLow()
    let course = try await write(16_000, through: rig(limiter) { $0.commitLatency = .milliseconds(10) })

    #expect(course.first == 2 && course.contains(16), "\(course)")
  }

  @Test("all get their turn when one at a time is allowed") func turns() async throws {
    let limiter = ConcurrencyLimiter(.init(most: 1))
    let rig = try rig(limiter, lanes: 12) { _ in }
    rig.send((0..<2000).map { .upsert([Cell("\($0)"), "v"]) })
    try await rig.workInParallel()

    #expect(try rig.session.query("SELECT count(*) FROM t").single == "2000")
    #expect(limiter.counts == ConcurrencyState.Counts(inFlight: 0, allowed: 1, most: 1, waiting: 0))
  }

  @Test("a stop lets those who wait for their turn finish; an interrupt ends the wait") func interrupts() throws {
    let limiter = ConcurrencyLimiter(.init(most: 1))
    let held = try #require(limiter.enter(unless: nil))
    let interrupt = Wakeup()
    interrupt.signal()

    #expect(limiter.enter(unless: interrupt) == nil)
    #expect(limiter.counts.waiting == 0)
    limiter.leave(held)
    #expect(limiter.enter(unless: interrupt) != nil)
  }
}

extension Result where Failure == any Error, Success: Sendable {
  fileprivate init(catching body: () async throws -> Success) async {
    do { self = .success(try await body()) } catch { self = .failure(error) }
  }
}
