import ChangeModel

/// An error about the program as a whole or one command, with the nearest of `candidates` to what was given.
func usageError(
  _ message: String, _ given: String = "", _ candidates: [String] = [], of command: Command? = nil
) -> UsageError {
  let advice = nearestName(to: given, among: candidates).map { "; did you mean \"\($0)\"?" } ?? ""
  return UsageError(message: message + advice, usage: command?.usage ?? Command.programUsage)
}

/// An argument as messages show it: cut when long, without control characters.
func quoted(_ argument: String) -> String {
  let clean = argument.unicodeScalars.prefix(61).map { $0.value < 0x20 || $0.value == 0x7F ? " " : String($0) }
  return "\"" + (clean.count > 60 ? clean.prefix(57).joined() + "..." : clean.joined()) + "\""
}
