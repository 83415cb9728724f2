package import ChangeModel
package import Postgres
package import SQLMapping

/// How tables are cut.
package struct ChunkSettings: Hashable, Sendable {
  package enum Method: Hashable, Sendable { case auto, key, ctid }

  package var method: Method
  /// Bytes of heap and TOAST that a chunk aims at.
  package var chunkBytes: UInt64
  /// Workers that should all find something to do in one large table.
  package var parallelism: Int

  package init(method: Method, chunkBytes: UInt64, parallelism: Int) {
    self.method = method
    self.chunkBytes = chunkBytes
    self.parallelism = parallelism
  }
}

/// Cuts tables into chunks: by heap pages, which costs nothing, or by key ranges found by sampling.
package struct ChunkPlanner: Sendable {
  /// A chunk below this is not worth a transaction of its own.
  private static let leastChunkBytes: UInt64 = 4 << 20
  private static let samplesPerChunk = 60

  package let settings: ChunkSettings

  package init(_ settings: ChunkSettings) { self.settings = settings }

  /// `splitTableIntoChunks` of the founding documents: the chunks of one table, in order.
  ///
  /// - Parameter connection: a session with the source, for samples.
  package func splitTableIntoChunks(
    _ mapping: TableMapping, index: Int, _ connection: Connection
  ) throws(Failure) -> [Chunk] {
    var chunks: [Chunk] = []
    for heap in mapping.source.heaps {
      let count = pieces(heap)
      let part: [Chunk] =
        switch method(mapping, count, connection.serverVersion) {
        case .all: [Chunk(table: index, number: 0, heap: heap.name, kind: .all, bytesEstimate: heap.bytes)]
        case .ctid: pageChunks(heap, index, count)
        case .key: try keyChunks(heap, mapping, index, count, connection)
        }
      chunks += part
    }
    for number in chunks.indices { chunks[number].number = number }
    return chunks
  }

  private func method(_ mapping: TableMapping, _ count: Int, _ serverVersion: Int) -> Chunk.Kind {
    if count == 1 { return .all }
    switch settings.method {
    case .key: return mapping.isKeyless ? .ctid : .key
    case .ctid: return .ctid
    // Before 14 a ctid range reads the whole heap.
    case .auto: return serverVersion >= 140_000 || mapping.isKeyless ? .ctid : .key
    }
  }

  /// How many chunks a heap is worth: by size, but enough for all workers.
  private func pieces(_ heap: SourceHeap) -> Int {
    let bySize = (heap.bytes + settings.chunkBytes - 1) / max(1, settings.chunkBytes)
    let forAll = min(UInt64(settings.parallelism) * 4, heap.bytes / min(Self.leastChunkBytes, settings.chunkBytes))
    return Int(min(max(1, bySize, forAll), max(1, heap.pages), 100_000))
  }

  private func pageChunks(_ heap: SourceHeap, _ table: Int, _ count: Int) -> [Chunk] {
    (0..<count).map { piece in
      let bound = { (number: Int) in String(heap.pages * UInt64(number) / UInt64(count)) }
      return Chunk(
        table: table, number: piece, heap: heap.name, kind: .ctid, lower: piece == 0 ? nil : bound(piece),
        upper: piece == count - 1 ? nil : bound(piece + 1), bytesEstimate: heap.bytes / UInt64(count))
    }
  }

  private func keyChunks(
    _ heap: SourceHeap, _ mapping: TableMapping, _ table: Int, _ count: Int, _ connection: Connection
  ) throws(Failure) -> [Chunk] {
    let bounds = try sampledBounds(heap, mapping, count, connection)
    return (0...bounds.count).map { piece in
      Chunk(
        table: table, number: piece, heap: heap.name, kind: .key, lower: piece == 0 ? nil : bounds[piece - 1],
        upper: piece == bounds.count ? nil : bounds[piece],
        bytesEstimate: heap.bytes / UInt64(bounds.count + 1))
    }
  }

  /// Up to `count - 1` key values that cut the heap into parts of about the same number of rows.
  package func sampledBounds(
    _ heap: SourceHeap, _ mapping: TableMapping, _ count: Int, _ connection: Connection
  ) throws(Failure) -> [String] {
    guard count > 1 else { return [] }
    let read = mapping.input ?? mapping
    let columns = read.key.map { read.columns[$0].source }
    let names = columns.map { quotedIdentifier($0.name) }.joined(separator: ", ")
    let wanted = Double(count * Self.samplesPerChunk)
    let rows = heap.estimatedRows > 0 ? heap.estimatedRows : Double(heap.pages) * 50
    let percent = min(100, max(0.001, 100 * wanted / max(1, rows)))
    // Whole pages are cheap to sample, but a small heap has too few of them.
    let method = heap.pages >= 1000 ? "SYSTEM" : "BERNOULLI"
    let texts = columns.map { quotedIdentifier($0.name) + "::text" }.joined(separator: ", ")
    let sample = try connection.query(
      """
      SELECT \(texts) FROM (SELECT \(names) FROM ONLY \(heap.name.quoted)
      TABLESAMPLE \(method) (\(percent)) LIMIT 200000) AS s ORDER BY \(names)
      """)
    var bounds: [String] = []
    for piece in 1..<count where !sample.values.isEmpty {
      let row = sample.values[sample.count * piece / count]
      let parts = zip(row, columns).map { value, column in
        "\(quotedLiteral(value ?? ""))::\(column.formattedType)"
      }
      let bound = "(\(parts.joined(separator: ", ")))"
      if bounds.last != bound { bounds.append(bound) }
    }
    return bounds
  }
}
