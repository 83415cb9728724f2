package import ChangeModel

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

extension JSONFault {
  /// What is said when an answer can't be read.
  ///
  /// - Parameter call: what was asked, such as `Scan`.
  package func failure(of call: String, table: String) -> Failure {
    Failure(
      .source, "an answer of \(call) can't be read: \(self)", location: table,
      hint: "Look at what stands between Penstock and DynamoDB. Nothing is lost: the next run asks again.",
      isTransient: true)
  }
}
