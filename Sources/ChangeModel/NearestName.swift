/// The candidate a person most likely meant by `name`, for "did you mean" in messages; `nil` when none is close.
///
/// Close is at most a third of the longer name in edits (insert, delete, replace, swap of neighbours), at least one.
/// Among equals the first candidate wins.
package func nearestName(to name: String, among candidates: [String]) -> String? {
  // A longer text is no misspelt name, and the distance costs the product of the lengths.
  guard name.utf8.count <= 64 else { return nil }
  var best: (name: String, distance: Int)?
  for candidate in candidates where candidate != name {
    let limit = max(1, max(name.utf8.count, candidate.utf8.count) / 3)
    let distance = editDistance(Array(name.lowercased().utf8), Array(candidate.lowercased().utf8))
    if distance <= limit, distance < best?.distance ?? .max { best = (candidate, distance) }
  }
  return best?.name
}

/// The least number of inserted, deleted, replaced or swapped neighbouring bytes (optimal string alignment).
private func editDistance(_ a: [UInt8], _ b: [UInt8]) -> Int {
  var beforeLast: [Int] = []
  var last = Array(0...b.count)
  for i in a.indices {
    var row = [i + 1]
    row.reserveCapacity(b.count + 1)
    for j in b.indices {
      var best = min(last[j] + (a[i] == b[j] ? 0 : 1), last[j + 1] + 1, row[j] + 1)
      if i > 0, j > 0, a[i] == b[j - 1], a[i - 1] == b[j] { best = min(best, beforeLast[j - 1] + 1) }
      row.append(best)
    }
    beforeLast = last
    last = row
  }
  return last[b.count]
}
