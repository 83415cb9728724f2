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
    return judged(
      Failure(
        settings.role, text.isEmpty ? "the server closed the connection" : "connection lost: \(text)",
        location: settings.place, connectionLost: true, isTransient: true), .statement)
  }

  func timeoutFailure() -> Failure {
    judged(
      Failure(
        settings.role, "the server did not answer in time", location: settings.place, connectionLost: true,
        isTransient: true), .statement)
  }

  /// A failed attempt to connect. libpq gives no SQLSTATE here, so the text decides.
  func connectFailure() -> Failure {
    let text = libpqMessage
    let rule = ErrorTable.rule(nil, text, in: .connect)
    return judged(
      Failure(
        settings.role, "cannot connect: \(text)", location: settings.place, hint: rule.remedy, state: rule.serverState,
        connectionLost: true, isTransient: rule.action.isTransient), .connect)
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
    let hint = result.errorField(Int32(0x48)) ?? ""  // 'H'
    let rule = ErrorTable.rule(sqlState, message + "\n" + hint, in: .statement)
    return judged(
      Failure(
        settings.role, message, location: location, hint: hint.isEmpty ? rule.remedy : hint, state: sqlState,
        connectionLost: rule.endsSession || !isAlive, isTransient: rule.action.isTransient), .statement)
  }
}
