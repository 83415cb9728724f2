package import SQLMapping

/// A column type that the items themselves suggest.
package enum InferredType: String, Hashable, Sendable, CaseIterable {
  case boolean, bigint, numeric, text, bytea, jsonb

  var declared: DeclaredType {
    switch self {
    case .boolean: .boolean
    case .bigint: .bigint
    case .numeric: .numeric
    case .text: .text
    case .bytea: .bytea
    case .jsonb: .jsonb
    }
  }
}

extension DeclaredType {
  static let boolean = named("bool")
  static let bigint = named("int8")
  static let numeric = named("numeric")
  package static let text = named("text")
  static let bytea = named("bytea")
  static let jsonb = named("jsonb")

  private static func named(_ name: String) -> DeclaredType { DeclaredType(BuiltinType.named(name)!) }
}

/// An attribute that a sample of items has shown.
package struct InferredAttribute: Hashable, Sendable {
  package var name: String
  /// Its column's type; `nil` when it gets none.
  package var type: InferredType?
  /// Why, for `penstock plan`.
  package var reason: String

  package init(name: String, type: InferredType?, reason: String) {
    self.name = name
    self.type = type
    self.reason = reason
  }
}

/// What a sample of a table's items says about its columns. Frozen when a pipeline first runs, it decides ever after.
package struct ItemInference: Hashable, Sendable {
  /// Those with a column first, the most frequent first.
  package var attributes: [InferredAttribute]

  package init(attributes: [InferredAttribute] = []) { self.attributes = attributes }

  /// As JSON, to be kept: `init(text:)` reads it.
  package var text: String {
    let rows = attributes.map { attribute in
      "[\(quoted(attribute.name)),\(attribute.type.map { quoted($0.rawValue) } ?? "null"),\(quoted(attribute.reason))]"
    }
    return "[" + rows.joined(separator: ",") + "]"
  }

  /// - Throws: when it is no text of `text`.
  package init(text: String) throws(JSONFault) {
    let bytes = Array(text.utf8)
    attributes = try unsafe bytes.withUnsafeBufferPointer { (bytes) throws(JSONFault) in
      var cursor = unsafe JSONCursor(UnsafeRawBufferPointer(bytes))
      var attributes: [InferredAttribute] = []
      var more = try cursor.enterArray()
      while more {
        attributes.append(try cursor.inferredAttribute())
        more = try cursor.nextElement()
      }
      try cursor.expectEnd()
      return attributes
    }
  }

  private func quoted(_ text: String) -> String {
    var bytes: [UInt8] = []
    appendJSONString(Array(text.utf8), to: &bytes)
    return String(decoding: bytes, as: UTF8.self)
  }

  /// Lines for `penstock plan` about attributes without a column of their own.
  package var notes: [String] {
    attributes.filter { $0.type == nil }.map { "attribute \($0.name) has no column of its own: \($0.reason)" }
  }
}

extension JSONCursor {
  fileprivate mutating func inferredAttribute() throws(JSONFault) -> InferredAttribute {
    guard try enterArray() else { throw malformed("is no inferred attribute") }
    let name = try text()
    try expect(UInt8(ascii: ","), "a comma")
    var type: InferredType?
    if try !takeNull() {
      type = InferredType(rawValue: try text())
      if type == nil { throw malformed("has a type that is not inferred") }
    }
    try expect(UInt8(ascii: ","), "a comma")
    let reason = try text()
    try expect(UInt8(ascii: "]"), "a closing bracket")
    return InferredAttribute(name: name, type: type, reason: reason)
  }
}
