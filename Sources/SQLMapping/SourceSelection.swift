import ChangeModel

/// In which form values travel from the source to the target's statements.
package enum WireFormat: Hashable, Sendable {
  /// Columns with a `binaryOID` in their own binary form, all others as text.
  case binary
  /// Every column as text.
  case text
}

/// What every source connection sets, so that a value has one text form whoever prints it: name and value.
package let sourceSessionSettings: [(name: String, value: String)] = [
  ("datestyle", "ISO"), ("intervalstyle", "postgres"), ("extra_float_digits", "3"), ("bytea_output", "hex"),
  ("timezone", "UTC"), ("lc_monetary", "C"), ("search_path", "pg_catalog"),
]

extension ColumnMapping {
  /// The expression that reads the column for `COPY (SELECT …) TO STDOUT (FORMAT binary)`.
  ///
  /// As text it is the very text the type's output function gives, as in the change stream. A plain cast is not that
  /// for every type: it cuts the blanks of `character`, adds the mask to `inet`, spells out `boolean`.
  package func sourceExpression(_ format: WireFormat) -> String {
    let name = quotedIdentifier(source.name)
    if format == .binary, binaryOID != nil { return name }
    guard source.isBuiltIn, source.baseKind == .base else { return name + "::text" }
    return switch source.baseTypeName {
    case "bool": "textin(boolout(\(name)))"
    case "bpchar": "textin(bpcharout(\(name)))"
    case "inet": "textin(inet_out(\(name)))"
    case "xml": "textin(xml_out(\(name)))"
    case "char": "textin(charout(\(name)))"
    default: name + "::text"
    }
  }
}

extension TableMapping {
  /// The select list that reads every copied column in order, such as `"id", "mood"::text`.
  package func sourceSelectList(_ format: WireFormat) -> String {
    columns.map { $0.sourceExpression(format) }.joined(separator: ", ")
  }
}
