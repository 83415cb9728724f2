internal import ChangeModel

/// Looks at items to tell which attributes get columns, and of which types.
package struct ItemSampler: ~Copyable {
  /// Attributes in fewer items than this share get no column.
  package static let shareMin = 0.01
  /// Inferred columns of one table at most; DSQL takes 255 columns in all.
  package static let columnsMax = 200
  /// Names that are told apart; items that are maps of ids would have one for each.
  static let namesMax = 10_000

  /// What was seen of one attribute.
  fileprivate struct Tally {
    /// By `AttributeType`'s raw value.
    var counts = [Int](repeating: 0, count: AttributeType.allCases.count)
    /// Numbers that are whole and of 64 bits.
    var bigints = 0
  }

  private var index = AttributeIndex()
  private var tallies: [Tally] = []
  /// Items that were looked at.
  package private(set) var itemCount = 0
  private var name = TextBuffer()

  package init() {}

  /// Looks at every item of a page.
  ///
  /// - Parameter body: what the page was read from.
  /// - Throws: when an item is not one of DynamoDB's.
  package mutating func read(_ page: ScanPage, of body: UnsafeRawBufferPointer) throws(JSONFault) {
    for item in page.items { try unsafe read(item, of: body) }
  }

  /// Looks at one item.
  package mutating func read(_ item: Range<Int>, of body: UnsafeRawBufferPointer) throws(JSONFault) {
    var cursor = unsafe JSONCursor(body, item)
    itemCount += 1
    var more = try cursor.enterObject()
    while more {
      let text = try cursor.name()
      let attribute = try cursor.attribute()
      if let number = number(of: text, cursor) {
        tallies[number].counts[Int(attribute.type.rawValue)] += 1
        if attribute.type == .number {
          let decimal = try Decimal(cursor, attribute.content.start, attribute.content.end)
          if decimal.integer(in: cursor) != nil { tallies[number].bigints += 1 }
        }
      }
      more = try cursor.nextMember()
    }
  }

  /// `nil` for one name too many, and for one that no column and no jsonb can have.
  private mutating func number(of text: JSONText, _ cursor: JSONCursor) -> Int? {
    name.removeAll()
    do throws(JSONFault) { try cursor.appendText(text, to: &name) } catch { return nil }
    if let known = unsafe index.number(of: name.bytes) { return known }
    guard index.count < Self.namesMax else { return nil }
    tallies.append(Tally())
    return unsafe index.insert(name.bytes)
  }

  /// What the items so far say.
  package var inference: ItemInference {
    let order = tallies.indices.sorted { a, b in
      let (first, second) = (tallies[a].total, tallies[b].total)
      return first == second ? a < b : first > second
    }
    var columns: [InferredAttribute] = []
    var others: [InferredAttribute] = []
    for number in order {
      var attribute = verdict(tallies[number], name: index.name(number))
      if attribute.type != nil, columns.count == Self.columnsMax {
        attribute.type = nil
        attribute.reason = "\(Self.columnsMax) attributes are in more items"
      }
      if attribute.type == nil { others.append(attribute) } else { columns.append(attribute) }
    }
    return ItemInference(attributes: columns + others)
  }

  private func verdict(_ tally: Tally, name: String) -> InferredAttribute {
    let total = tally.total
    let seen = "in \(total) of \(itemCount) items"
    func verdict(_ type: InferredType?, _ reason: String) -> InferredAttribute {
      InferredAttribute(name: name, type: type, reason: reason)
    }
    let types = AttributeType.allCases.filter { $0 != .null && tally.counts[Int($0.rawValue)] > 0 }
    guard let type = types.first else { return verdict(nil, "null \(seen)") }
    if Double(total) < Double(itemCount) * Self.shareMin { return verdict(nil, "only \(seen)") }
    if types.count > 1 {
      let parts = types.map { "\($0.phrase) in \(tally.counts[Int($0.rawValue)])" }
      return verdict(.jsonb, "of several types: \(parts.joined(separator: ", ")) of \(itemCount) items")
    }
    switch type {
    case .boolean: return verdict(.boolean, "a boolean \(seen)")
    case .string: return verdict(.text, "a string \(seen)")
    case .binary: return verdict(.bytea, "binary \(seen)")
    case .number where tally.bigints == tally.counts[Int(type.rawValue)]:
      return verdict(.bigint, "a whole number of 64 bits \(seen)")
    case .number: return verdict(.numeric, "a number \(seen), not always whole and of 64 bits")
    default: return verdict(.jsonb, "\(type.phrase) \(seen)")
    }
  }
}

extension ItemSampler.Tally {
  fileprivate var total: Int { counts.reduce(0, +) }
}
