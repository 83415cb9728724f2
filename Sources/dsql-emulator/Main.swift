import AWS
import ChangeModel
import DSQLEmulator
import Glibc

/// `dsql-emulator`: reads the command line, starts the emulator, and stops with the process.
@main
struct Main {
  static func main() {
    do {
      switch try EmulatorCommandLine.parse(Array(CommandLine.arguments.dropFirst())) {
      case .help(let text): print(text, terminator: "")
      case .run(let options): try run(options)
      }
    } catch let failure as Failure {
      fail(failure.description)
    } catch {
      fail("\(error)")
    }
  }

  private static func run(_ options: EmulatorOptions) throws {
    // Blocked before any thread starts, so that only `sigwait` below sees them.
    var stops = sigset_t()
    unsafe sigemptyset(&stops)
    unsafe sigaddset(&stops, SIGTERM)
    unsafe sigaddset(&stops, SIGINT)
    unsafe pthread_sigmask(SIG_BLOCK, &stops, nil)
    let credentials = options.verifiesSignatures ? try AWSCredentials(environment: environment()) : nil
    var password: String?
    if let name = options.backendPasswordVariable {
      guard let found = environment()[name] else { throw SetupProblem("environment variable \(name) is not set") }
      password = found
    }
    let emulator = try Emulator(options, credentials: credentials, backendPassword: password)
    if let authority = emulator.authorityFile { print("certificate authority: \(authority)") }
    print("listening on \(options.listenHost):\(emulator.port)")
    fflush(nil)
    var received: Int32 = 0
    unsafe sigwait(&stops, &received)
    emulator.stop()
    fflush(nil)
    // No return: OpenSSL would free its locks on the way out, which the threads of sessions need as they end.
    _exit(0)
  }

  private static func environment() -> [String: String] {
    var variables: [String: String] = [:]
    var entry = unsafe environ
    while let text = unsafe entry.pointee {
      let sides = unsafe String(cString: text).split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      if sides.count == 2 { variables[String(sides[0])] = String(sides[1]) }
      unsafe entry += 1
    }
    return variables
  }

  private static func fail(_ message: String) -> Never {
    let line = Array("dsql-emulator: \(message)\n".utf8)
    _ = unsafe write(STDERR_FILENO, line, line.count)
    _exit(2)
  }
}
