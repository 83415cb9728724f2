/// What is done about each error that a server can answer with: the first rule that covers it counts.
///
/// `docs/errors.md` is this table; a test holds the one against the other.
package enum ErrorTable {
  /// The rule for an error.
  ///
  /// - Parameter text: the server's message and hint.
  package static func rule(_ state: SQLState?, _ text: String, in phase: ErrorPhase) -> ErrorRule {
    all.first { $0.covers(state, text, phase) } ?? unknown
  }

  /// The rule for a failure that a server has reported, or that broke the session.
  ///
  /// What an error policy has decided goes first, but for Penstock's own definitions.
  package static func rule(for failure: Failure, in phase: ErrorPhase) -> ErrorRule {
    var rule = rule(failure.state, failure.message + "\n" + failure.hint, in: phase)
    if let verdict = failure.verdict, phase != .definition { rule.action = verdict }
    return rule
  }

  package static let all: [ErrorRule] =
    signingIn + connecting + sessions + conflicts + limits + rows + refusals + [unknown]

  /// What nobody has thought of stops the pipeline.
  package static let unknown = ErrorRule(
    .any, in: ErrorPhase.allCases, .stop, within: .none,
    "Read the server's message. Nothing is lost: the next run goes on from here.")

  /// DSQL's own refusals, and what they mean there; the narrower first. (Aurora DSQL user guide, "Troubleshooting".)
  private static let signingIn: [ErrorRule] = [
    // Its class is that of network faults, and it is none: trying again changes nothing.
    refusal(
      ["Wrong user to action mapping"], .stop, .none, state: "08006",
      "A token for admin is for admin only, and one for other roles for none but them: check the user."),
    refusal(
      ["Signature expired"], .refreshToken, .once, state: "08006",
      "Another token was refused as well: compare this machine's clock with another one."),
    refusal(
      ["security token included in the request is expired"], .refreshToken, .once, state: "08006",
      "Renew the AWS credentials; the role's session has ended."),
    refusal(
      ["is not authorized"], .stop, .none, state: "08006",
      "Allow dsql:DbConnectAdmin for admin, or dsql:DbConnect for any other user, on this cluster in the IAM "
        + "policy of that identity."),
    refusal(
      ["unable to accept connection, access denied"], .stop, .none, state: "08006",
      "Check the AWS credentials and the region, and that the IAM policy allows dsql:DbConnectAdmin for admin, or "
        + "dsql:DbConnect for any other user; penstock check says whose they are."),
    refusal(
      ["IAM authentication failed"], .stop, .none,
      "Map the database user to the IAM identity, as admin: AWS IAM GRANT user TO 'arn'; penstock check says both."),
    refusal(
      ["too many open connections"], .reconnect, .retry, state: "53300",
      "Lower sink.parallelism, close other clients, or have the cluster's quota of connections raised."),
    refusal(
      ["rate exceeded"], .reconnect, .retry, state: "53400",
      "The cluster takes 100 new connections per second; others connect to it as well."),
    refusal(["waking up cluster"], .reconnect, .retry, "An idle cluster needs a moment."),
    refusal(
      ["sni was not received", "unrecognized SSL error code: 6"], .stop, .none,
      "Use the cluster's own host name; a DSQL endpoint needs it in the TLS handshake."),
    refusal(
      ["cluster size exceeds"], .stop, .none, state: "53100",
      "Have the cluster's storage quota raised, or remove data."),
    refusal(
      ["setting configuration parameter"], .stop, .none, state: "0A000",
      "Remove the connection option that the server names."),
  ]

  private static let connecting: [ErrorRule] = [
    refusal(["password authentication failed"], .stop, .none, "Check username and password."),
    refusal(["no password supplied"], .stop, .none, "Set password in the configuration file."),
    refusal(["no pg_hba.conf entry"], .stop, .none, "Allow this host and user in the server's pg_hba.conf."),
    refusal(["does not exist"], .stop, .none, "Check database and user name."),
    refusal(["not supported"], .stop, .none, "Remove the connection option that the server names."),
    refusal(
      ["certificate"], .stop, .none,
      "Check ssl-root-cert, and that the host name is the one in the server's certificate."),
    refusal(["server does not support SSL"], .stop, .none, "Set ssl-mode to what the server offers."),
    refusal(["permission denied"], .stop, .none, "Grant the user what the server names."),
    refusal(["must be superuser or replication role"], .stop, .none, "ALTER ROLE … REPLICATION on the source."),
    refusal(["could not translate host name"], .reconnect, .retry, "Check the host name and the resolver."),
    refusal(
      ["Network is unreachable"], .reconnect, .retry,
      "Check the route; an endpoint has IPv4 and IPv6 addresses, and one of both is enough."),
    refusal(
      ["too many", "remaining connection slots"], .reconnect, .retry,
      "Raise the server's connection limit or lower ours."),
    refusal(
      [
        "starting up", "shutting down", "in recovery mode", "not accepting connections", "not yet accepting",
        "terminating connection", "max_wal_senders", "canceling authentication", "try again later",
      ], .reconnect, .retry, "Wait for the server, or look at its log."),
    refusal(["FATAL"], .stop, .none, "Read the server's message, and its log."),
    refusal([], .reconnect, .retry, "Check host, port and network, and that the server runs."),
  ]

  private static let sessions: [ErrorRule] = [
    ErrorRule(.none, in: [.statement], .reconnect, "Check the network and the server if it does not pass."),
    ErrorRule(
      .none, in: [.commit], .reconnect,
      "The lane's or the chunk's row tells whether the transaction has committed; nothing to do."),
    ErrorRule(
      .these(["08"]), text: ["access denied"], .stop, within: .none, endsSession: true,
      "Check the credentials and the IAM policy: this is no fault of the network."),
    ErrorRule(
      .these(["08P01"]), .stop, within: .none, endsSession: true,
      "Put nothing between Penstock and the server that rewrites its protocol."),
    ErrorRule(
      .these(["08", "57P01", "57P02", "57P03", "57P05", "25P03", "53300"]), .reconnect, endsSession: true,
      "Wait for the server, or look at its log."),
    ErrorRule(.these(["53400"]), .lookAndRepeat, "Start fewer pipelines at once, or lower sink.max-pool-size."),
    ErrorRule(
      .these(["57014"]), .lookAndRepeat, "Look for who cancels statements, or for a statement_timeout."),
    ErrorRule(
      .these(["XX000"]), text: ["could not map filenode"], .stop, within: .none,
      "The source can't decode its log, for a table was truncated or altered while the slot was made: penstock reset, "
        + "then load again."),
    ErrorRule(.these(["XX000"]), .lookAndRepeat, "Look at the server's state if it does not pass."),
  ]

  private static let conflicts: [ErrorRule] = [
    ErrorRule(
      .these(["40001"]), text: ["(OC001)"], .refreshCatalog,
      "Run DDL, GRANT and REVOKE elsewhere in the cluster when little is written."),
    ErrorRule(
      .these(["40001", "40P01"]), .repeatTransaction,
      "Keep other writers off the target's tables; a batch that conflicts again and again is split."),
    ErrorRule(.these(["40"]), .repeatTransaction, "Keep other writers off the target's tables."),
    ErrorRule(.these(["55006", "55P03"]), .repeatTransaction, "Look for who holds the table or its rows locked."),
    ErrorRule(
      .these(["23505", "42P06", "42P07", "42710"]), in: [.definition], .repeatTransaction,
      "Another instance makes the same tables at this moment; nothing to do."),
    ErrorRule(
      .these(["23505"]), .replaySerially,
      "The target has a row, or a unique index, that the source does not have. Compare the two with penstock verify."),
  ]

  private static let limits: [ErrorRule] = [
    ErrorRule(
      .these(["54000"]),
      text: [
        "maximum row size", "maximum column size", "datatype limit", "key size too large", "index row",
        "row is too big", "larger than a transaction may be",
      ], .isolate(.size), within: .deadLetters,
      "The target can't hold this row. Make it smaller at the source, or park it."),
    ErrorRule(.these(["54000", "53200"]), .split, within: .oneRow, "Lower sink.batch-size to spare the tries."),
  ]

  private static let rows: [ErrorRule] = [
    ErrorRule(
      .these(["22"]), .isolate(.data), within: .deadLetters,
      "Change the target's column so that it holds the value, or the row at the source, or park the row."),
    ErrorRule(
      .these(["23"]), .isolate(.constraint), within: .deadLetters,
      "Drop the target's constraint, or change the row at the source, or park the row."),
  ]

  private static let refusals: [ErrorRule] = [
    ErrorRule(.these(["42501", "28"]), .stop, within: .none, "Grant the user what the server names."),
    ErrorRule(
      .these(["42P01", "3F000"]), .stop, within: .none,
      "A table is gone. Make it again with its rows, or reset and load."),
    ErrorRule(
      .these(["42703", "42804"]), .stop, within: .none,
      "The target's table has changed. Give it the columns that penstock plan shows."),
    ErrorRule(.these(["53100"]), .stop, within: .none, "Make room: the target's storage is full."),
    ErrorRule(
      .these(["25P02"]), .stop, within: .none, "Look for the first error in the log: this one only follows it."),
    ErrorRule(.these(["0A000"]), .stop, within: .none, "The target can't do this. Read its message."),
  ]

  private static func refusal(
    _ texts: [String], _ action: ErrorAction, _ budget: ErrorBudget, state: SQLState? = nil, _ remedy: String
  ) -> ErrorRule {
    var rule = ErrorRule(.any, text: texts, in: [.connect], action, within: budget, endsSession: true, remedy)
    rule.serverState = state
    return rule
  }
}

extension Failure {
  /// What the table says of it when it arose on a statement, or while an answer was waited for.
  package var rule: ErrorRule { ErrorTable.rule(for: self, in: .statement) }
}

extension ErrorTable {
  /// The table as Markdown, as `docs/errors.md` shows it.
  package static var markdown: String {
    let head = "| SQLSTATE | text holds | when | action | budget | what to do |\n|---|---|---|---|---|---|\n"
    return head + all.map(\.markdown).joined()
  }
}

extension ErrorRule {
  fileprivate var markdown: String {
    let codes =
      switch states {
      case .any: serverState?.code ?? "any"
      case .none: "none"
      case .these(let patterns): patterns.map { $0.code.count == 2 ? "\($0)xxx" : $0.code }.joined(separator: ", ")
      }
    let text = texts.map { "`\($0)`" }.joined(separator: ", ")
    let isAnywhere = phases == ErrorPhase.allCases
    let time = isAnywhere ? "any" : phases.map(\.rawValue).joined(separator: ", ")
    return "| \(codes) | \(text) | \(time) | \(action.words) | \(budget.rawValue) | \(remedy) |\n"
  }
}
