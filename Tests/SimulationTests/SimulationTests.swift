import Apply
import ChangeModel
import ChangeTestKit
import Foundation
import PenstockTestKit
import Testing

/// Seeds of this run; `PENSTOCK_SEEDS` asks for more of them.
private let seeds = 0..<UInt64(ProcessInfo.processInfo.environment["PENSTOCK_SEEDS"] ?? "150")!

@Suite("Lanes, folding and fencing in a world that fails")
struct SimulationTests {
  /// Random steps of source, stream, lanes, crashes, takeovers and instances that do not know that they are old.
  private func run(_ seed: UInt64, faults: World.Faults, crashes: Bool) -> (World, History) {
    var random = SeededGenerator(seed: seed)
    let world = World(seed: seed &+ 7)
    world.faults = faults
    let history = History(seed: seed)
    let envelope = Envelope(
      rowsMax: .random(in: 2...30, using: &random), bytesAim: .random(in: 100...2000, using: &random),
      bytesMax: 4000)
    func start() -> Instance {
      Instance(
        world, history, lanes: .random(in: 1...5, using: &random), envelope: envelope,
        bytesMax: [.max, 4000, 500].randomElement(using: &random)!)
    }
    var current = start()
    var zombies: [Instance] = []
    for _ in 0..<600 {
      switch Int.random(in: 0..<100, using: &random) {
      case 0..<12: history.step()
      case 12..<50: current.receive()
      case 50..<60: current.flush()
      case 60..<90: current.work(.random(in: 0..<60, using: &random))
      case 90..<95: current.confirm()
      case 95..<99:
        if let zombie = zombies.randomElement(using: &random) {
          zombie.flush()
          zombie.work(.random(in: 0..<60, using: &random))
        }
      default:
        guard crashes else { continue }
        // Killed, or cut off and taken over while it still runs.
        if Bool.random(using: &random) { zombies.append(current) }
        current = start()
      }
      if let failure = current.failure {
        guard isCrash(failure, seed) else { return (world, history) }
        current = start()
      }
    }
    finish(&current, seed, start)
    for zombie in zombies { for lane in 0..<5 { zombie.work(lane) } }
    return (world, history)
  }

  /// Whether another instance, or another attempt of this one, may go on.
  private func isCrash(_ failure: Failure, _ seed: UInt64) -> Bool {
    let isExpected = failure.message == crash.message || failure.isTransient
    #expect(isExpected, "seed \(seed): \(failure)")
    return isExpected
  }

  /// Lets the last instance come to the end; it may crash on the way.
  private func finish(_ current: inout Instance, _ seed: UInt64, _ start: () -> Instance) {
    for step in 0..<20_000 {
      if current.isDone { return current.confirm() }
      current.receive()
      current.flush()
      current.work(step)
      if let failure = current.failure {
        guard isCrash(failure, seed) else { return }
        current = start()
      }
    }
    Issue.record("seed \(seed): the lanes do not come to an end")
  }

  @Test(
    "whatever fails, target and source end equal, and an instance that was taken over writes nothing", arguments: seeds)
  func everythingFails(seed: UInt64) {
    let (world, history) = run(seed, faults: World.Faults(), crashes: true)
    world.settle()

    #expect(world.contents.database == history.database, "seed \(seed)")
    #expect(world.writesByOldInstances == 0, "seed \(seed)")
    #expect(world.confirmed == history.log.last?.endLSN ?? .zero, "seed \(seed)")
  }

  @Test(
    "transactions that commit late, while batches are cut because of conflicts, are never applied twice",
    arguments: seeds)
  func lateCommits(seed: UInt64) {
    let faults = World.Faults(
      conflict: 500, lostBefore: 50, lostAfter: 50, lostLate: 200, crashBefore: 0, crashAfter: 0)
    let (world, history) = run(seed, faults: faults, crashes: false)
    world.settle()

    #expect(world.contents.database == history.database, "seed \(seed)")
  }

  @Test("without faults too", arguments: seeds.prefix(40))
  func nothingFails(seed: UInt64) {
    let none = World.Faults(conflict: 0, lostBefore: 0, lostAfter: 0, lostLate: 0, crashBefore: 0, crashAfter: 0)
    let (world, history) = run(seed, faults: none, crashes: false)

    #expect(world.contents.database == history.database, "seed \(seed)")
  }
}
