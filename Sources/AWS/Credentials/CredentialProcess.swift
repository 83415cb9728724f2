internal import CPenstockShims
internal import ChangeModel
internal import Glibc
internal import Runtime

/// The command of a profile's `credential_process`: run by the shell, it prints a JSON document and ends with 0.
/// (AWS CLI User Guide, "Sourcing credentials with an external process".)
struct CredentialProcess: Sendable {
  let command: String
  let profile: String
  var limit = Duration.seconds(60)

  func credentials() throws(Failure) -> AWSCredentials {
    let output = try run()
    guard let document = CredentialsDocument(json: output), document.Version == 1,
      let found = document.credentials(origin: "credential_process of profile \"\(profile)\"")
    else {
      throw failure(
        "prints no credentials", hint: "It must print JSON with Version 1, AccessKeyId and SecretAccessKey.")
    }
    return found
  }

  /// - Returns: its standard output. Its standard error is ours.
  private func run() throws(Failure) -> [UInt8] {
    var ends: [Int32] = [-1, -1]
    guard unsafe penstock_pipe(&ends) == 0 else { throw failure("can't be started: no pipe is left") }
    let (reader, writer) = (ends[0], ends[1])
    defer { close(reader) }
    let pid = start(output: writer)
    close(writer)
    guard let pid else { throw failure("can't be started") }
    let output = collect(reader)
    // Also what it may have left running.
    if output == nil { kill(-pid, SIGKILL) }
    var status: Int32 = 0
    while unsafe waitpid(pid, &status, 0) < 0 && errno == EINTR {}
    guard let output else { throw failure("does not end in time, or prints too much", isTransient: true) }
    if status & 0x7F != 0 { throw failure("is ended by signal \(status & 0x7F)") }
    if status != 0 { throw failure("fails with status \(status >> 8)") }
    return output
  }

  /// Its process id, in a process group of its own.
  private func start(output: Int32) -> pid_t? {
    var actions = unsafe posix_spawn_file_actions_t()
    unsafe posix_spawn_file_actions_init(&actions)
    unsafe posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
    unsafe posix_spawn_file_actions_adddup2(&actions, output, 1)
    var attributes = posix_spawnattr_t()
    unsafe posix_spawnattr_init(&attributes)
    var signals = sigset_t()
    unsafe sigemptyset(&signals)
    unsafe posix_spawnattr_setsigmask(&attributes, &signals)
    unsafe posix_spawnattr_setpgroup(&attributes, 0)
    unsafe posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK))
    defer {
      unsafe posix_spawn_file_actions_destroy(&actions)
      unsafe posix_spawnattr_destroy(&attributes)
    }
    let arguments: [UnsafeMutablePointer<CChar>?] = unsafe [strdup("/bin/sh"), strdup("-c"), strdup(command), nil]
    defer { unsafe arguments.forEach { unsafe free($0) } }
    var pid: pid_t = 0
    let code = unsafe posix_spawn(&pid, "/bin/sh", &actions, &attributes, arguments, environ)
    return code == 0 ? pid : nil
  }

  /// Everything up to the end of the pipe; `nil` when it takes too long or is too much.
  private func collect(_ descriptor: Int32) -> [UInt8]? {
    let deadline = monotonicDeadline(limit)
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 4096)
    while true {
      var entry = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
      let rest = (deadline - monotonicNow()).wholeMilliseconds
      guard rest > 0, unsafe poll(&entry, 1, Int32(rest)) != 0 else { return nil }
      let count = unsafe buffer.withUnsafeMutableBytes { unsafe read(descriptor, $0.baseAddress, $0.count) }
      if count < 0 && (errno == EINTR || errno == EAGAIN) { continue }
      if count == 0 { return bytes }
      guard count > 0, bytes.count + count <= 1 << 16 else { return nil }
      bytes += buffer[..<count]
    }
  }

  private func failure(_ what: String, hint: String = "", isTransient: Bool = false) -> Failure {
    Failure(
      .sink, "credential_process \(what)", location: "profile \"\(profile)\"",
      hint: hint.isEmpty ? "Run the command by hand and see what it says." : hint, isTransient: isTransient)
  }
}
