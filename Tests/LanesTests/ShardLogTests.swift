import ChangeModel
import Lanes
import PenstockTestKit
import Testing

@Suite("A lane knows how far it is in every shard")
struct ShardLogTests {
  private func number(_ value: Int) -> SequenceNumber { SequenceNumber("4100000000000000000\(100 + value)")! }

  @Test("a position covers the records that arrived up to it, and no more of a shard's")
  func marks() {
    let log = ShardLog(lanes: [[:], [:]])
    log.append(shard: 1, arrivals: [1, 2, 3], [number(1), number(2), number(3)])
    log.append(shard: 7, arrivals: [4, 6], [number(10), number(11)])
    let cases: [(through: UInt64, marks: ShardLog.Marks)] = [
      (0, [:]), (1, [1: number(1)]), (2, [1: number(2)]), (3, [1: number(3)]),
      (4, [1: number(3), 7: number(10)]),
      // The second record of the shard 7 has two changes: with the first alone it does not count.
      (5, [1: number(3), 7: number(10)]), (6, [1: number(3), 7: number(11)]),
    ]

    for (through, marks) in cases {
      #expect(log.marks(ofLane: 0, committed: 0, through: through) == marks, "through \(through)")
    }
  }

  @Test("a batch that is made smaller after a failure says less again") func smaller() {
    let log = ShardLog(lanes: [[:]])
    log.append(shard: 1, arrivals: [1, 2, 3, 4], (1...4).map(number))

    #expect(log.marks(ofLane: 0, committed: 1, through: 4) == [1: number(4)])
    #expect(log.marks(ofLane: 0, committed: 1, through: 2) == [1: number(2)])
  }

  @Test("what a lane had from an earlier run is not lost while older records come again") func ahead() {
    let log = ShardLog(lanes: [[1: number(9)], [:]])
    log.append(shard: 1, arrivals: [1, 2], [number(5), number(6)])
    log.append(shard: 1, arrivals: [3], [number(12)])

    #expect(log.marks(ofLane: 0, committed: 0, through: 2) == [1: number(9)])
    #expect(log.marks(ofLane: 1, committed: 0, through: 2) == [1: number(6)])
    #expect(log.marks(ofLane: 0, committed: 2, through: 3) == [1: number(12)])
  }

  @Test("what every lane has is told once all of them have it, and lanes without changes have it too") func settle() {
    let log = ShardLog(lanes: [[:], [:]])
    log.append(shard: 1, arrivals: [1, 2], [number(1), number(2)])
    log.append(shard: 2, arrivals: [3, 4], [number(1), number(2)])

    #expect(log.settle(through: 3) == [1: number(2), 2: number(1)])
    #expect(log.settle(through: 4) == [1: number(2), 2: number(2)])
    #expect(log.marks(ofLane: 1, committed: 0, through: 4) == [1: number(2), 2: number(2)])
    log.forget(shard: 1)
    #expect(log.marks(ofLane: 1, committed: 4, through: 4) == [2: number(2)])
  }

  @Test("however records, commits and looks follow each other, marks are those of a plain model")
  func model() {
    var random = SeededGenerator()
    for _ in 0..<200 {
      let log = ShardLog(lanes: [[:], [:], [:]])
      var records: [(arrival: UInt64, shard: Int, number: Int)] = []
      var arrival: UInt64 = 0
      var committed: [UInt64] = [0, 0, 0]
      var settled: UInt64 = 0
      func expected(_ through: UInt64) -> ShardLog.Marks {
        var marks: ShardLog.Marks = [:]
        for record in records where record.arrival <= through { marks[record.shard] = number(record.number) }
        return marks
      }
      for _ in 0..<30 {
        switch Int.random(in: 0..<3, using: &random) {
        case 0:
          let shard = Int.random(in: 1...3, using: &random)
          var arrivals: [UInt64] = []
          var numbers: [SequenceNumber] = []
          for _ in 0..<Int.random(in: 1...4, using: &random) {
            arrival += UInt64.random(in: 1...2, using: &random)
            records.append((arrival, shard, records.count))
            arrivals.append(arrival)
            numbers.append(number(records.count - 1))
          }
          log.append(shard: shard, arrivals: arrivals, numbers)
        case 1:
          let lane = Int.random(in: 0..<3, using: &random)
          let through = UInt64.random(in: committed[lane]...arrival, using: &random)
          #expect(
            log.marks(ofLane: lane, committed: committed[lane], through: through) == expected(through), "\(random)")
          committed[lane] = UInt64.random(in: committed[lane]...through, using: &random)
        default:
          settled = UInt64.random(in: settled...max(settled, committed.min()!), using: &random)
          #expect(log.settle(through: settled) == expected(settled), "\(random)")
        }
      }
    }
  }

  @Test(
    "marks are written as text and read again",
    arguments: [[:], [3: SequenceNumber("0012")!], [1: SequenceNumber("7")!, 20: SequenceNumber("41")!]]
      as [ShardLog.Marks])
  func text(marks: ShardLog.Marks) { #expect(ShardLog.marks(ShardLog.text(marks)) == marks) }

  @Test("a text that is none is not read", arguments: ["x", "1", "1:", ":2", "1:2:3", "1:-2", "a:2"])
  func malformed(text: String) { #expect(ShardLog.marks(text) == nil) }
}
