import PenstockTestKit
import Testing

@testable import Verification

@Suite("Hashes of the keys that were seen")
struct KeyHashesTests {
  @Test("what was inserted is contained, once, and nothing else") func contained() {
    var random = SeededGenerator()
    var hashes = KeyHashes(memoryBytes: 1 << 20)
    let known = [0, 1, .max] + (0..<5000).map { _ in UInt64.random(in: .min ... .max, using: &random) }
    for hash in known + known { hashes.insert(hash) }

    #expect(known.allSatisfy(hashes.contains), "\(random)")
    // 0 is kept as 1.
    #expect(hashes.count == Set(known).count - 1, "\(random)")
    #expect(!(0..<5000).contains { _ in hashes.contains(.random(in: .min ... .max, using: &random)) }, "\(random)")
    #expect(!hashes.isFull)
  }

  @Test("memory is not exceeded: the set is full instead") func full() {
    var random = SeededGenerator()
    var hashes = KeyHashes(memoryBytes: 64 << 10)
    var count = 0
    while !hashes.isFull {
      hashes.insert(.random(in: .min ... .max, using: &random))
      count += 1
    }

    // 8192 places, each table at most 7/8 full.
    #expect((3000...7168).contains(count), "\(random)")
  }
}
