import Apply
import Testing

@Suite("Looking for the one change that is refused")
struct BisectionTests {
  /// Tries until `items` are behind; a try that holds any of the poison is refused.
  private func tries(_ items: Int, poison: Set<Int>) -> (count: Int, found: [Int]) {
    var bisection = Bisection()
    var (start, count) = (0, 0)
    var found: [Int] = []
    while start < items {
      let size = min(bisection.limit, items - start)
      count += 1
      if (start..<(start + size)).contains(where: poison.contains) {
        if size > 1 {
          bisection.refused(size)
        } else {
          found.append(start)
          bisection.found()
          start += 1
        }
      } else {
        bisection.accepted(size)
        start += size
      }
    }
    return (count, found)
  }

  @Test("one among n takes about log2(n) tries, wherever it is", arguments: [1, 2, 3, 10, 1000, 4096])
  func one(items: Int) {
    let bound = items.bitWidth - items.leadingZeroBitCount
    for place in stride(from: 0, to: items, by: max(1, items / 97)) {
      let (count, found) = tries(items, poison: [place])
      #expect(found == [place])
      #expect(count <= bound + 3, "\(items) items, the \(place)th: \(count) tries")
    }
  }

  @Test("several are found one after the other")
  func several() {
    let poison: Set<Int> = [0, 1, 499, 500, 999]
    #expect(tries(1000, poison: poison).found == poison.sorted())
    #expect(tries(1000, poison: []).count == 1)
    #expect(tries(20, poison: Set(0..<20)).found == Array(0..<20))
  }
}
