internal import ChangeModel
internal import DynamoDBSource
internal import Runtime
internal import Synchronization

extension DynamoDBVerification {
  /// Scans tables of one target and holds their items against it.
  ///
  /// - Parameter keysOnly: nothing is compared, only `known` is filled.
  func scan(
    _ group: [Int], _ tables: [ComparedItems], _ known: KnownKeys, keysOnly: Bool = false
  ) async throws(Failure) {
    let segments = WorkQueue(
      group.flatMap { table in (0..<options.segments).map { (table: table, number: $0) } })
    await withTaskGroup(of: Void.self) { threads in
      for number in 0..<min(options.workers, group.count * options.segments) {
        threads.addThread(named: "verify-\(number)") {
          let reader = RowReader(self.servers)
          while let segment = segments.next() {
            let table = tables[segment.table]
            do throws(Failure) {
              let comparer = try PageComparer(table, TargetRows(table, reader, log: self.log))
              try await self.scan(segment.table, segment.number, comparer, known, keysOnly)
            } catch {
              segments.fail(error)
            }
          }
        }
      }
    }
    if let failure = segments.failure { throw failure }
  }

  private func scan(
    _ table: Int, _ segment: Int, _ comparer: PageComparer, _ known: KnownKeys, _ keysOnly: Bool
  ) async throws(Failure) {
    let name = comparer.table.pair.items.table.name
    if !keysOnly { state.withLock { $0.startedAt[table] = $0.startedAt[table] ?? monotonicNow() } }
    var lastKey: [UInt8]?
    repeat {
      let body = try await source.scan(name, segment: segment, of: options.segments, after: lastKey)
      let result = try comparer.compare(page: body, keysOnly: keysOnly)
      source.spend(result.capacityUnits, of: name)
      known.insert(result.keyHashes)
      if !keysOnly { record(result, bytes: body.count, table) }
      lastKey = result.lastKey
    } while lastKey != nil
    if !keysOnly { progress.update { $0.rangesDone += 1 } }
  }

  private func record(_ result: PageResult, bytes: Int, _ table: Int) {
    state.withLock { state in
      state.tables[table].sourceRows += result.items
      state.tables[table].targetRows += result.found
      state.tables[table].bytes += bytes
      state.largest[table] = max(state.largest[table] ?? 1, result.largestItem)
      state.tables[table].differences += result.impossible
      for key in result.suspects { state.add(ItemSuspect(tables: [table], key: key)) }
    }
    progress.update { state in
      state.rows += result.items
      state.bytes += bytes
      state.suspects += result.suspects.count
    }
  }
}
