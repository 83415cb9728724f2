internal import Apply
internal import ChangeModel
internal import DSQLSink
internal import FullLoad
internal import Postgres
internal import Runtime
internal import SQLMapping
internal import Transforms

/// What a verification reads from, and how it tries again.
struct VerificationServers: Sendable {
  var source: ConnectionSettings
  var sink: SinkOptions

  init(source: ConnectionSettings, sink: SinkOptions) {
    self.source = source
    self.sink = sink
    guard sink.dialect == .postgres else { return }
    // What the source's sessions set too, so that a value has one text form. DSQL has no other than these.
    let options = [
      sink.connection["options"] ?? "", "-c lc_monetary=C -c extra_float_digits=3 -c bytea_output=hex",
      "-c search_path=pg_catalog -c synchronize_seqscans=off",
    ]
    self.sink = sink.connecting(sink.connection.adding([("options", options.joined(separator: " "))]))
  }

  func settings(_ side: Side) -> ConnectionSettings { side == .source ? source : sink.connection }
}

/// One worker's sessions with both servers, opened when needed.
final class RowReader {
  let servers: VerificationServers
  private var sessions: [Side: Connection] = [:]

  init(_ servers: VerificationServers) { self.servers = servers }

  /// The session with a server; one of the target is replaced before it grows too old.
  func connection(_ side: Side) throws(Failure) -> Connection {
    if let session = sessions[side], session.isAlive {
      let age = monotonicNow() - session.openedAt
      if side == .source || age < servers.sink.pool.limits.lifetime * 0.9 { return session }
    }
    sessions[side] = nil
    let fresh = try Connection(servers.settings(side))
    sessions[side] = fresh
    return fresh
  }

  /// Gives the sessions up, such as in the middle of a copy.
  func discard() { sessions = [:] }

  /// Reads every row that a `COPY … TO STDOUT (FORMAT binary)` under way sends.
  ///
  /// - Parameter take: gets a row as `WireRow`; false ends the reading, and the sessions must be discarded.
  /// - Returns: false when `take` ended it.
  func readRows(
    _ table: ComparedTable, _ side: Side, _ take: (UnsafeRawBufferPointer) throws(Failure) -> Bool
  ) throws(Failure) -> Bool {
    let connection = try connection(side)
    var rows = BinaryCopyRows()
    let columns = table.columnCount(side)
    let maker = side == .source && table.mapping.transform != nil ? try TableRows(table.mapping.unmerged) : nil
    var made = ByteBuffer()
    while let message = try connection.nextCopyRow() {
      let goesOn = try unsafe message.bytes.withUnsafeBytes { (bytes) throws(Failure) in
        guard let row = try unsafe rows.row(in: bytes, columns: columns) else { return true }
        guard let maker else { return try unsafe take(row) }
        made.removeAll(keeping: 1 << 20)
        return try unsafe maker.append(row, to: &made) ? take(made.bytes) : true
      }
      if !goesOn { return false }
    }
    return true
  }

  /// Runs `work`, again after failures that may pass, within the retry budget.
  func retrying<Value>(_ what: String, _ log: Log, _ work: () throws(Failure) -> Value) throws(Failure) -> Value {
    var backoff = Backoff(servers.sink.retry)
    while true {
      let failure: Failure
      do throws(Failure) {
        return try work()
      } catch {
        failure = error
      }
      discard()
      guard failure.isTransient, let delay = backoff.next(now: monotonicNow(), random: .random(in: 0..<1)) else {
        throw failure
      }
      log.warning("\(what): \(failure.message); again in \(delay.seconds.rounded(2)) s")
      Wakeup().wait(for: delay)
    }
  }
}
