internal import CLibPQ
package import ChangeModel
internal import Glibc
internal import Runtime

/// A binary value for a statement's parameter: `nil` base is SQL NULL.
package typealias ParameterBytes = UnsafeRawBufferPointer

/// What one step of a flight came to.
package struct FlightStep: Sendable {
  /// Rows touched, from the command tag.
  package var affected: Int
  package var commandTag: String
}

/// How a whole flight ended.
package enum FlightEnd: Sendable {
  /// Every step answered; in step order.
  case done([FlightStep])
  /// Step `index` failed on the server and all later ones were skipped.
  case failed(index: Int, Failure)
}

extension Connection {
  /// Enters pipeline mode: statements are sent without waiting for their answers.
  package func beginFlight() throws(Failure) {
    if unsafe PQenterPipelineMode(raw) == 0 { throw lostFailure() }
  }

  /// Whether a flight is under way.
  package var isInFlight: Bool { unsafe PQpipelineStatus(raw) != PQ_PIPELINE_OFF }

  /// Queues a statement without parameters or with text parameters.
  package func queue(_ sql: String, _ parameters: [String?] = []) throws(Failure) {
    let sent = unsafe withTextParameters(parameters) { values in
      unsafe PQsendQueryParams(raw, sql, Int32(values.count), nil, values.baseAddress, nil, nil, 0)
    }
    if sent == 0 { throw lostFailure() }
  }

  /// Queues the preparation of a named statement; its answer is a step of the flight too.
  package func queuePrepare(name: String, sql: String, types: [UInt32]) throws(Failure) {
    let sent = unsafe types.withUnsafeBufferPointer { types in
      unsafe PQsendPrepare(raw, name, sql, Int32(types.count), types.baseAddress)
    }
    if sent == 0 { throw lostFailure() }
  }

  /// Queues a prepared statement with binary parameters. libpq copies the bytes before this returns.
  package func queuePrepared(name: String, _ parameters: [ParameterBytes]) throws(Failure) {
    let values = unsafe parameters.map { unsafe $0.baseAddress?.assumingMemoryBound(to: CChar.self) }
    let lengths = unsafe parameters.map { Int32($0.count) }
    let formats = unsafe [Int32](repeating: 1, count: parameters.count)
    let count = unsafe Int32(parameters.count)
    let sent = unsafe PQsendQueryPrepared(raw, name, count, values, lengths, formats, 0)
    if sent == 0 { throw lostFailure() }
    queuedBytes += unsafe parameters.reduce(0) { $0 + $1.count }
  }

  /// Queues a prepared statement with text parameters.
  package func queuePreparedText(name: String, _ parameters: [String?]) throws(Failure) {
    let sent = unsafe withTextParameters(parameters) { values in
      unsafe PQsendQueryPrepared(raw, name, Int32(values.count), values.baseAddress, nil, nil, 0)
    }
    if sent == 0 { throw lostFailure() }
  }

  /// Sends what is queued so far without waiting for answers.
  package func pushFlight() throws(Failure) {
    if unsafe PQflush(raw) < 0 { throw lostFailure() }
  }

  /// Marks the end of the flight and sends as much as the socket takes now.
  package func closeFlight() throws(Failure) {
    if unsafe PQpipelineSync(raw) == 0 { throw lostFailure() }
    if unsafe PQflush(raw) < 0 { throw lostFailure() }
  }

  /// Reads the answers of a closed flight of `steps` statements and leaves pipeline mode.
  ///
  /// - Throws: when the session broke; the outcome of a COMMIT in the flight is then unknown.
  package func landFlight(steps: Int, within limit: Duration? = nil) throws(Failure) -> FlightEnd {
    let deadline = limit.map { monotonicDeadline($0) }
    queuedBytes = 0
    var done: [FlightStep] = []
    done.reserveCapacity(steps)
    var failed: (Int, Failure)?
    var index = 0
    while true {
      guard let result = try nextResult(until: deadline) else {
        if !isAlive { throw lostFailure() }
        index += 1
        continue
      }
      switch result.status {
      case PGRES_PIPELINE_SYNC:
        if unsafe PQexitPipelineMode(raw) == 0 { throw lostFailure() }
        if let failed { return .failed(index: failed.0, failed.1) }
        return .done(done)
      case PGRES_COMMAND_OK, PGRES_TUPLES_OK:
        done.append(FlightStep(affected: result.affectedRows, commandTag: result.commandTag))
      case PGRES_PIPELINE_ABORTED: break
      default:
        let failure = failure(in: result)
        if failure.connectionLost { throw failure }
        if failed == nil { failed = (index, failure) }
      }
    }
  }
}
