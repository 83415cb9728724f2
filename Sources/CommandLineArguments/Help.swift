extension Command {
  static let programUsage = "penstock COMMAND [FILE] [OPTIONS]"

  /// The program's help.
  package static var programHelp: String {
    let width = allCases.map(\.rawValue.count).max() ?? 0
    let commands = allCases.map { "  \(padded($0.rawValue, to: width))  \($0.summary)" }.joined(separator: "\n")
    return """
      Copies PostgreSQL tables into Amazon Aurora DSQL (or PostgreSQL) and keeps them there up to date.

      usage: \(programUsage)

      commands:
      \(commands)

      FILE is the pipeline's configuration in YAML; `penstock schema` describes it. Passwords come from the file or,
      as ${NAME} in it, from the environment; no option takes one.
      `penstock COMMAND --help` tells more about a command. Results go to standard output, all else to standard error.

      exit codes:
      \(exitCodes)

      """
  }

  /// One command's help.
  package var help: String {
    var text = "usage: \(usage)\n\n\(about)\n"
    let all =
      options.map { ($0.name + ($0.value.map { " \($0)" } ?? ""), $0.summary) } + [("--help", "print this help")]
    let width = all.map(\.0.count).max() ?? 0
    text += "\noptions:\n"
    for (name, summary) in all { text += "  \(Self.padded(name, to: width))  \(summary)\n" }
    if takesFile || self == .token { text += "\nexit codes:\n\(Self.exitCodes)\n" }
    return text
  }

  private static let exitCodes = """
      0    done, nothing to complain about
      1    findings (check), differing rows (verify) or rows refused again (dlq replay)
      2    wrong usage or configuration
      3    the source failed or refused
      4    the target failed or refused
      5    another instance has taken the pipeline over
      130  ended at once by a second SIGINT
      143  ended at once by a second SIGTERM
    """

  private static func padded(_ text: String, to width: Int) -> String {
    text + String(repeating: " ", count: max(0, width - text.count))
  }
}
