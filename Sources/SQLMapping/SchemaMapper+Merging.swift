import ChangeModel

extension SchemaMapper {
  /// Indexes of mappings by target, in the order in which the targets first come.
  func groups(of mappings: [TableMapping]) -> [[Int]] {
    var groups: [[Int]] = []
    var places: [TableName: Int] = [:]
    for (index, mapping) in mappings.enumerated() {
      if let place = places[mapping.target] {
        groups[place].append(index)
      } else {
        places[mapping.target] = groups.count
        groups.append([index])
      }
    }
    return groups
  }

  /// The mappings by target, in the order in which the targets first come.
  package func byTarget(_ mappings: [TableMapping]) -> [[TableMapping]] {
    groups(of: mappings).map { $0.map { mappings[$0] } }
  }

  /// The one table that these mappings write: the columns of all of them, the first's first, its origin column last. A
  /// column may be NULL unless all have it and none takes a NULL.
  package func unite(_ mappings: [TableMapping]) -> TableMapping {
    var united = mappings[0]
    guard mappings.count > 1 else { return united }
    let origin = united.merge.map { united.columns.remove(at: $0.originColumn) }
    for mapping in mappings {
      for column in mapping.columns where column.targetName != origin?.targetName {
        if !united.columns.contains(where: { $0.targetName == column.targetName }) { united.columns.append(column) }
      }
      for column in mapping.generated where !united.generated.contains(where: { $0.source.name == column.source.name })
      {
        united.generated.append(column)
      }
    }
    for index in united.columns.indices {
      let name = united.columns[index].targetName
      united.columns[index].isNotNull = mappings.allSatisfy { mapping in
        mapping.columns.contains { $0.targetName == name && $0.isNotNull }
      }
      united.columns[index].source.number = index + 1
    }
    for index in united.generated.indices { united.generated[index].source.number = united.columns.count + index + 1 }
    if var origin {
      origin.source.number = united.columns.count + united.generated.count + 1
      united.merge?.originColumn = united.columns.count
      united.columns.append(origin)
    }
    return united
  }

  /// Gives the mappings of one target their origin column, after making sure that they can share it.
  func merge(_ group: [Int], of mappings: inout [TableMapping], _ routes: [TableRoute]) throws(Failure) {
    let members = group.map { mappings[$0] }
    let merging = try merging(of: members, routes)
    try checkKeys(members)
    try checkColumns(members, originColumn: merging.originColumn)
    let written = members.map { Set($0.columns.map(\.targetName)) }
    let all = written.reduce(Set()) { $0.union($1) }
    let generated = Set(members.flatMap { $0.generated.map(\.source.name) })
    if dialect == .dsql, all.count + generated.count + 1 > DSQLLimits.columns {
      throw Failure(
        .configuration,
        "\(members[0].target) would have \(all.count + generated.count + 1) columns; DSQL takes \(DSQLLimits.columns)",
        location: members.map { "\($0.source.name)" }.joined(separator: ", "),
        hint: "Give some of these tables a sink-table of their own under route.")
    }
    for (position, index) in group.enumerated() {
      let number = (mappings[index].source.columns.map(\.number).max() ?? 0) + 1
      mappings[index].merge = MergeRule(
        policy: merging.policy, originColumn: mappings[index].columns.count, group: group[0],
        othersColumns: all.subtracting(written[position]).sorted())
      mappings[index].columns.append(ColumnMapping(origin: merging.originColumn, number: number))
      shareIndexes(of: &mappings[index], with: group[..<position].map { mappings[$0] })
    }
  }

  /// What the tables' routes agree on.
  private func merging(
    of members: [TableMapping], _ routes: [TableRoute]
  ) throws(Failure) -> TableRoute.Merging {
    let target = members[0].target
    guard let first = routes[0].merging, routes.allSatisfy({ $0.merging != nil }) else {
      throw Failure(
        .configuration, "\(members[0].source.name) and \(members[1].source.name) both go to \(target)",
        hint: "Give one of them a sink-table of its own under route, or route both of them to merge their rows.")
    }
    for (member, route) in zip(members, routes) {
      guard let other = route.merging, other.policy != first.policy || other.originColumn != first.originColumn else {
        continue
      }
      throw Failure(
        .configuration,
        "\(members[0].source.name) and \(member.source.name) both go to \(target), by routes with different settings",
        location: "\(target)",
        hint: "Give the two the same on-collision and origin-column under route.")
    }
    return first
  }

  /// The tables must have one key: keys of the same row must be the same bytes.
  private func checkKeys(_ members: [TableMapping]) throws(Failure) {
    let first = members[0]
    for member in members {
      if member.isKeyless {
        throw Failure(
          .configuration, "\(member.source.name) has no key, so it can't be merged into \(member.target)",
          location: "\(member.source.name)", hint: "Give the table a primary key, or a sink-table of its own.")
      }
      let (one, other) = (first.key.sorted().map { first.columns[$0] }, member.key.sorted().map { member.columns[$0] })
      let isSame =
        one.count == other.count
        && zip(one, other).allSatisfy { a, b in
          a.targetName == b.targetName && a.targetType == b.targetType && a.binaryOID == b.binaryOID
            && a.conversion == b.conversion && a.source.baseTypeName == b.source.baseTypeName
            && a.source.comparesLoosely == b.source.comparesLoosely
        }
      if isSame { continue }
      throw Failure(
        .configuration,
        "\(first.source.name) and \(member.source.name) both go to \(first.target), but their keys are \(text(one)) and "
          + text(other), location: "\(first.target)",
        hint:
          "Tables are merged if their keys have the same columns, of the same types and in the same order. Give one "
          + "of them a sink-table of its own under route.")
    }
  }

  private func text(_ columns: [ColumnMapping]) -> String {
    "(" + columns.map { "\($0.targetName) \($0.source.formattedType)" }.joined(separator: ", ") + ")"
  }

  private func checkColumns(_ members: [TableMapping], originColumn: String) throws(Failure) {
    /// By column, what it is and whose it is.
    var known: [String: (form: String, table: TableName)] = [:]
    for member in members {
      let forms =
        member.columns.map { ($0.targetName, $0.targetType) }
        + member.generated.map { ($0.source.name, "\($0.targetType) generated as \($0.expression ?? "nothing")") }
      for (name, form) in forms {
        if name == originColumn {
          throw Failure(
            .configuration, "\(member.source.name) has a column \"\(name)\", as the origin column of \(member.target)",
            location: "\(member.source.name)", hint: "Give the route an origin-column of another name.")
        }
        guard let other = known.updateValue((form, member.source.name), forKey: name), other.form != form else {
          continue
        }
        throw Failure(
          .configuration,
          "column \"\(name)\" of \(member.target) is \(other.form) in \(other.table) and \(form) in \(member.source.name)",
          location: "\(member.target)",
          hint: "Give both the same type, or one of the tables a sink-table of its own under route.")
      }
    }
  }

  /// Leaves out indexes that an earlier table brings, and uniqueness, which no table vouches for beyond itself.
  private func shareIndexes(of mapping: inout TableMapping, with earlier: [TableMapping]) {
    for position in mapping.indexes.indices where mapping.indexes[position].isCreated {
      let index = mapping.indexes[position]
      if index.source.isUnique {
        mapping.indexes[position].source.isUnique = false
        mapping.indexes[position].remark = "not unique in the target, where other tables' rows are too"
      }
      let twin = earlier.first { other in
        other.indexes.contains { $0.isCreated && $0.source.isSameButName(as: mapping.indexes[position].source) }
      }
      if let twin { mapping.indexes[position].skipReason = "\(twin.source.name) has the same" }
    }
  }

  /// Adds a route's indexes to the first mapping of a target.
  func addIndexes(_ lists: [[String]], to group: [Int], of mappings: inout [TableMapping]) throws(Failure) {
    let united = unite(group.map { mappings[$0] })
    var done: [[String]] = []
    for columns in lists where !done.contains(columns) {
      done.append(columns)
      let created = group.flatMap { mappings[$0].indexes.filter(\.isCreated) }
      let source = SourceIndex(
        name: prefix(of: "\(united.target.name)_\(columns.joined(separator: "_"))", bytes: 59) + "_idx",
        columns: columns.map { name in
          // A route names the target's columns.
          united.columns.first { $0.targetName == name }?.source.name ?? name
        })
      if created.contains(where: { $0.source.isSameButName(as: source) }) { continue }
      var reason = reasonToSkip(source, of: united)
      if reason == nil, dialect == .dsql, created.count + (united.isKeyless ? 0 : 1) >= DSQLLimits.indexes {
        reason = "DSQL takes \(DSQLLimits.indexes) indexes per table"
      }
      if let reason {
        throw Failure(
          .configuration,
          "the index on (\(columns.joined(separator: ", "))) that a route asks for can't be made: \(reason)",
          location: "\(united.target)", hint: "Change indexes in the route.")
      }
      mappings[group[0]].indexes.append(IndexMapping(source: source, name: source.name))
    }
  }
}

extension SourceIndex {
  fileprivate func isSameButName(as other: SourceIndex) -> Bool {
    var named = other
    named.name = name
    return self == named
  }
}

extension ColumnMapping {
  /// The column with the origins of a merged table's rows, which no source has.
  fileprivate init(origin name: String, number: Int) {
    let source = SourceColumn(
      name: name, number: number, typeOID: BuiltinType.textOID, typeName: "text", formattedType: "text",
      isNotNull: true)
    self.init(
      source: source, targetName: name, targetType: "text", castType: "text", binaryOID: BuiltinType.textOID,
      isNotNull: true)
  }
}
