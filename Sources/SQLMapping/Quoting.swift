package import ChangeModel

/// An identifier in double quotes, safe to put into any statement.
package func quotedIdentifier(_ name: some StringProtocol) -> String {
  var text = "\""
  for character in name.unicodeScalars {
    if character == "\"" { text.unicodeScalars.append(character) }
    text.unicodeScalars.append(character)
  }
  return text + "\""
}

/// A text literal in single quotes, with `E` form when it holds a backslash.
package func quotedLiteral(_ value: some StringProtocol) -> String {
  var text = ""
  var hasBackslash = false
  for character in value.unicodeScalars {
    if character == "'" || character == "\\" { text.unicodeScalars.append(character) }
    if character == "\\" { hasBackslash = true }
    text.unicodeScalars.append(character)
  }
  return (hasBackslash ? "E'" : "'") + text + "'"
}

extension TableName {
  /// `"schema"."name"`, for statements.
  package var quoted: String { quotedIdentifier(schema) + "." + quotedIdentifier(name) }
}
