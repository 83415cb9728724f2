/// Finds the one item of a run that is refused: by trying ever smaller parts from the front, in about log₂ n tries.
package struct Bisection: Sendable {
  /// So many items from the front hold one that is refused; 0 when nothing is suspected.
  package private(set) var suspects = 0

  package init() {}

  /// How many items the next try may take at most.
  package var limit: Int { suspects == 0 ? .max : max(1, suspects / 2) }

  /// The first `count` items were taken.
  package mutating func accepted(_ count: Int) { suspects = max(0, suspects - count) }

  /// The first `count` items, more than one, were refused together.
  package mutating func refused(_ count: Int) { suspects = count }

  /// The refused item was found and dealt with.
  package mutating func found() { suspects = 0 }
}
