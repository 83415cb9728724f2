import Synchronization

/// Faults to inject, each by a seed: whether the n-th occasion of one kind is struck depends on the seed and n alone.
package struct FaultRates: Sendable {
  /// Share of committing transactions with writes that fail with OC000.
  package var conflict = 0.0
  /// Share of committing transactions with writes whose connection is cut before the COMMIT takes effect.
  package var cutBeforeCommit = 0.0
  /// Share whose connection is cut after the COMMIT has taken effect, with no answer.
  package var cutAfterCommit = 0.0
  /// Share of new connections that are refused.
  package var refuseConnect = 0.0
  /// Share of statements that fail with `XX000 server unavailable`.
  package var unavailable = 0.0

  package init() {}
}

final class Faults: Sendable {
  enum Kind: Int, CaseIterable, Sendable { case conflict, cutBeforeCommit, cutAfterCommit, refuseConnect, unavailable }

  private let rates: FaultRates
  private let seed: UInt64
  private let occasions = Mutex([UInt64](repeating: 0, count: Kind.allCases.count))

  init(rates: FaultRates, seed: UInt64) {
    self.rates = rates
    self.seed = seed
  }

  /// Takes the next occasion of a kind and says whether it is struck.
  func strikes(_ kind: Kind) -> Bool {
    let rate = rate(kind)
    guard rate > 0 else { return false }
    let occasion = occasions.withLock { occasions in
      defer { occasions[kind.rawValue] += 1 }
      return occasions[kind.rawValue]
    }
    return Self.draw(seed: seed, kind: kind, occasion: occasion) < rate
  }

  /// A number in 0..<1 for one occasion (SplitMix64's finalizer over seed, kind and occasion).
  static func draw(seed: UInt64, kind: Kind, occasion: UInt64) -> Double {
    var z = seed &+ UInt64(kind.rawValue + 1) &* 0xD1B5_4A32_D192_ED03 &+ (occasion &+ 1) &* 0x9E37_79B9_7F4A_7C15
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    z ^= z >> 31
    return Double(z >> 11) / Double(UInt64(1) << 53)
  }

  private func rate(_ kind: Kind) -> Double {
    switch kind {
    case .conflict: rates.conflict
    case .cutBeforeCommit: rates.cutBeforeCommit
    case .cutAfterCommit: rates.cutAfterCommit
    case .refuseConnect: rates.refuseConnect
    case .unavailable: rates.unavailable
    }
  }
}
