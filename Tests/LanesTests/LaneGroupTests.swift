import Apply
import ChangeModel
import ChangeTestKit
import Lanes
import Runtime
import Testing

/// A segment of changes at these commit LSNs.
private func segment(_ positions: UInt64...) -> ChangeSegment {
  let segment = ChangeSegment(capacity: 64)
  let row = wireRow(["1", "x"])
  for position in positions {
    let start = segment.bytes.count
    segment.bytes.append(row)
    segment.changes.append(
      Change(
        position: at(position), table: 0, kind: .upsert, keyHash: 1, keyStart: start, keyCount: 5, rowStart: start,
        rowCount: row.count))
  }
  return segment
}

/// What a lane is told to do, as text: `apply 3 from 1` counts the changes left and those already committed.
private func told(_ group: LaneGroup, _ lane: Int) -> String {
  switch group.next(for: lane) {
  case .apply(let segments, let first): "apply \(segments.reduce(-first) { $0 + $1.changes.count }) from \(first)"
  case .barrier: "barrier"
  case .idle: "idle"
  case .stop: "stop"
  }
}

@Suite("What lanes and source agree on")
struct LaneGroupTests {
  /// Commits of parts of a queue of segments of 3, 1 and 2 changes, and what is then left.
  private static let removals: [(commits: [Int], next: String, oldest: UInt64?)] = [
    ([], "apply 6 from 0", 1), ([0], "apply 6 from 0", 1), ([1], "apply 5 from 1", 2), ([3], "apply 3 from 0", 4),
    ([2, 1], "apply 3 from 0", 4), ([2, 2], "apply 2 from 0", 5), ([4], "apply 2 from 0", 5),
    ([5], "apply 1 from 1", 6), ([1, 1, 1, 1, 1], "apply 1 from 1", 6), ([6], "idle", nil), ([5, 1], "idle", nil),
  ]

  @Test("a lane's queue goes on exactly behind what it has committed", arguments: removals.indices)
  func removal(row: Int) {
    let group = LaneGroup(laneCount: 2, bytesMax: 1 << 20)
    for one in [segment(1, 2, 3), segment(4), segment(5, 6)] { group.push(one, to: 1) }
    for commit in Self.removals[row].commits {
      _ = group.next(for: 1)
      group.finish(1, changes: commit)
    }

    #expect(group.oldestPending == Self.removals[row].oldest.map { LSN($0) })
    #expect(told(group, 1) == Self.removals[row].next)
    #expect(told(group, 0) == "idle")
  }

  @Test("bytes are counted from push until the segment's last change is committed; the source is woken then")
  func bytes() {
    let (a, b) = (segment(1, 2), segment(3))
    let group = LaneGroup(laneCount: 1, bytesMax: a.footprint + b.footprint)
    group.push(a, to: 0)
    #expect(!group.isFull)
    group.push(b, to: 0)
    #expect(group.isFull)
    group.sourceWakeup.clear()

    _ = group.next(for: 0)
    group.finish(0, changes: 1)
    #expect(group.isFull)
    _ = group.next(for: 0)
    group.finish(0, changes: 1)
    #expect(!group.isFull)
    #expect(group.bufferedBytes == b.footprint)
    #expect(group.sourceWakeup.isSignalled)

    _ = group.next(for: 0)
    group.finish(0, changes: 1)
    #expect(group.bufferedBytes == 0)
  }

  @Test("the oldest pending change is the lowest over all lanes, until it is committed")
  func oldestPending() {
    let group = LaneGroup(laneCount: 3, bytesMax: 1 << 20)
    #expect(group.oldestPending == nil)
    group.push(segment(7), to: 0)
    group.push(segment(5, 9), to: 2)
    #expect(group.oldestPending == LSN(5))
    _ = group.next(for: 2)
    #expect(group.oldestPending == LSN(5))
    group.finish(2, changes: 1)
    #expect(group.oldestPending == LSN(7))
    _ = group.next(for: 0)
    group.finish(0, changes: 1)
    #expect(group.oldestPending == LSN(9))
  }

  @Test("an idle lane is woken by new work, a busy one is not")
  func wakeups() {
    let group = LaneGroup(laneCount: 1, bytesMax: 1 << 20)
    #expect(told(group, 0) == "idle")
    group.push(segment(1), to: 0)
    #expect(group.laneWakeups[0].isSignalled)
    group.laneWakeups[0].clear()

    _ = group.next(for: 0)
    group.push(segment(2), to: 0)
    #expect(!group.laneWakeups[0].isSignalled)
  }

  @Test("it is drained when nothing waits, nobody works and no barrier runs")
  func drained() {
    let group = LaneGroup(laneCount: 2, bytesMax: 1 << 20)
    #expect(group.isDrained)
    group.push(segment(1), to: 1)
    #expect(!group.isDrained)
    _ = group.next(for: 1)
    group.finish(1, changes: 1)
    #expect(group.isDrained)

    group.begin(.truncate(tables: [0], at: at(2)))
    #expect(!group.isDrained)
    #expect(told(group, 1) == "idle")
    #expect(told(group, 0) == "barrier")
    #expect(!group.isDrained)
    group.sourceWakeup.clear()
    group.finish(.truncate(tables: [0], at: at(1)))
    #expect(group.isDrained)
    #expect(group.sourceWakeup.isSignalled)
    #expect(told(group, 0) == "idle")
  }

  @Test("one lane works alone on all queues, once the others stand still")
  func serial() {
    let group = LaneGroup(laneCount: 3, bytesMax: 1 << 20)
    group.push(segment(1, 4), to: 0)
    group.push(segment(2, 3), to: 1)
    _ = group.next(for: 0)
    _ = group.next(for: 1)
    group.finish(1, changes: 0)

    #expect(group.beginSerial(1))
    #expect(group.beginSerial(1))
    #expect(!group.beginSerial(2))
    #expect(group.serialWork(1) == nil)
    #expect(told(group, 2) == "idle")
    group.laneWakeups[1].clear()
    group.finish(0, changes: 1)
    #expect(group.laneWakeups[1].isSignalled)
    #expect(told(group, 0) == "idle")

    let work = group.serialWork(1)!
    #expect(work.map(\.first) == [1, 0, 0])
    #expect(work.map { $0.segments.reduce(0) { $0 + $1.changes.count } } == [2, 2, 0])
    group.push(segment(5), to: 2)
    for wakeup in group.laneWakeups { wakeup.clear() }
    group.endSerial(committed: [1, 1, 0])

    for wakeup in group.laneWakeups { #expect(wakeup.isSignalled) }
    #expect(told(group, 0) == "idle")
    #expect(told(group, 1) == "apply 1 from 1")
    #expect(told(group, 2) == "apply 1 from 0")
    #expect(group.beginSerial(2))
  }

  @Test("stop and failure wake everybody, and the first failure counts", arguments: [false, true])
  func ending(fails: Bool) {
    let group = LaneGroup(laneCount: 2, bytesMax: 1 << 20)
    group.push(segment(1), to: 0)
    if fails {
      group.fail(Failure(.sink, "first"))
      group.fail(Failure(.source, "second"))
    } else {
      group.stop()
    }

    #expect(group.failure?.message == (fails ? "first" : nil))
    #expect(group.isStopping == !fails)
    #expect((0..<2).map { told(group, $0) } == ["stop", "stop"])
    for wakeup in group.laneWakeups + [group.sourceWakeup, group.endSignal] { #expect(wakeup.isSignalled) }
    #expect(group.oldestPending == LSN(1))
  }
}
