internal import ChangeModel
internal import PenstockExtensions

extension Connection {
  /// The failure with what the error policy says of it, if there is a policy and it says something else than the table.
  func judged(_ failure: Failure, _ phase: ErrorPhase) -> Failure {
    // Penstock's own guards fail by a division by zero; what they mean is no policy's matter.
    guard let policy = settings.errorPolicy, failure.state != "22012" else { return failure }
    let action = ErrorTable.rule(for: failure, in: phase).action
    let error = TargetError(
      sqlState: phase == .connect ? nil : failure.state?.code, message: failure.message, location: failure.location,
      isConnecting: phase == .connect, proposed: Disposition(action))
    let disposition =
      switch ErrorSubject(failure, phase) {
      case .connection: policy.connectionError(error)
      case .data: policy.dataError(error)
      case .schema: policy.schemaError(error)
      }
    guard disposition != error.proposed else { return failure }
    var failure = failure
    let verdict = ErrorAction(disposition, state: failure.state)
    failure.verdict = failure.connectionLost && !verdict.fitsBrokenSession(phase) ? .stop : verdict
    failure.isTransient = failure.verdict?.isTransient == true
    if failure.verdict == .stop {
      failure.hint = "The error policy says stop, where Penstock by itself would: \(action.words). \(failure.hint)"
    }
    return failure
  }
}

/// What an error is about: which of a policy's questions it belongs to.
enum ErrorSubject: Hashable {
  case connection, data, schema

  init(_ failure: Failure, _ phase: ErrorPhase) {
    guard phase != .connect, let state = failure.state else {
      self = .connection
      return
    }
    switch state {
    case "42", "3F", "0A": self = .schema
    case "08", "28", "57P01", "57P02", "57P03", "57P05", "25P03", "53300": self = .connection
    default: self = failure.connectionLost ? .connection : .data
    }
  }
}

extension ErrorAction {
  /// - Parameter state: tells the class of a row to isolate.
  init(_ disposition: Disposition, state: SQLState?) {
    switch disposition {
    case .retry: self = .repeatTransaction
    case .reconnect: self = .reconnect
    case .refreshToken: self = .refreshToken
    case .split: self = .split
    case .isolateRow:
      switch state {
      case "23"?: self = .isolate(.constraint)
      case "54"?: self = .isolate(.size)
      default: self = .isolate(.data)
      }
    case .replaySerially: self = .replaySerially
    case .stop: self = .stop
    }
  }

  fileprivate func fitsBrokenSession(_ phase: ErrorPhase) -> Bool {
    self == .reconnect || self == .stop || self == .refreshToken && phase == .connect
  }
}

extension Disposition {
  /// What comes nearest to it; an action that a policy leaves as it is stays exactly what it was.
  init(_ action: ErrorAction) {
    switch action {
    case .repeatTransaction, .lookAndRepeat: self = .retry
    case .refreshCatalog, .reconnect: self = .reconnect
    case .refreshToken: self = .refreshToken
    case .split: self = .split
    case .isolate: self = .isolateRow
    case .replaySerially: self = .replaySerially
    case .stop: self = .stop
    }
  }
}
