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
      settings.role, "cannot connect: \(text)", location: settings.place, hint: rule?.hint ?? "",
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

/// What a refused connect means, told from the server's text because libpq keeps no SQLSTATE for it.
struct ConnectRefusal {
  var fragment: String
  var isTransient: Bool
  var hint: String

  /// The first rule whose fragment stands in the text.
  static func matching(_ text: String) -> ConnectRefusal? { rules.first { text.contains($0.fragment) } }

  private static let rules: [ConnectRefusal] = [
    ConnectRefusal(
      fragment: "password authentication failed", isTransient: false, hint: "Check username and password."),
    ConnectRefusal(
      fragment: "no password supplied", isTransient: false, hint: "Set password in the configuration file."),
    ConnectRefusal(
      fragment: "no pg_hba.conf entry", isTransient: false,
      hint: "Allow this host and user in the server's pg_hba.conf."),
    ConnectRefusal(fragment: "does not exist", isTransient: false, hint: "Check database and user name."),
    ConnectRefusal(
      fragment: "access denied", isTransient: false,
      hint: "Check the credentials, the region and that the IAM policy allows dsql:DbConnect for this role."),
    ConnectRefusal(
      fragment: "IAM authentication failed", isTransient: false,
      hint: "Check the credentials and that AWS IAM GRANT maps this role to the database user."),
    ConnectRefusal(
      fragment: "sni was not received", isTransient: false,
      hint: "Use the cluster's own host name; a DSQL endpoint needs it in the TLS handshake."),
    ConnectRefusal(
      fragment: "not supported", isTransient: false, hint: "Remove the connection option that the server names."),
    ConnectRefusal(
      fragment: "certificate", isTransient: false,
      hint: "Check ssl-root-cert, and that the host name is the one in the server's certificate."),
    ConnectRefusal(
      fragment: "server does not support SSL", isTransient: false, hint: "Set ssl-mode to what the server offers."),
    ConnectRefusal(
      fragment: "permission denied", isTransient: false, hint: "Grant the user what the server names."),
    ConnectRefusal(
      fragment: "must be superuser or replication role", isTransient: false,
      hint: "ALTER ROLE … REPLICATION on the source."),
    ConnectRefusal(
      fragment: "could not translate host name", isTransient: true, hint: "Check the host name and the resolver."),
    ConnectRefusal(
      fragment: "too many", isTransient: true, hint: "Raise the server's connection limit or lower ours."),
  ]
}
