package import AWS
internal import ChangeModel

/// Which shards of a stream may be read, and from where: a child only after its parent has been read to its end.
///
/// Pure: listings, ends and the time come in. Listings may be in any order, incomplete, and contradict each other.
package struct ShardLineage: Sendable {
  package enum Phase: Hashable, Sendable {
    /// It waits for its parent, or for a listing that shows whether there is one.
    case pending
    case reading
    case ended
  }

  /// A shard whose turn it is.
  package struct Turn: Hashable, Sendable {
    package let shard: String
    package let position: ShardPosition
    /// Since it was listed first.
    package let waited: Duration
  }

  /// What a listing shows to be lost: the first shard by its id that can't be read without a gap.
  package enum Gap: Hashable, Sendable {
    /// It was to be read on, and is listed no more.
    case vanished(String)
    /// It follows a shard that nobody has read, and that is gone.
    case unconnected(String)
    /// It was listed only after its child had been begun.
    case late(String)
  }

  private struct Shard {
    var parent: String?
    var last: String?
    var phase: Phase
    var position: ShardPosition
    var firstSeen: Duration
    /// Its position was stored: it was begun before, when its parent had ended.
    var isStored = false
    var isListed = false
    /// The listing in which it came without its parent, until the next one shows whether there is one.
    var orphanedIn: Int?
    /// How many listings in a row have not shown it, and since when.
    var absences = 0
    var absentSince: Duration = .zero
  }

  private var shards: [String: Shard] = [:]
  private let start: ShardPosition
  private let isResumed: Bool
  private let listingInterval: Duration
  private var listingCount = 0
  private var lastListing: Duration?
  /// Ended shards for whose children another listing is asked, and how often that was.
  private var childless: [String: Int] = [:]
  private var isDisabled = false
  private var isListingAsked = false

  /// Two listings are at least this far apart: AWS allows ten a second for an account.
  static let listingGap: Duration = .milliseconds(100)
  /// An ended shard is forgotten when no listing has shown it for this long.
  static let forgottenAfter: Duration = .seconds(ShardPosition.retentionSeconds)
  private static let childSearchesMax = 10

  /// - Parameters:
  ///   - positions: of the shards that were begun before, as stored.
  ///   - start: for a stream of which nothing is stored: `.trimHorizon`, `.latest` or `.since`.
  ///   - listingInterval: how often to list where nothing else asks for it.
  package init(
    positions: [String: ShardPosition] = [:], start: ShardPosition, listingInterval: Duration = .seconds(30)
  ) {
    self.start = start
    self.listingInterval = listingInterval
    isResumed = !positions.isEmpty
    for (id, position) in positions {
      shards[id] = Shard(
        phase: position == .done ? .ended : .pending, position: position, firstSeen: .zero, isStored: true)
    }
  }

  package func phase(of shard: String) -> Phase? { shards[shard]?.phase }

  package func count(_ phase: Phase) -> Int { shards.values.count { $0.phase == phase } }

  /// Nothing is left to read and nothing more will come.
  package var isFinished: Bool { isDisabled && listingCount > 0 && count(.ended) == shards.count }

  /// Whether a shard may exist that is listed nowhere yet, since its parent has ended.
  package var expectsChildren: Bool { !childless.isEmpty || listingCount == 0 }

  /// Whether all shards that a listing has shown that was asked for at a moment or later have ended, or are read and open.
  package func isComplete(since moment: Duration) -> Bool {
    guard let lastListing, lastListing >= moment, !expectsChildren else { return false }
    return shards.values.allSatisfy { $0.phase == .ended || ($0.phase == .reading && $0.last == nil) }
  }

  /// Makes a listing due as soon as another one may be asked for.
  package mutating func askForListing() { isListingAsked = true }

  /// When to list the shards next.
  package var listingDue: Duration {
    guard let lastListing else { return .zero }
    var wait = isListingAsked ? Self.listingGap : listingInterval
    if let searches = childless.values.min() {
      wait = min(wait, max(Self.listingGap, min(.milliseconds(50 << min(searches, 5)), .seconds(1))))
    }
    if shards.values.contains(where: { $0.orphanedIn != nil || ($0.phase == .pending && $0.absences == 1) }) {
      wait = min(wait, Self.listingGap)
    }
    return lastListing + wait
  }

  /// Takes a whole listing, all pages of it.
  /// - Parameters:
  ///   - isDisabled: no shard gets another child.
  ///   - now: when the listing was asked for.
  /// - Returns: the shards forgotten now, and a gap if there is one.
  package mutating func learn(
    _ listing: [StreamShard], isDisabled: Bool = false, now: Duration
  ) -> (forgotten: [String], gap: Gap?) {
    self.isDisabled = isDisabled
    lastListing = now
    isListingAsked = false
    listingCount += 1
    var gaps: [Gap] = []
    let ids = Set(listing.map(\.id))
    let beforeStored = ancestors(in: listing) { $0.isStored }
    let beforeBegun = ancestors(in: listing) { $0.phase != .pending }
    for shard in listing.sorted(by: { $0.id < $1.id }) {
      if shards[shard.id] != nil {
        noteAgain(shard, now: now)
      } else {
        let isRead = beforeStored.contains(shard.id)
        let isLate = !isRead && beforeBegun.contains(shard.id)
        if isLate, start != .latest || isResumed { gaps.append(.late(shard.id)) }
        noteNew(shard, isRead: isRead || isLate, now: now)
      }
    }
    for shard in listing { resolveParent(of: shard.id, &gaps) }
    let parents = Set(shards.values.compactMap(\.parent))
    let forgotten = noteAbsences(ids, now: now, &gaps)
    for (id, searches) in childless {
      if isDisabled || parents.contains(id) || searches >= Self.childSearchesMax {
        childless[id] = nil
      } else {
        childless[id] = searches + 1
      }
    }
    return (forgotten.sorted(), gaps.first)
  }

  /// The parents, and theirs, of the known shards for which `holds` is true.
  private func ancestors(in listing: [StreamShard], of holds: (Shard) -> Bool) -> Set<String> {
    var parents = shards.compactMapValues(\.parent)
    for shard in listing { parents[shard.id] = shard.parent ?? parents[shard.id] }
    var found: Set<String> = []
    for (id, shard) in shards where holds(shard) {
      var next = parents[id]
      while let parent = next, found.insert(parent).inserted { next = parents[parent] }
    }
    return found
  }

  private mutating func noteAgain(_ listed: StreamShard, now: Duration) {
    guard var shard = shards[listed.id] else { return }
    if !shard.isListed { shard.firstSeen = now }
    shard.isListed = true
    shard.absences = 0
    shard.parent = shard.parent ?? listed.parent
    shard.last = listed.lastSequenceNumber ?? shard.last
    if shard.phase == .pending, case .after(let text) = shard.position, let number = SequenceNumber(text),
      let last = shard.last.flatMap({ SequenceNumber($0) }), number >= last
    {
      shard.phase = .ended
    }
    shards[listed.id] = shard
  }

  /// - Parameter isRead: a descendant has been begun, so this one is not read any more.
  private mutating func noteNew(_ listed: StreamShard, isRead: Bool, now: Duration) {
    var shard = Shard(
      parent: listed.parent, last: listed.lastSequenceNumber, phase: .pending, position: .trimHorizon, firstSeen: now,
      isListed: true)
    if listingCount == 1, !isResumed { shard.position = start }
    // What is closed has nothing that comes after now.
    if isRead || (shard.position == .latest && listed.lastSequenceNumber != nil) {
      (shard.phase, shard.position) = (.ended, .done)
    } else if listed.parent != nil {
      shard.orphanedIn = listingCount
    }
    shards[listed.id] = shard
  }

  /// A parent may have come later in the same listing; one that the next listing doesn't show either is trimmed.
  private mutating func resolveParent(of id: String, _ gaps: inout [Gap]) {
    guard let shard = shards[id], let orphanedIn = shard.orphanedIn, let parent = shard.parent else { return }
    if shards[parent] != nil {
      shards[id]?.orphanedIn = nil
    } else if orphanedIn != listingCount {
      shards[id]?.orphanedIn = nil
      if isResumed { gaps.append(.unconnected(id)) }
    }
  }

  private mutating func noteAbsences(_ ids: Set<String>, now: Duration, _ gaps: inout [Gap]) -> [String] {
    var forgotten: [String] = []
    for (id, known) in shards where !ids.contains(id) {
      var shard = known
      if shard.absences == 0 { shard.absentSince = now }
      shard.absences += 1
      shards[id] = shard
      if shard.phase == .ended, now - shard.absentSince >= Self.forgottenAfter {
        shards[id] = nil
        forgotten.append(id)
      } else if shard.phase == .pending, !shard.isListed, shard.absences >= 2 {
        gaps.append(.vanished(id))
      }
    }
    return forgotten
  }

  /// The next shard whose turn it is, oldest first; it then counts as being read.
  package mutating func begin(now: Duration) -> Turn? {
    let ready = shards.filter { _, shard in
      guard shard.phase == .pending, shard.isListed, shard.orphanedIn == nil else { return false }
      guard let parent = shard.parent.flatMap({ shards[$0] }) else { return true }
      return parent.phase == .ended
    }
    guard let (id, shard) = ready.min(by: { $0.key < $1.key }) else { return nil }
    shards[id]?.phase = .reading
    return Turn(shard: id, position: shard.position, waited: now - shard.firstSeen)
  }

  /// A shard has been read to its end: its children's turn has come, and if none is known a listing is due at once.
  package mutating func end(_ shard: String) {
    shards[shard]?.phase = .ended
    if !isDisabled, !shards.values.contains(where: { $0.parent == shard }) { childless[shard] = 0 }
  }
}
