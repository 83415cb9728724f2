internal import ChangeModel
internal import Runtime
internal import Synchronization

extension DynamoDBVerification {
  /// - Returns: why the pipeline could not be waited for, if there was something to wait for.
  func lookAgain(_ tables: [ComparedItems], _ reader: RowReader) async throws(Failure) -> String? {
    let (suspects, largest) = state.withLock { ($0.suspects, $0.largest) }
    guard !suspects.isEmpty else { return nil }
    let again = try ItemSecondLook(
      tables, source, reader, pulse, largest: tables.indices.map { largest[$0] ?? 1 },
      stillness: options.stillness, log: log)
    // No item can be asked for by what the target makes of its key.
    let unfaithful = suspects.filter { $0.printed != nil && !tables[$0.tables[0]].isKeyFaithful }
    let differing = try await again.settle(Array(suspects.subtracting(unfaithful)), progress)
    for item in differing {
      guard let difference = item.difference else { continue }
      state.withLock { $0.tables[item.suspect.tables[0]].differences.append(difference) }
    }
    for (group, suspects) in Dictionary(grouping: unfaithful, by: \.tables) {
      let extra = try await stillExtra(suspects, group, tables, again)
      state.withLock { state in
        for suspect in extra {
          state.tables[group[0]].differences.append(
            RowDifference(kind: .extra, key: suspect.key.parts(tables[group[0]].pair, isPrinted: true)))
        }
      }
    }
    state.withLock { state in
      for index in state.tables.indices { state.tables[index].differences.sort(by: RowDifference.isOrdered) }
    }
    return again.standstill
  }

  /// The suspects that no item has whenever all of them are scanned, though time has passed.
  private func stillExtra(
    _ suspects: [ItemSuspect], _ group: [Int], _ tables: [ComparedItems], _ again: ItemSecondLook
  ) async throws(Failure) -> [ItemSuspect] {
    let rows = TargetRows(tables[group[0]], RowReader(servers), log: log)
    var left = suspects
    for _ in 0..<2 where !left.isEmpty {
      try again.lookForInstance()
      if again.standstill == nil { try await SourceItems.pause(options.stillness) }
      let known = KnownKeys(memoryBytes: options.memoryBytes)
      try await scan(group, tables, known, keysOnly: true)
      let extra = Set(try await extraKeys(group, tables, rows, known))
      left = left.filter { extra.contains($0.printed ?? []) }
      if again.standstill != nil { break }
    }
    return left
  }
}
