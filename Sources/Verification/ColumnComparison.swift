internal import Apply
internal import ChangeModel
internal import SQLMapping

/// How one column is read on both sides so that equal values have equal bytes: in the target's type where it can be.
struct ColumnComparison: Sendable {
  var name: String
  var source: String
  var target: String
  /// What is done with the source's text before it is compared.
  var conversion: ValueConversion
  /// What does not count in a comparison. Nothing where a value passes through: there every bit does.
  var form: KeyForm
  /// The type in which both sides send the value.
  var wireOID: UInt32

  private static let texts: Set<UInt32> = [25, 1043]

  /// - Parameter isKey: whether the column is part of the key, where values that are equal to PostgreSQL are one.
  init(_ mapped: ColumnMapping, _ found: StoredColumn, isKey: Bool) {
    name = mapped.targetName
    target = quotedIdentifier(found.name)
    conversion = mapped.conversion
    form = .exact
    wireOID = BuiltinType.textOID
    let isTextual = mapped.castType == "text" || mapped.binaryOID.map(Self.texts.contains) ?? false
    if mapped.conversion != .none {
      source = mapped.sourceExpression(.text)
      target += "::text"
    } else if mapped.binaryOID == found.typeOID {
      source = mapped.sourceExpression(.binary)
      wireOID = found.typeOID
      if isKey || found.formattedType != mapped.targetType { form = KeyForm(typeName: found.typeName, binary: true) }
    } else if isTextual, Self.texts.contains(found.typeOID) {
      source = mapped.sourceExpression(.text)
    } else if mapped.binaryOID == nil, mapped.castType != "text", found.typeName == mapped.source.baseTypeName {
      source = mapped.sourceExpression(.text)
      var twin = mapped
      twin.source.name = found.name
      target = twin.sourceExpression(.text)
    } else if let builtin = BuiltinType.of(found.typeOID) {
      source = "(\(mapped.sourceExpression(.binary)))::\(mapped.castType)::\(builtin.castName)"
      wireOID = found.typeOID
      form = KeyForm(typeName: found.typeName, binary: true)
    } else {
      source = mapped.sourceExpression(.text)
      target += "::text"
    }
  }
}

extension ColumnComparison {
  /// A column of transformed rows: the text that the transform makes, held against the text that the target prints.
  init(transformed mapped: ColumnMapping, _ found: StoredColumn, isDSQL: Bool) {
    name = mapped.targetName
    source = mapped.sourceExpression(.text)
    conversion = .none
    wireOID = BuiltinType.textOID
    form =
      found.formattedType == mapped.targetType ? .exact : KeyForm(typeName: found.typeName, binary: false)
    let quoted = quotedIdentifier(found.name)
    switch found.typeName {
    case "text", "varchar": target = quoted
    // A cast would spell booleans out, and cut blanks; DSQL has no call of output functions.
    case "bool", "bpchar": target = "CASE WHEN \(quoted) IS NOT NULL THEN concat(\(quoted)) END"
    case "inet", "xml",
      "char" where !isDSQL:
      var twin = mapped
      twin.source.name = found.name
      target = twin.sourceExpression(.text)
    default: target = quoted + "::text"
    }
  }
}

/// How rows are found by a column of the key: by ranges, which must mean the same on both sides, and by single values.
struct KeyAccess: Sendable {
  /// What is held against a value's text, cast to `sourceCast`.
  var source: String
  var sourceCast: String
  var target: String
  var targetCast: String
  /// What an ordering comparison appends: `COLLATE "C"` where the order would be a language's.
  var sourceCollation = ""
  var targetCollation = ""
  /// Whether the source's index can serve a range.
  var isIndexed: Bool

  /// Types whose order is the same on every server.
  private static let ordered: Set<String> = [
    "bool", "bytea", "int8", "int2", "int4", "float4", "float8", "date", "time", "timestamp", "timestamptz",
    "interval", "timetz", "numeric", "uuid",
  ]
  private static let numbers: Set<String> = ["int2", "int4", "int8", "numeric"]
  private static let textual: Set<String> = ["text", "varchar", "bpchar"]

  init(_ mapped: ColumnMapping, _ found: StoredColumn, _ comparison: ColumnComparison, _ context: Context) {
    let sourceName = quotedIdentifier(mapped.source.name)
    let targetName = quotedIdentifier(found.name)
    let sameType = mapped.binaryOID == found.typeOID
    let sourceType = mapped.binaryOID.flatMap(BuiltinType.of)?.name ?? ""
    if sameType && Self.ordered.contains(found.typeName)
      || Self.numbers.contains(sourceType) && Self.numbers.contains(found.typeName)
    {
      source = sourceName
      sourceCast = mapped.castType
      target = targetName
      targetCast = BuiltinType.of(found.typeOID)?.castName ?? mapped.castType
      isIndexed = true
      return
    }
    let isPlain = sameType && Self.textual.contains(found.typeName)
    let cast = isPlain && found.typeName == "bpchar" ? "bpchar" : "text"
    sourceCast = cast
    targetCast = cast
    switch mapped.conversion {
    case .moneyToNumeric: source = sourceName + "::numeric::text"
    default:
      source =
        isPlain
        ? sourceName : comparison.wireOID == BuiltinType.textOID ? comparison.source : comparison.source + "::text"
    }
    let targetIsPlain = isPlain || found.typeOID == BuiltinType.textOID || found.typeName == "varchar"
    target = targetIsPlain ? targetName : comparison.target == targetName ? targetName + "::text" : comparison.target
    if !(isPlain && context.sourceIsByteOrdered) { sourceCollation = " COLLATE \"C\"" }
    // DSQL orders by bytes and refuses the word.
    if !context.isDSQL, !(targetIsPlain && found.isByteOrdered) { targetCollation = " COLLATE \"C\"" }
    isIndexed = isPlain && context.sourceIsByteOrdered
  }

  struct Context {
    var sourceIsByteOrdered: Bool
    var isDSQL: Bool
  }
}
