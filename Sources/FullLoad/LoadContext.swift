package import Apply
package import ChangeModel
package import DSQLSink
package import Postgres
package import Runtime
internal import SQLMapping

/// What all workers of a full load share.
package struct LoadContext: Sendable {
  package enum Method: Hashable, Sendable { case insert, copy }

  package var options: SinkOptions
  package var identity: WriterIdentity
  /// Plans in binary format: the load's rows come by COPY, whatever the stream does.
  package var plans: [TablePlan]
  package var method: Method
  package var source: ConnectionSettings
  /// The exported snapshot under which everything is read; `nil` reads what is there now.
  package var snapshot: String?
  package var progress: LoadProgress
  /// Of rows of merged tables.
  package var collisions: Collisions
  package var log: Log
  /// Signalled to make workers stop between and inside chunks.
  package var interrupt: Wakeup

  package init(
    options: SinkOptions, identity: WriterIdentity, plans: [TablePlan], method: Method, source: ConnectionSettings,
    snapshot: String?, progress: LoadProgress, collisions: Collisions = Collisions(), log: Log, interrupt: Wakeup
  ) {
    self.options = options
    self.identity = identity
    self.plans = plans
    self.method = method
    self.source = source
    self.snapshot = snapshot
    self.progress = progress
    self.collisions = collisions
    self.log = log
    self.interrupt = interrupt
  }

  var ledger: ChunkLedger { ChunkLedger(pipeline: identity.pipeline) }

  /// The form in which a table can be copied from server to server without touching a byte; `nil` when some value
  /// must be rewritten on the way.
  func copyFormat(_ plan: TablePlan) -> CopyFormat? {
    if plan.mapping.transform != nil { return nil }
    let columns = plan.mapping.columns
    if columns.contains(where: { $0.conversion != .none }) { return nil }
    let isBinary = columns.allSatisfy { $0.binaryOID != nil || $0.castType == "text" }
    return isBinary ? .binary : .text
  }
}

/// The two forms of COPY.
enum CopyFormat: String { case binary, text }

/// Reads a session's rows for one worker: opened under the snapshot, kept for all its chunks.
final class ChunkReader {
  private let context: LoadContext
  private var current: Connection?

  init(_ context: LoadContext) { self.context = context }

  /// The session, inside a read-only transaction that sees the snapshot.
  private func connection() throws(Failure) -> Connection {
    if let current, current.isAlive { return current }
    current = nil
    let fresh = try Connection(context.source, interrupt: context.interrupt)
    current = fresh
    try fresh.widenReads()
    guard let snapshot = context.snapshot else { return fresh }
    try fresh.query("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
    try fresh.query("SET TRANSACTION SNAPSHOT '\(snapshot)'")
    return fresh
  }

  /// Starts sending the chunk's rows.
  func open(_ chunk: Chunk, _ plan: TablePlan, _ format: CopyFormat) throws(Failure) -> Connection {
    let mapping = plan.mapping.input ?? plan.mapping
    let list =
      format == .text
      ? mapping.columns.map { quotedIdentifier($0.source.name) }.joined(separator: ", ")
      : mapping.sourceSelectList(.binary)
    let key = mapping.key.map { quotedIdentifier(mapping.columns[$0].source.name) }.joined(separator: ", ")
    let connection = try connection()
    try connection.startCopy(
      "COPY (SELECT \(list) FROM ONLY \(chunk.heap.quoted)\(chunk.condition(key: key))) TO STDOUT (FORMAT \(format.rawValue))"
    )
    return connection
  }

  /// Gives a session up in the middle of a copy.
  func discard() { current = nil }
}

/// Walks the messages of a binary COPY as rows.
package struct BinaryCopyRows {
  /// `PGCOPY\n\377\r\n\0`, flags, length of the extension.
  private static let headerBytes = 19
  private var sawHeader = false

  package init() {}

  /// The row inside a message, without its column count; `nil` for the trailer.
  ///
  /// - Throws: for a message that is not a part of a binary COPY with so many columns.
  package mutating func row(
    in message: UnsafeRawBufferPointer, columns: Int
  ) throws(Failure) -> UnsafeRawBufferPointer? {
    var start = 0
    if !sawHeader {
      guard message.count >= Self.headerBytes else { throw malformed(message.count) }
      start = Self.headerBytes + Int(unsafe message.bigEndian(at: 15, as: UInt32.self))
      sawHeader = true
    }
    guard message.count >= start + 2 else { throw malformed(message.count) }
    let count = unsafe message.bigEndian(at: start, as: Int16.self)
    if count == -1 { return nil }
    guard Int(count) == columns else { throw malformed(message.count) }
    return unsafe UnsafeRawBufferPointer(rebasing: message[(start + 2)...])
  }

  private func malformed(_ count: Int) -> Failure {
    Failure(.source, "a COPY message of \(count) bytes is not a binary row", hint: "Check the source's version.")
  }
}
