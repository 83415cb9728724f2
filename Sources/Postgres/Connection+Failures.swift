internal import CLibPQ
internal import ChangeModel

extension Connection {
  /// libpq's words for what just failed; read in the statement after the failing call.
  private var libpqMessage: String {
    unsafe String(cString: PQerrorMessage(raw)).split(separator: "\n").joined(separator: "; ")
  }

  /// The session broke.
  func lostFailure() -> Failure {
    let text = libpqMessage
    return Failure(
      settings.role, text.isEmpty ? "the server closed the connection" : "connection lost: \(text)",
      location: settings.place, connectionLost: true, isTransient: true)
  }

  func timeoutFailure() -> Failure {
    Failure(
      settings.role, "the server did not answer in time", location: settings.place, connectionLost: true,
      isTransient: true)
  }

  /// A failed attempt to connect. libpq gives no SQLSTATE here, so the text decides.
  func connectFailure() -> Failure {
    let text = libpqMessage
    let rule = ConnectRefusal.matching(text)
    return Failure(
      settings.role, "cannot connect: \(text)", location: settings.place, hint: rule?.hint ?? "", state: rule?.state,
      connectionLost: true, isTransient: rule?.isTransient ?? true)
  }

  /// The failure in an error result, with row values kept out.
  func failure(in result: borrowing QueryResult) -> Failure {
    guard let state = result.errorField(Int32(0x43)) else {  // PG_DIAG_SQLSTATE 'C'
      var failure = lostFailure()
      if !isAlive { return failure }
      failure.message = result.errorText.split(separator: "\n").joined(separator: "; ")
      return failure
    }
    let sqlState = SQLState(state)
    var message = result.errorField(Int32(0x4D)) ?? "the server reported an error"  // 'M'
    if case SQLState("22") = sqlState, let quote = message.firstIndex(of: "\"") {
      // Data exceptions quote the offending value.
      message = message[..<quote] + "(value not shown)"
    }
    var location = settings.place
    if let table = result.errorField(Int32(0x74)) {  // 't'
      location += ", table \(result.errorField(Int32(0x73)) ?? "?").\(table)"
    }
    if let constraint = result.errorField(Int32(0x6E)) { location += ", constraint \(constraint)" }  // 'n'
    return Failure(
      settings.role, message, location: location, hint: result.errorField(Int32(0x48)) ?? "", state: sqlState,
      connectionLost: Connection.endsSession(sqlState) || !isAlive, isTransient: Connection.isTransient(sqlState))
  }

  /// States after which the server closes the session.
  private static func endsSession(_ state: SQLState) -> Bool {
    switch state {
    case SQLState("08"), SQLState("57P01"), SQLState("57P02"), SQLState("57P03"), SQLState("53300"): true
    default: false
    }
  }

  /// States that may pass by themselves: the same work can be tried again.
  private static func isTransient(_ state: SQLState) -> Bool {
    switch state {
    case SQLState("08"), SQLState("40"), SQLState("57P01"), SQLState("57P02"), SQLState("57P03"), SQLState("53300"),
      SQLState("53400"), SQLState("55006"), SQLState("XX000"):
      true
    default: false
    }
  }
}
