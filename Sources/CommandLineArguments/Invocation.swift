/// What the user asked for, ready to be done.
package enum Invocation: Hashable, Sendable {
  case check(file: String, json: Bool)
  case plan(file: String)
  case run(file: String, exitWhenCaughtUp: Bool)
  case status(file: String, watch: Bool, json: Bool)
  case verify(file: String, json: Bool)
  case dlq(DeadLetterOrder)
  /// The user has said `--yes`.
  case reset(file: String)
  case token(TokenRequest)
  /// `markdown` asks for the reference page in place of the JSON Schema.
  case schema(markdown: Bool)
  /// The program's help, or one command's.
  case help(Command?)
  case version
}

/// The command line can't be understood: exit code 2.
package struct UsageError: Error, Hashable, Sendable, CustomStringConvertible {
  /// What is wrong, with the nearest valid name.
  package let message: String
  /// The usage line of the command in question, or of the program.
  package let usage: String

  /// The message, the usage line, and where to read more.
  package var description: String { "penstock: \(message)\nusage: \(usage)\nTry `penstock --help`." }
}

extension Invocation {
  /// Understands the arguments that follow the program's name.
  package static func parse(_ arguments: [String]) throws(UsageError) -> Invocation {
    guard let first = arguments.first else { throw usageError("no command") }
    switch first {
    case "--help", "-h": return .help(nil)
    case "--version": return .version
    case "help": return try help(arguments.dropFirst())
    default: break
    }
    guard let command = Command(rawValue: first) else {
      if first.hasPrefix("-") { throw usageError("unknown option \(quoted(first))", first, ["--help", "--version"]) }
      throw usageError("unknown command \(quoted(first))", first, Command.allCases.map(\.rawValue))
    }
    return try parse(arguments.dropFirst(), of: command)
  }

  private static func help(_ arguments: ArraySlice<String>) throws(UsageError) -> Invocation {
    guard let name = arguments.first else { return .help(nil) }
    if name == "--help" || name == "-h" { return .help(.help) }
    guard let command = Command(rawValue: name) else {
      throw usageError("unknown command \(quoted(name))", name, Command.allCases.map(\.rawValue))
    }
    guard arguments.count == 1 else { throw usageError("help takes one command") }
    return .help(command)
  }

  private static func parse(_ arguments: ArraySlice<String>, of command: Command) throws(UsageError) -> Invocation {
    var options: [String: String] = [:]
    var operands: [String] = []
    var onlyOperands = false
    var rest = arguments
    while let argument = rest.popFirst() {
      if onlyOperands || !argument.hasPrefix("-") || argument == "-" {
        operands.append(argument)
      } else if argument == "--" {
        onlyOperands = true
      } else if argument == "--help" || argument == "-h" {
        return .help(command)
      } else {
        let (name, value) = try option(argument, &rest, of: command)
        options[name] = value
      }
    }
    return try command.invocation(options, operands)
  }

  /// - Parameter rest: what follows, where the option's value may be.
  private static func option(
    _ argument: String, _ rest: inout ArraySlice<String>, of command: Command
  ) throws(UsageError) -> (name: String, value: String) {
    let known = command.options.map(\.name) + command.hiddenOptions
    let name = String(argument.prefix { $0 != "=" })
    if command.options.contains(where: { $0.name == name && $0.value != nil }) {
      let value = name == argument ? rest.popFirst() : String(argument.dropFirst(name.count + 1))
      guard let value, !value.isEmpty else { throw usageError("\(name) needs a value", of: command) }
      return (name, value)
    }
    if known.contains(argument) { return (argument, "") }
    if known.contains(name) { throw usageError("\(name) takes no value", of: command) }
    throw usageError("unknown option \(quoted(name))", name, known + ["--help"], of: command)
  }

  /// The one operand, where the command takes one.
  static func file(_ operands: [String], of command: Command) throws(UsageError) -> String {
    guard command.takesFile || command == .token else {
      if let extra = operands.first { throw usageError("unexpected argument \(quoted(extra))", of: command) }
      return ""
    }
    if command == .token, operands.isEmpty { return "" }
    guard let file = operands.first, !file.isEmpty else {
      throw usageError("\(command.rawValue) needs a configuration file", of: command)
    }
    if operands.count > 1 { throw usageError("unexpected argument \(quoted(operands[1]))", of: command) }
    return file
  }
}
