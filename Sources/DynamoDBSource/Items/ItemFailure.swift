package import ChangeModel

/// An item that can't become a row: for the policy about refused rows. Names the item, and holds no value but its key.
package struct ItemFailure: Error, Hashable, Sendable, CustomStringConvertible {
  package var table: TableName
  /// The key's attributes and values, for people.
  package var key: String
  /// The attribute it lies in; `nil` when it is the item as a whole.
  package var attribute: String?
  /// A phrase that goes on after the attribute.
  package var reason: String
  /// `nil` when the bytes are no JSON at all: then it is the answer that is broken, and the item must not be parked.
  package var rowClass: RowErrorClass?

  package var description: String { failure.description }

  /// The same for logs, and for a pipeline that stops over it.
  package var failure: Failure {
    let subject = attribute.map { "attribute \"\($0)\" of an item" } ?? "an item"
    return Failure(
      .source, "\(subject) \(reason)", location: key.isEmpty ? "\(table)" : "\(table), key \(key)",
      hint: "Correct the item, or give the attribute another column under source.items.")
  }
}
