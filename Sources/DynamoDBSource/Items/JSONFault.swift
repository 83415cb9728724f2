/// Why bytes of an answer, or a value in it, are not what they must be. Holds no part of a value.
package struct JSONFault: Error, Hashable, Sendable, CustomStringConvertible {
  /// A phrase that goes on after the name of what it is about, such as `holds a NUL character`.
  package var reason: String
  /// Where, in bytes from the beginning of the answer.
  package var offset: Int
  /// Whether the JSON itself is broken, and not a value in it.
  package var isMalformed: Bool

  init(_ reason: String, at offset: Int, isMalformed: Bool = false) {
    self.reason = reason
    self.offset = offset
    self.isMalformed = isMalformed
  }

  package var description: String { "\(reason) at byte \(offset)" }
}
