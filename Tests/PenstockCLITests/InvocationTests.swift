import CommandLineArguments
import Testing

@Suite("The command line") struct InvocationTests {
  @Test(
    "a correct command line is understood",
    arguments: [
      ("check f", .check(file: "f", json: false)), ("check f --json", .check(file: "f", json: true)),
      ("check --json f", .check(file: "f", json: true)), ("plan f", .plan(file: "f")),
      ("run f", .run(file: "f", exitWhenCaughtUp: false)),
      ("run --exit-when-caught-up f", .run(file: "f", exitWhenCaughtUp: true)),
      ("run -- --f", .run(file: "--f", exitWhenCaughtUp: false)), ("run -", .run(file: "-", exitWhenCaughtUp: false)),
      ("status f", .status(file: "f", watch: false, json: false)),
      ("status f --watch --json", .status(file: "f", watch: true, json: true)),
      ("status f --json --json", .status(file: "f", watch: false, json: true)),
      ("verify f --json", .verify(file: "f", json: true)), ("reset f --yes", .reset(file: "f")),
      ("token f", .token(TokenRequest(.sink(file: "f")))),
      ("token --expires-in=60 f", .token(TokenRequest(.sink(file: "f"), lifetimeSeconds: 60))),
      (
        "token --host h --admin",
        .token(TokenRequest(.endpoint(host: "h", user: "admin", region: nil, role: nil)))
      ),
      (
        "token --host=h --user u --region r --iam-role=a=b --expires-in 604800",
        .token(TokenRequest(.endpoint(host: "h", user: "u", region: "r", role: "a=b"), lifetimeSeconds: 604_800))
      ),
      ("dlq list f --json", .dlq(DeadLetterOrder(action: .list, file: "f", json: true))),
      ("dlq list --all f", .dlq(DeadLetterOrder(action: .list, file: "f", all: true))),
      ("dlq replay f 12 ab", .dlq(DeadLetterOrder(action: .replay, file: "f", ids: ["12", "ab"]))),
      ("dlq show f --all", .dlq(DeadLetterOrder(action: .show, file: "f", all: true))),
      ("dlq drop f -- --all", .dlq(DeadLetterOrder(action: .drop, file: "f", ids: ["--all"]))),
      ("dlq --help", .help(.dlq)),
      ("schema", .schema(markdown: false)), ("schema --markdown", .schema(markdown: true)),
      ("help", .help(nil)), ("--help", .help(nil)), ("-h", .help(nil)), ("help run", .help(.run)),
      ("help --help", .help(.help)), ("run --help", .help(.run)), ("run f -h", .help(.run)),
      ("reset --help", .help(.reset)), ("version", .version), ("--version", .version),
    ] as [(String, Invocation)])
  func understood(line: String, expected: Invocation) throws {
    #expect(try Invocation.parse(line.split(separator: " ").map(String.init)) == expected)
  }

  static let token = """
    usage: penstock token FILE [--expires-in SECONDS]
           penstock token --host HOST --user USER|--admin [--region REGION] [--iam-role ARN] [--expires-in SECONDS]
    """
  static let dlqUsage = "usage: penstock dlq list|show|replay|drop FILE [ID...] [--all] [--json]"
  static let general = "usage: penstock COMMAND [FILE] [OPTIONS]"

  @Test(
    "a wrong command line is explained",
    arguments: [
      ("", "no command", general), ("statu f", "unknown command \"statu\"; did you mean \"status\"?", general),
      ("pipeline.yaml", "unknown command \"pipeline.yaml\"", general),
      ("--vers", "unknown option \"--vers\"; did you mean \"--version\"?", general),
      ("-x", "unknown option \"-x\"", general), ("help rnu", "unknown command \"rnu\"; did you mean \"run\"?", general),
      ("help run now", "help takes one command", general),
      ("run", "run needs a configuration file", "usage: penstock run FILE [--exit-when-caught-up]"),
      ("plan a b", "unexpected argument \"b\"", "usage: penstock plan FILE"),
      ("version now", "unexpected argument \"now\"", "usage: penstock version"),
      (
        "run f --exit-when-cought-up",
        "unknown option \"--exit-when-cought-up\"; did you mean \"--exit-when-caught-up\"?",
        "usage: penstock run FILE [--exit-when-caught-up]"
      ),
      (
        "status f --jsn", "unknown option \"--jsn\"; did you mean \"--json\"?",
        "usage: penstock status FILE [--watch] [--json]"
      ),
      ("status f --json=yes", "--json takes no value", "usage: penstock status FILE [--watch] [--json]"),
      ("plan f --json", "unknown option \"--json\"", "usage: penstock plan FILE"),
      ("verify f --password=hunter2", "unknown option \"--password\"", "usage: penstock verify FILE [--json]"),
      ("dlq", "dlq needs an action", dlqUsage), ("dlq f", "unknown action \"f\"", dlqUsage),
      ("dlq reply f", "unknown action \"reply\"; did you mean \"replay\"?", dlqUsage),
      ("dlq list", "dlq list needs a configuration file", dlqUsage),
      ("dlq list f 1", "unexpected argument \"1\"", dlqUsage),
      ("dlq drop f", "dlq drop needs ids, or --all", dlqUsage),
      ("dlq show f 1 --all", "--all and \"1\" exclude each other", dlqUsage),
      ("reset f", "reset can't be undone; add --yes to do it", "usage: penstock reset FILE --yes"),
      ("token", "token needs a configuration file, or --host", token),
      ("token f --host h", "token takes a configuration file or --host, not both", token),
      ("token f g", "unexpected argument \"g\"", token), ("token --host", "--host needs a value", token),
      ("token --host= --admin", "--host needs a value", token),
      ("token --host h:5432 --admin", "--host needs the endpoint's name, without scheme and port", token),
      ("token --host https://h --admin", "--host needs the endpoint's name, without scheme and port", token),
      ("token --host h", "token needs --user or --admin", token),
      ("token --host h --user u --admin", "token takes --user or --admin, not both", token),
      ("token f --region r", "--region goes with --host only; a configuration file says it itself", token),
      ("token f --expires-in 0", "--expires-in needs seconds from 1 to 604800", token),
      ("token f --expires-in soon", "--expires-in needs seconds from 1 to 604800", token),
      ("token f --hots h", "unknown option \"--hots\"; did you mean \"--host\"?", token),
      ("schema f", "unexpected argument \"f\"", "usage: penstock schema"),
    ])
  func explained(line: String, message: String, usage: String) {
    #expect {
      _ = try Invocation.parse(line.split(separator: " ").map(String.init))
    } throws: {
      "\($0)" == "penstock: \(message)\n\(usage)\nTry `penstock --help`."
    }
  }

  @Test("strange arguments are shown without harm") func strange() {
    #expect {
      _ = try Invocation.parse([String(repeating: "x", count: 100) + "\u{1B}[2J"])
    } throws: {
      "\($0)".hasPrefix("penstock: unknown command \"\(String(repeating: "x", count: 57))...\"\n")
    }
    #expect {
      _ = try Invocation.parse(["plan", "a", "\u{1B}[2J"])
    } throws: {
      "\($0)".hasPrefix("penstock: unexpected argument \" [2J\"\n")
    }
  }

  @Test("an empty file name is none") func emptyFile() {
    #expect(throws: UsageError.self) { _ = try Invocation.parse(["run", ""]) }
  }
}
