internal import Apply
internal import ChangeModel
internal import Runtime

/// A key that both sides did not agree on at the first look.
struct ItemSuspect: Hashable, Sendable {
  /// The source tables that may have it, by index; it is reported as the first one's.
  var tables: [Int]
  var key: ItemKey
  /// As the target prints it, if it was found there and no item has it.
  var printed: [String]?

  static func == (a: Self, b: Self) -> Bool { a.tables == b.tables && a.key == b.key }

  func hash(into hasher: inout Hasher) {
    hasher.combine(tables)
    hasher.combine(key)
  }
}

/// What the source has of a key at one moment.
enum ItemVersion: Hashable, Sendable {
  case absent
  /// The item can't be a row.
  case refused
  /// The row that it becomes.
  case row(table: Int, [UInt8])

  /// Stands for it.
  var digest: RowDigest {
    switch self {
    case .absent: RowDigest(high: 0, low: 0)
    case .refused: RowDigest(high: 0, low: 1)
    case .row(_, let bytes): unsafe bytes.withUnsafeBytes { unsafe RowDigest.of($0) }
    }
  }
}

/// A suspect while it is looked at again.
struct PendingItem: Sendable {
  let suspect: ItemSuspect
  /// What the source has shown since the second look began, as far as it is remembered; never empty after a look.
  private(set) var versions: [ItemVersion] = []
  /// What it showed last.
  private(set) var current: ItemVersion = .absent
  /// When it began to show that at every look.
  private(set) var sameSince = Duration.zero
  private var digest: RowDigest?
  var difference: RowDifference?

  private static let versionsMax = 16
  private static let versionBytesMax = 16 << 10

  init(_ suspect: ItemSuspect) { self.suspect = suspect }

  /// - Parameter remembers: whether earlier versions are kept.
  mutating func saw(_ version: ItemVersion, at time: Duration, remembers: Bool) {
    let seen = version.digest
    if digest != seen { (digest, sameSince) = (seen, time) }
    current = version
    if !remembers { versions = [] }
    versions.removeAll { $0 == version }
    versions.append(version)
    if versions.count > Self.versionsMax { versions.removeFirst() }
  }

  /// Forgets what is too large, or needed no more until the next look.
  mutating func rest(remembers: Bool) {
    current = .absent
    versions.removeAll { version in
      guard remembers, case .row(_, let bytes) = version else { return !remembers }
      return bytes.count > Self.versionBytesMax
    }
  }
}
