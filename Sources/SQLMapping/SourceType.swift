import ChangeModel

/// Types of `pg_catalog` beside `BuiltinType.all` that any PostgreSQL target takes as they are, by OID group.
/// Types whose values mean something in one database only, such as `regclass`, are not among them.
private let portableNames: Set<String> = [
  "money", "inet", "cidr", "macaddr", "macaddr8", "xml", "bit", "varbit", "tsvector", "tsquery", "point", "line",
  "lseg", "box", "path", "polygon", "circle", "pg_lsn", "oid", "name", "char", "int2vector", "oidvector", "jsonpath",
  "tid", "xid", "xid8", "cid", "txid_snapshot", "pg_snapshot",
]

extension SourceColumn {
  /// Whether the type at the bottom of any domain came with the server: those have OIDs under 10000.
  var isBuiltIn: Bool { baseTypeOID < 10_000 }

  /// The pass-through type at the bottom of any domain, if it is one.
  var builtin: BuiltinType? {
    isBuiltIn && baseKind == .base ? BuiltinType.named(baseTypeName) : nil
  }

  /// Whether a plain PostgreSQL target has this type.
  var isPortable: Bool {
    guard isBuiltIn else { return false }
    switch baseKind {
    case .base: return builtin != nil || portableNames.contains(baseTypeName)
    case .array:
      return BuiltinType.named(elementTypeName) != nil || portableNames.contains(elementTypeName)
        || elementTypeName.hasSuffix("range")
    case .range, .multirange: return true
    case .enum, .composite, .domain, .pseudo: return false
    }
  }

  /// `varchar(n)`'s and `char(n)`'s n, in characters; `nil` without a modifier or for another type.
  var declaredLength: Int? {
    guard let builtin, builtin.name == "varchar" || builtin.name == "bpchar", baseModifier >= 4 else { return nil }
    return Int(baseModifier) - 4
  }

  /// The type for a cast that must not cut: the formatted type without its modifier.
  ///
  /// `bit` has a modifier of 1 unless it is quoted, `character` unless it is called `bpchar`.
  var unmodifiedType: String {
    if let builtin { return builtin.castName }
    if baseKind == .array {
      if let element = BuiltinType.named(elementTypeName) { return element.castName + "[]" }
      if elementTypeName == "bit" { return "\"bit\"[]" }
    } else if baseTypeName == "bit" {
      return "\"bit\""
    }
    return withoutModifier(baseFormattedType)
  }
}

/// `bit varying(5)[]` without `(5)`.
private func withoutModifier(_ formatted: String) -> String {
  guard let open = formatted.firstIndex(of: "("), let close = formatted.lastIndex(of: ")"), open < close else {
    return formatted
  }
  return String(formatted[..<open] + formatted[formatted.index(after: close)...])
}
