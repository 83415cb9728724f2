package import ChangeModel

/// How a value is rewritten between the source's text form and the target's.
package enum ValueConversion: Hashable, Sendable {
  /// The value passes as it came.
  case none
  /// A PostgreSQL array literal becomes JSON in `jsonb`'s own output form, nested as the array is.
  /// The delimiter is the type's `typdelim`.
  case arrayToJSON(JSONElement, delimiter: UInt8 = 0x2C)
  /// `money` as `lc_monetary = 'C'` prints it (`-$1,234.56`) becomes a plain number.
  case moneyToNumeric
}

/// How an array's elements look in JSON.
package enum JSONElement: Hashable, Sendable {
  /// As JSON numbers; NaN and infinities as strings, since JSON has none.
  case number
  case boolean
  /// `json` and `jsonb` elements, kept as JSON.
  case json
  /// Everything else: the element's text in a JSON string.
  case string
}

/// One column's way from source to target.
package struct ColumnMapping: Hashable, Sendable {
  package var source: SourceColumn
  package var targetName: String
  /// The target column's type as DDL writes it, with modifier: `numeric(12,2)`.
  package var targetType: String
  /// The same type without modifier, for casts that must not round or cut: `numeric`, `character varying`.
  package var castType: String
  /// The OID of the target's type if the source's binary form is that type's too; `nil` when the value travels as text.
  package var binaryOID: UInt32?
  package var conversion: ValueConversion
  package var isNotNull: Bool
  /// Why the target's type is not the source's, for `penstock plan`; `nil` when they are the same.
  package var remark: String?

  package init(
    source: SourceColumn, targetName: String, targetType: String, castType: String, binaryOID: UInt32?,
    conversion: ValueConversion = .none, isNotNull: Bool = false, remark: String? = nil
  ) {
    self.source = source
    self.targetName = targetName
    self.targetType = targetType
    self.castType = castType
    self.binaryOID = binaryOID
    self.conversion = conversion
    self.isNotNull = isNotNull
    self.remark = remark
  }
}

/// A generated column of the source. The source neither streams nor copies it, so the target computes it or lacks it.
package struct GeneratedColumnMapping: Hashable, Sendable {
  package var source: SourceColumn
  /// The expression when the target can compute it too; `nil` when the column is left out.
  package var expression: String?
  /// The target column's type as DDL writes it.
  package var targetType: String
  /// Why it is left out.
  package var remark: String?

  package init(source: SourceColumn, expression: String?, targetType: String, remark: String? = nil) {
    self.source = source
    self.expression = expression
    self.targetType = targetType
    self.remark = remark
  }
}

/// What becomes of one secondary index.
package struct IndexMapping: Hashable, Sendable {
  package var source: SourceIndex
  /// The name in the target's schema, unquoted.
  package var name: String
  /// Why the target does not get it; `nil` when it does.
  package var skipReason: String?
  /// How it differs from the source's.
  package var remark: String?

  package init(source: SourceIndex, name: String, skipReason: String? = nil, remark: String? = nil) {
    self.source = source
    self.name = name
    self.skipReason = skipReason
    self.remark = remark
  }

  package var isCreated: Bool { skipReason == nil }
}

/// How one source table becomes one target table.
package struct TableMapping: Hashable, Sendable {
  package var source: SourceTable
  package var target: TableName
  /// The columns that are copied, in the source's order; generated columns are not among them.
  package var columns: [ColumnMapping]
  /// Indexes in `columns` of the columns that name a row, in key order. Empty for a table without any key: its
  /// rows are then a bag, named by all their columns together.
  package var key: [Int]
  /// Generated columns, which no statement of ours writes.
  package var generated: [GeneratedColumnMapping]
  /// The source's indexes beside the one that is the target's primary key, then those that a route adds.
  package var indexes: [IndexMapping]
  /// How the table shares its target with others; `nil` when it does not.
  package var merge: MergeRule?
  /// How `columns` are made when they are not the source's own; their values then travel as text.
  package var transform: TableTransform?

  package init(
    source: SourceTable, target: TableName, columns: [ColumnMapping], key: [Int],
    generated: [GeneratedColumnMapping] = [], indexes: [IndexMapping] = [], merge: MergeRule? = nil
  ) {
    self.source = source
    self.target = target
    self.columns = columns
    self.key = key
    self.generated = generated
    self.indexes = indexes
    self.merge = merge
  }

  package var isKeyless: Bool { key.isEmpty }

  /// For each unique index of the source, the key aside, its columns as indexes in `columns`: those indexes of which the
  /// target's uniqueness means the same, being over plain columns of the source's own types and over all rows. None where
  /// other tables' rows may hold the same values.
  package var uniqueValues: [[Int]] {
    guard merge == nil else { return [] }
    // A transformed row can't be looked up in the source by its unique values; its indexes are not unique.
    if transform != nil { return [] }
    return source.indexes.compactMap { index in
      guard index.isUnique, index.isValid, index.predicate == nil, !index.nullsNotDistinct else { return nil }
      let found = index.columns.map { name in
        columns.firstIndex { column in
          column.source.name == name
            && (column.targetType == column.source.baseFormattedType || column.source.builtin?.name == "varchar")
        }
      }
      let plain = found.compactMap(\.self)
      return plain.count == found.count && plain.sorted() != key.sorted() ? plain : nil
    }
  }
}
