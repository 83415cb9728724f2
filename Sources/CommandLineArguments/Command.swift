/// A command of `penstock`, in the order of the help.
package enum Command: String, Hashable, Sendable, CaseIterable {
  case check, plan, run, status, verify, dlq, reset, token, schema, help, version

  /// A flag, or an option with a value, and what it does.
  struct Option: Hashable {
    var name: String
    /// What the help calls its value; `nil` for a flag.
    var value: String?
    var summary: String
  }

  /// Whether it works on a configuration file.
  var takesFile: Bool {
    switch self {
    case .check, .plan, .run, .status, .verify, .dlq, .reset: true
    case .token, .schema, .help, .version: false
    }
  }

  var options: [Option] {
    switch self {
    case .check, .verify: [Option(name: "--json", summary: "print the findings as JSON")]
    case .run:
      [Option(name: "--exit-when-caught-up", summary: "end with 0 once every change up to now is in the target")]
    case .status:
      [
        Option(name: "--watch", summary: "print again every second, until interrupted"),
        Option(name: "--json", summary: "print the state as JSON"),
      ]
    case .dlq:
      [
        Option(name: "--all", summary: "every letter, where ids would stand"),
        Option(name: "--json", summary: "print the letters as JSON"),
      ]
    case .reset: [Option(name: "--yes", summary: "required, as nothing of it can be undone")]
    case .token:
      [
        Option(name: "--host", value: "HOST", summary: "the cluster's endpoint, in place of FILE"),
        Option(name: "--user", value: "USER", summary: "the database user"),
        Option(name: "--admin", summary: "the same as --user admin"),
        Option(name: "--region", value: "REGION", summary: "where the cluster is, if its name does not say it"),
        Option(name: "--iam-role", value: "ARN", summary: "the role to assume first"),
        Option(name: "--expires-in", value: "SECONDS", summary: "how long it lives, up to 604800; default 900"),
      ]
    case .plan, .schema, .help, .version: []
    }
  }

  /// Options for those who work on Penstock.
  var hiddenOptions: [String] { self == .schema ? ["--markdown"] : [] }

  /// One line for the program's help.
  var summary: String {
    switch self {
    case .check: "look at source, target and tables, change nothing, report findings"
    case .plan: "show the tables, types and statements of the target, change nothing"
    case .run: "copy the tables, then follow their changes"
    case .status: "show phases, rows, rates and lag of the pipeline"
    case .verify: "compare the rows of source and target"
    case .dlq: "look after rows that the target has refused: list, show, replay, drop"
    case .reset: "remove the slot, the publication and the state that Penstock made"
    case .token: "print an IAM token of DSQL, for psql and other clients"
    case .schema: "print the JSON Schema of the configuration file"
    case .help: "print this help, or a command's"
    case .version: "print the version"
    }
  }

  /// Paragraphs for the command's own help.
  var about: String {
    switch self {
    case .check:
      """
      Connects to source and target and reports what would stop or endanger the pipeline. Each finding has an id, a
      severity, what was seen, and what to do. Nothing is created or changed. Exit code 1 if any finding is an error.
      """
    case .plan:
      """
      Prints how each table will arrive: its columns with source and target type, its key and indexes, the statements
      that create it, how it is cut into chunks, and warnings. Nothing is created or changed.
      """
    case .run:
      """
      Runs the pipeline: creates what is missing, copies the tables, then applies every change of the source. After any
      end, however it came, the same command goes on where it stopped. SIGTERM and SIGINT finish and commit what is in
      flight and end with 0; a second one ends at once.
      """
    case .status:
      """
      Prints where the pipeline is, as the source and the target know it, whether it is running or not.
      """
    case .verify:
      """
      Compares every row of every table of source and target, also while the pipeline runs: a row that differs is looked
      at again until all changes up to the first look have arrived. Names the keys that differ. Exit code 1 if any does.
      """
    case .dlq:
      """
      Works on the dead letters: rows that the target has refused and sink.on-error has parked there.
        list    those that wait; with --all also those that are done
        show    letters with their rows
        replay  write rows again, each unless a newer change of its key has been written or parked since
        drop    forget letters with their rows
      ID is an id as list shows it, or its beginning. Exit code 1 if a replayed row is refused again.
      """
    case .reset:
      """
      Removes the replication slot, the publication and the pipeline's state in the target, so that the next run starts
      from nothing. What the user has created is left, and so are the tables and their rows in the target.
      """
    case .token:
      """
      Prints a token that is good as the password of a DSQL cluster: of the sink that FILE describes, or of --host. It is
      signed on this machine, with AWS credentials from where AWS's tools find them, and says nothing to the cluster.

        PGPASSWORD=$(penstock token FILE) psql "host=… user=… dbname=postgres sslmode=verify-full sslrootcert=system"
      """
    case .schema: "Prints the JSON Schema (draft 2020-12) of the configuration file, for editors and other programs."
    case .help: "Prints the help of the program, or of one command."
    case .version: "Prints the version."
    }
  }

  /// Such as `penstock run FILE [--exit-when-caught-up]`.
  var usage: String {
    var words = ["penstock", rawValue]
    if self == .dlq { words.append(DeadLetterOrder.Action.allCases.map(\.rawValue).joined(separator: "|")) }
    if takesFile { words.append("FILE") }
    if self == .dlq { words.append("[ID...]") }
    if self == .token {
      return "penstock token FILE [--expires-in SECONDS]\n"
        + "       penstock token --host HOST --user USER|--admin [--region REGION] [--iam-role ARN] [--expires-in SECONDS]"
    }
    if self == .help { words.append("[COMMAND]") }
    words += options.map { self == .reset ? $0.name : "[\($0.name)]" }
    return words.joined(separator: " ")
  }

  /// - Parameters:
  ///   - options: those that were given, all of them known, with their values; empty for flags.
  ///   - operands: everything else.
  func invocation(_ options: [String: String], _ operands: [String]) throws(UsageError) -> Invocation {
    let file = self == .dlq ? "" : try Invocation.file(operands, of: self)
    let json = options["--json"] != nil
    switch self {
    case .check: return .check(file: file, json: json)
    case .plan: return .plan(file: file)
    case .run: return .run(file: file, exitWhenCaughtUp: options["--exit-when-caught-up"] != nil)
    case .status: return .status(file: file, watch: options["--watch"] != nil, json: json)
    case .verify: return .verify(file: file, json: json)
    case .dlq: return .dlq(try DeadLetterOrder(operands, options))
    case .reset:
      guard options["--yes"] != nil else {
        throw usageError("reset can't be undone; add --yes to do it", of: self)
      }
      return .reset(file: file)
    case .token: return .token(try TokenRequest(options, file: file))
    case .schema: return .schema(markdown: options["--markdown"] != nil)
    case .help: return .help(nil)
    case .version: return .version
    }
  }
}
