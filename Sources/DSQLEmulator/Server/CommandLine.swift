/// The command line of `dsql-emulator`: one table for parsing and for `--help`.
package enum EmulatorCommandLine {
  /// What the arguments ask for.
  package enum Request: Sendable {
    case help(String)
    case run(EmulatorOptions)
  }

  /// One option. `apply` answers false when the value cannot be read.
  struct Option: Sendable {
    let name: String
    /// What stands for the value in `--help`; `nil` for a switch.
    let value: String?
    let help: String
    let apply: @Sendable (inout EmulatorOptions, String) -> Bool
  }

  static let options: [Option] = [
    Option(name: "--listen", value: "HOST:PORT", help: "address to listen on; port 0 takes a free one (127.0.0.1:0)") {
      guard let colon = $1.lastIndex(of: ":"), let port = UInt16($1[$1.index(after: colon)...]) else { return false }
      $0.listenHost = String($1[..<colon])
      $0.listenPort = port
      return true
    },
    Option(name: "--backend", value: "CONNINFO", help: "libpq connection string of the PostgreSQL behind, as superuser")
    {
      $0.backend = $1
      return !$1.isEmpty
    },
    Option(name: "--backend-password-env", value: "NAME", help: "environment variable with the backend's password") {
      $0.backendPasswordVariable = $1
      return !$1.isEmpty
    },
    Option(name: "--certificate", value: "FILE", help: "server certificate chain, PEM") {
      $0.certificateFile = $1
      return !$1.isEmpty
    },
    Option(name: "--key", value: "FILE", help: "its private key, PEM") {
      $0.keyFile = $1
      return !$1.isEmpty
    },
    Option(
      name: "--make-certificate", value: "FOLDER",
      help:
        "instead: make ca.crt, server.crt and server.key there if missing, for localhost, 127.0.0.1 and the DSQL endpoints of every region"
    ) {
      $0.certificateFolder = $1
      return !$1.isEmpty
    },
    Option(
      name: "--verify-signatures", value: nil,
      help:
        "verify tokens with AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN; else any well-formed signature passes"
    ) { options, _ in
      options.verifiesSignatures = true
      return true
    },
    Option(
      name: "--require-sni", value: "on|off",
      help: "refuse clients without SNI, and tokens made for another host than it names (on)"
    ) { toggle($1, &$0.requiresSNI) },
    Option(name: "--seed", value: "N", help: "decides which occasions the rates below strike (1)") {
      number($1, &$0.seed)
    },
    Option(
      name: "--conflict-rate", value: "0..1", help: "share of committing write transactions that fail with OC000 (0)"
    ) {
      rate($1, &$0.faults.conflict)
    },
    Option(
      name: "--unavailable-rate", value: "0..1",
      help: "share of statements and commits that fail with XX000 server unavailable (0)"
    ) {
      rate($1, &$0.faults.unavailable)
    },
    Option(
      name: "--cut-before-commit-rate", value: "0..1",
      help: "share of write transactions cut off instead of committed (0)"
    ) {
      rate($1, &$0.faults.cutBeforeCommit)
    },
    Option(
      name: "--cut-after-commit-rate", value: "0..1",
      help: "share of write transactions committed, then cut off without an answer (0)"
    ) {
      rate($1, &$0.faults.cutAfterCommit)
    },
    Option(name: "--refuse-connect-rate", value: "0..1", help: "share of new connections refused with 53400 (0)") {
      rate($1, &$0.faults.refuseConnect)
    },
    Option(name: "--waking-connects", value: "N", help: "first connections that are told the cluster is waking up (0)")
    {
      number($1, &$0.wakingConnects)
    },
    Option(name: "--connect-latency", value: "TIME", help: "added to each sign-in (0ms)") {
      time($1, &$0.connectLatency)
    },
    Option(name: "--statement-latency", value: "TIME", help: "added to each statement (0ms)") {
      time($1, &$0.statementLatency)
    },
    Option(name: "--commit-latency", value: "TIME", help: "added to each commit that changed something (0ms)") {
      time($1, &$0.commitLatency)
    },
    Option(name: "--index-build-time", value: "TIME", help: "how long an index job stays in processing (0ms)") {
      time($1, &$0.indexBuildTime)
    },
    Option(name: "--max-session-age", value: "TIME", help: "sessions end after this (60m)") {
      time($1, &$0.sessionAgeMax)
    },
    Option(name: "--max-transaction-age", value: "TIME", help: "transactions fail after this (300s)") {
      time($1, &$0.transactionAgeMax)
    },
    Option(
      name: "--clock-rate", value: "N",
      help: "how many times as fast the clock of these ages runs: with 100, 300 s pass in 3 s (1)"
    ) {
      positive($1, &$0.clockRate)
    },
    Option(name: "--connect-rate", value: "N", help: "new connections per second, sustained (100)") {
      positive($1, &$0.connectRate)
    },
    Option(name: "--connect-burst", value: "N", help: "new connections at once (1000)") {
      positive($1, &$0.connectBurst)
    },
    Option(name: "--max-connections", value: "N", help: "open connections (10000)") { number($1, &$0.connectionsMax) },
    Option(name: "--log", value: "LEVEL", help: "notice, or debug to say why each session ended (notice)") {
      $0.logsVerbosely = $1 == "debug"
      return $1 == "debug" || $1 == "notice"
    },
  ]

  /// - Parameter arguments: without the program's name.
  /// - Throws: one line saying what is wrong with them.
  package static func parse(_ arguments: [String]) throws(SetupProblem) -> Request {
    var parsed = EmulatorOptions()
    var rest = arguments[...]
    while let argument = rest.popFirst() {
      if argument == "--help" || argument == "-h" { return .help(help) }
      let sides = argument.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
      guard let option = options.first(where: { $0.name == sides[0] }) else {
        throw SetupProblem("unknown option \(sides[0]); see --help")
      }
      var value = ""
      if let placeholder = option.value {
        guard let given = sides.count == 2 ? sides[1] : rest.popFirst() else {
          throw SetupProblem("\(option.name) needs a value: \(placeholder)")
        }
        value = given
      } else if sides.count == 2 {
        throw SetupProblem("\(option.name) takes no value")
      }
      guard option.apply(&parsed, value) else {
        throw SetupProblem("\(option.name): \"\(value)\" is not \(option.value ?? "allowed")")
      }
    }
    if parsed.backend.isEmpty { throw SetupProblem("--backend is missing; see --help") }
    if parsed.certificateFolder == nil, parsed.certificateFile.isEmpty || parsed.keyFile.isEmpty {
      throw SetupProblem("give --certificate and --key, or --make-certificate; see --help")
    }
    return .run(parsed)
  }

  static var help: String {
    let column = 34
    var text = """
      dsql-emulator: a local Aurora DSQL for tests: DSQL's rules, tokens and errors before a plain PostgreSQL.

      usage: dsql-emulator --backend CONNINFO --make-certificate FOLDER [options]

      It prints "listening on HOST:PORT" when ready, serves until SIGTERM or SIGINT, and then exits with 0.
      TIME is a number with ms, s, m or h. Clients connect with TLS, as user admin or a role of the backend, to
      database postgres, with a DSQL token as password.


      """
    for option in options {
      let left = "  \(option.name)\(option.value.map { " \($0)" } ?? "")"
      let padding = String(repeating: " ", count: max(2, column - left.count))
      text += left + padding + option.help + "\n"
    }
    return text
  }

  // MARK: Values

  private static func toggle(_ text: String, _ value: inout Bool) -> Bool {
    value = text == "on"
    return text == "on" || text == "off"
  }
  private static func number<Number: FixedWidthInteger>(_ text: String, _ value: inout Number) -> Bool {
    guard let parsed = Number(text), parsed >= 0 else { return false }
    value = parsed
    return true
  }
  private static func positive(_ text: String, _ value: inout Double) -> Bool {
    guard let parsed = Double(text), parsed > 0, parsed.isFinite else { return false }
    value = parsed
    return true
  }
  private static func rate(_ text: String, _ value: inout Double) -> Bool {
    guard let parsed = Double(text), (0...1).contains(parsed) else { return false }
    value = parsed
    return true
  }
  private static func time(_ text: String, _ value: inout Duration) -> Bool {
    let units: [(String, Duration)] = [
      ("ms", .milliseconds(1)), ("s", .seconds(1)), ("m", .seconds(60)), ("h", .seconds(3600)),
    ]
    for (suffix, unit) in units where text.hasSuffix(suffix) {
      guard let count = Int32(text.dropLast(suffix.count)), count >= 0 else { return false }
      value = unit * count
      return true
    }
    return false
  }
}
