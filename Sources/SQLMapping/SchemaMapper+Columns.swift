package import ChangeModel

extension SchemaMapper {
  /// Maps one column by its type. A type the target can't store becomes another one without losing a digit, with a
  /// remark that says so.
  ///
  /// - Parameter isKey: whether the column is part of the target's primary key, where DSQL takes fewer types.
  package func mapColumn(_ column: SourceColumn, isKey: Bool) -> ColumnMapping {
    switch dialect {
    case .postgres: mapForPostgres(column, isKey: isKey)
    case .dsql: mapForDSQL(column, isKey: isKey)
    }
  }

  private func mapForPostgres(_ column: SourceColumn, isKey: Bool) -> ColumnMapping {
    guard column.isPortable else { return mapForeignType(column, isKey: isKey) }
    return unchanged(column)
  }

  private func mapForDSQL(_ column: SourceColumn, isKey: Bool) -> ColumnMapping {
    guard let builtin = column.builtin else { return mapForeignType(column, isKey: isKey) }
    if isKey && !builtin.isKeyOnDSQL {
      return ColumnMapping(asText: column, remark: "DSQL takes no \(builtin.castName) in a key")
    }
    switch builtin.name {
    case "numeric" where column.baseModifier < 0:
      return ColumnMapping(
        asText: column, remark: "DSQL's bare numeric is numeric(18,6) and would round; declare numeric(p,s) to keep it")
    case "bpchar" where (column.declaredLength ?? .max) > DSQLLimits.characterBytes:
      return ColumnMapping(asText: column, remark: "DSQL's character ends at 4096 bytes; padding is kept")
    case "varchar" where (column.declaredLength ?? .max) > DSQLLimits.varcharBytes:
      return ColumnMapping(
        asText: column, remark: "DSQL's character varying ends at 65535 bytes", sharesBinary: true)
    default:
      return unchanged(column)
    }
  }

  private func unchanged(_ column: SourceColumn) -> ColumnMapping {
    ColumnMapping(
      source: column, targetName: column.name, targetType: column.baseFormattedType,
      castType: column.unmodifiedType, binaryOID: column.builtin?.oid, isNotNull: column.isNotNull,
      remark: column.kind == .domain ? "the domain's base type; its checks are not copied" : nil)
  }

  /// A type the target does not have.
  private func mapForeignType(_ column: SourceColumn, isKey: Bool) -> ColumnMapping {
    switch column.baseKind {
    case .array:
      return isKey
        ? ColumnMapping(asText: column, remark: "an array in a key is kept as text")
        : mapArray(column)
    case .enum:
      // Not in a key, since there is no `enum = text` for looking a row up in the source.
      return ColumnMapping(
        asText: column, remark: "the enum's label; its list of values is not enforced", sharesBinary: !isKey)
    case .composite: return ColumnMapping(asText: column, remark: "the row literal, such as (1,a)")
    case .range, .multirange: return ColumnMapping(asText: column, remark: "the range literal, such as [1,5)")
    case .base, .domain, .pseudo: break
    }
    guard column.isBuiltIn else {
      return ColumnMapping(
        asText: column, remark: "the target lacks the type \(column.baseTypeName); its text form is kept")
    }
    switch column.baseTypeName {
    case "money":
      return ColumnMapping(
        source: column, targetName: column.name, targetType: "numeric(19,2)", castType: "numeric", binaryOID: nil,
        conversion: .moneyToNumeric, isNotNull: column.isNotNull, remark: "the amount without its currency sign")
    case "oid", "xid", "cid":
      return ColumnMapping(
        source: column, targetName: column.name, targetType: "bigint", castType: "bigint", binaryOID: nil,
        isNotNull: column.isNotNull, remark: "the number, as a bigint")
    default:
      return ColumnMapping(
        asText: column, remark: "the target has no \(column.baseFormattedType); its text form is kept")
    }
  }

  private func mapArray(_ column: SourceColumn) -> ColumnMapping {
    let element: JSONElement =
      switch column.elementTypeName {
      case "int2", "int4", "int8", "float4", "float8", "numeric", "oid", "xid", "cid": .number
      case "bool": .boolean
      case "json", "jsonb": .json
      default: .string
      }
    // Only `json` keeps its elements' spacing, key order and repeated keys.
    let type = column.elementTypeName == "json" ? "json" : "jsonb"
    return ColumnMapping(
      source: column, targetName: column.name, targetType: type, castType: type, binaryOID: nil,
      conversion: .arrayToJSON(element, delimiter: column.elementDelimiter), isNotNull: column.isNotNull,
      remark: "a JSON array; lower bounds other than 1 are not kept")
  }
}

extension ColumnMapping {
  /// A column whose target holds the very text the source prints.
  ///
  /// - Parameter sharesBinary: whether the source type's binary form is that text too, as an enum's is.
  init(asText column: SourceColumn, remark: String, sharesBinary: Bool = false) {
    self.init(
      source: column, targetName: column.name, targetType: "text", castType: "text",
      binaryOID: sharesBinary ? BuiltinType.textOID : nil,
      isNotNull: column.isNotNull, remark: remark)
  }
}
