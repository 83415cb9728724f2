import Foundation

/// SplitMix64: random numbers that a seed repeats.
package struct SeededGenerator: RandomNumberGenerator, Sendable, CustomStringConvertible {
  package let seed: UInt64
  private var state: UInt64

  /// Prints the seed, so that a failed run can be repeated.
  ///
  /// - Parameter seed: by default `PENSTOCK_SEED` from the environment, else one from the system.
  package init(seed: UInt64? = nil, for purpose: String = #function) {
    let given = ProcessInfo.processInfo.environment["PENSTOCK_SEED"].flatMap { UInt64($0) }
    self.seed = seed ?? given ?? UInt64.random(in: 0...UInt64(UInt32.max))
    state = self.seed
    if seed == nil { print("\(purpose): seed \(self.seed) (repeat with PENSTOCK_SEED=\(self.seed))") }
  }

  package mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var z = state
    z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
    return z ^ (z >> 31)
  }

  package var description: String { "seed \(seed)" }
}
