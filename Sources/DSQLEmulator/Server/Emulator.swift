package import AWS
import CPenstockShims
import Glibc
import Synchronization

/// A running emulator: listens, and serves each client on a thread of its own.
package final class Emulator: Sendable {
  /// The port it listens on.
  package let port: UInt16
  /// The certificate authority clients can verify with, when the emulator made its own.
  package let authorityFile: String?
  private let listener: Int32
  private let shared: EmulatorState

  /// Prepares the backend, then listens.
  /// - Parameters:
  ///   - credentials: what tokens are verified with, if they are.
  ///   - backendPassword: for the backend's user, if it needs one.
  /// - Throws: `SetupProblem` in words for the operator.
  package init(
    _ options: EmulatorOptions, credentials: AWSCredentials? = nil, backendPassword: String? = nil
  ) throws(SetupProblem) {
    // A client that leaves while it is written to must not end the process.
    _ = signal(SIGPIPE, SIG_IGN)
    var options = options
    var authority: String?
    if let folder = options.certificateFolder {
      let files = try CertificateAuthority.prepare(folder: folder)
      options.certificateFile = files.certificate
      options.keyFile = files.key
      authority = files.authority
    }
    let context = try TLSContext(certificateFile: options.certificateFile, keyFile: options.keyFile)
    try SystemSchema.install(conninfo: options.backend, password: backendPassword)
    shared = EmulatorState(
      options: options, backendPassword: backendPassword,
      signIn: SignInRules(credentials: credentials, bindsHost: options.requiresSNI))
    (listener, port) = try Self.listen(options)
    authorityFile = authority
    let session = ClientSession(shared: shared, context: context)
    if options.indexBuildTime > .zero {
      let shared = shared
      Thread.start("jobs") { Self.finishJobs(shared) }
    }
    let listener = listener
    Thread.start("accept") { Self.acceptAll(listener, session) }
  }

  /// Takes no more clients; those that are connected stay until they leave or the process ends.
  package func stop() {
    shared.isStopped.store(true, ordering: .relaxed)
    Glibc.shutdown(listener, Int32(SHUT_RDWR))
    close(listener)
  }

  /// Indexes become valid when the time of their job is over.
  private static func finishJobs(_ shared: EmulatorState) {
    while !shared.isStopped.load(ordering: .relaxed) {
      shared.referee.finishJobs()
      shared.pause(.milliseconds(20))
    }
  }

  private static func acceptAll(_ listener: Int32, _ session: ClientSession) {
    while true {
      let socket = accept(listener, nil, nil)
      if socket >= 0 {
        _ = fcntl(socket, F_SETFD, FD_CLOEXEC)
        var on: Int32 = 1
        unsafe setsockopt(socket, Int32(IPPROTO_TCP), TCP_NODELAY, &on, socklen_t(MemoryLayout<Int32>.size))
        Thread.start("client") { session.serve(socket) }
      } else if errno != EINTR && errno != ECONNABORTED && errno != EMFILE {
        return
      }
    }
  }

  private static func listen(_ options: EmulatorOptions) throws(SetupProblem) -> (Int32, UInt16) {
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = options.listenPort.bigEndian
    let host = options.listenHost == "localhost" ? "127.0.0.1" : options.listenHost
    guard unsafe inet_pton(AF_INET, host, &address.sin_addr) == 1 else {
      throw SetupProblem("--listen: \(options.listenHost) is not an IPv4 address")
    }
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
    var on: Int32 = 1
    unsafe setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &on, socklen_t(MemoryLayout<Int32>.size))
    var size = socklen_t(MemoryLayout<sockaddr_in>.size)
    let isListening = unsafe withUnsafeMutablePointer(to: &address) { pointer in
      unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { generic in
        unsafe bind(descriptor, generic, size) == 0 && Glibc.listen(descriptor, 512) == 0
          && getsockname(descriptor, generic, &size) == 0
      }
    }
    guard descriptor >= 0, isListening else {
      let reason = unsafe String(cString: strerror(errno))
      close(descriptor)
      throw SetupProblem("cannot listen on \(host):\(options.listenPort): \(reason)")
    }
    return (descriptor, UInt16(bigEndian: address.sin_port))
  }
}

/// Detached POSIX threads: each client blocks in its own.
enum Thread {
  private final class Start {
    let body: @Sendable () -> Void
    let name: String

    init(_ name: String, _ body: @escaping @Sendable () -> Void) {
      self.name = name
      self.body = body
    }
  }

  /// Parsing is recursive; the stack is reserved, not used.
  private static let stackBytes = 8 * 1024 * 1024

  static func start(_ name: String, _ body: @escaping @Sendable () -> Void) {
    var attributes = pthread_attr_t()
    unsafe pthread_attr_init(&attributes)
    unsafe pthread_attr_setdetachstate(&attributes, Int32(PTHREAD_CREATE_DETACHED))
    unsafe pthread_attr_setstacksize(&attributes, stackBytes)
    defer { unsafe pthread_attr_destroy(&attributes) }
    var thread = pthread_t()
    // SAFETY: retained here, released by the thread that takes it.
    let start = unsafe Unmanaged.passRetained(Start(name, body)).toOpaque()
    let failed = unsafe pthread_create(
      &thread, &attributes,
      { argument in
        guard let argument = unsafe argument else { return nil }
        let start = unsafe Unmanaged<Start>.fromOpaque(argument).takeRetainedValue()
        unsafe penstock_name_thread(start.name)
        start.body()
        return nil
      }, start)
    if failed != 0 { unsafe Unmanaged<Start>.fromOpaque(start).release() }
  }
}
