internal import Commands
internal import Glibc
@_exported public import PenstockExtensions

extension Extensions {
  /// Does what `penstock` does with this process's arguments, then ends the process with `penstock`'s exit code.
  ///
  /// The whole of a program's `main.swift` after its registrations: it handles SIGTERM and SIGINT, writes to standard
  /// output and standard error, and removes libpq's variables (`PG…`) from the environment.
  public func main() async -> Never {
    let code = await run(Array(CommandLine.arguments.dropFirst()))
    fflush(nil)
    // Not `exit`: OpenSSL would free its locks there, and a thread of ours that ends just now needs them to leave.
    _exit(code)
  }

  /// The same with other arguments, such as `["run", "shop.yaml"]`, to go on afterwards.
  ///
  /// One at a time in a process.
  /// - Returns: the exit code.
  @concurrent public func run(_ arguments: [String]) async -> Int32 {
    await perform(arguments, extensions: self)
  }
}
