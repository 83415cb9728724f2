import AWS
import Glibc

/// One client from its first byte to its last: TLS, startup, sign-in, then the relay.
struct ClientSession {
  let shared: EmulatorState
  let context: TLSContext

  /// Codes in the place of a protocol version.
  private enum Request {
    static let cancel: UInt32 = 80_877_102
    static let tls: UInt32 = 80_877_103
    static let gss: UInt32 = 80_877_104
    static let version3: UInt32 = 196_608
  }

  /// Serves a socket until either side is done; the socket is then closed.
  func serve(_ socket: Int32) {
    let refusal = shared.connectionOpened()
    let openedAt = shared.clock
    var reason = "client said goodbye"
    defer {
      shared.connectionClosed()
      let age = Int((shared.clock - openedAt) / .milliseconds(1))
      shared.log.detail("session of \(age) ms ended: \(reason)")
    }
    do throws(Disconnected) {
      guard let client = try negotiate(socket) else { return }
      shared.pause(shared.options.connectLatency)
      try signIn(client, refusal)
    } catch {
      reason = error.reason
    }
  }

  // MARK: TLS

  /// Answers requests before TLS, then makes it; `nil` when the client wanted nothing more.
  private func negotiate(_ socket: Int32) throws(Disconnected) -> ClientConnection? {
    setTimeout(socket, seconds: 60)
    var isOurs = true
    defer { if isOurs { close(socket) } }
    while true {
      var first: UInt8 = 0
      guard unsafe recv(socket, &first, 1, Int32(MSG_PEEK)) == 1 else { throw Disconnected("no startup") }
      // A TLS record of type handshake: the client does not ask first.
      if first == 0x16 { break }
      let packet = try readPlain(socket, 8)
      let length = packet[0..<4].reduce(0) { $0 << 8 | UInt32($1) }
      let code = packet[4..<8].reduce(0) { $0 << 8 | UInt32($1) }
      if code == Request.tls, length == 8 {
        try writePlain(socket, [UInt8(ascii: "S")])
        break
      }
      if code == Request.gss, length == 8 {
        try writePlain(socket, [UInt8(ascii: "N")])
        continue
      }
      // Cancelling has no effect on DSQL.
      if code == Request.cancel { return nil }
      let refusal = ServerError("08006", "unable to accept connection, TLS is required")
      try writePlain(socket, refusal.response(severity: "FATAL"))
      throw Disconnected("no TLS")
    }
    isOurs = false
    return try ClientConnection(socket: socket, context: context)
  }

  private func setTimeout(_ socket: Int32, seconds: Int) {
    var limit = timeval(tv_sec: seconds, tv_usec: 0)
    unsafe setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
  }

  private func readPlain(_ socket: Int32, _ count: Int) throws(Disconnected) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: count)
    guard unsafe recv(socket, &bytes, count, Int32(MSG_WAITALL)) == count else {
      throw Disconnected("no startup")
    }
    return bytes
  }

  private func writePlain(_ socket: Int32, _ bytes: [UInt8]) throws(Disconnected) {
    guard unsafe send(socket, bytes, bytes.count, Int32(MSG_NOSIGNAL)) == bytes.count else {
      throw Disconnected("client closed the connection")
    }
  }

  // MARK: Startup

  private func signIn(_ client: ClientConnection, _ connectRefusal: ServerError?) throws(Disconnected) {
    let input = ByteQueue()
    let output = ByteQueue()
    func refuse(_ error: ServerError) throws(Disconnected) {
      shared.log.detail("refused: \(error.message)")
      output.append(error.response(severity: "FATAL"))
      try client.write(output)
      client.shutdown()
    }
    let packet = try readPacket(client, input, from: 0)
    guard let startup = StartupMessage(packet) else {
      return try refuse(ServerError("08P01", "invalid startup packet"))
    }
    if let connectRefusal { return try refuse(connectRefusal) }
    let endpoint = client.serverName
    if shared.options.requiresSNI, endpoint == nil {
      return try refuse(ServerError("08006", "unable to accept connection, sni was not received"))
    }
    output.append([Reply.authentication, 0, 0, 0, 8, 0, 0, 0, 3])
    try client.write(output)
    let password = try readPacket(client, input, from: 1)
    guard password.first == Frontend.password else {
      return try refuse(ServerError("08P01", "expected password response"))
    }
    let token = String(decoding: password.dropFirst(5).prefix { $0 != 0 }, as: UTF8.self)
    if let refusal = shared.signIn.refusal(user: startup.user, endpoint: endpoint, token: token, now: .now) {
      return try refuse(refusal)
    }
    if let refusal = startup.refusal { return try refuse(refusal) }
    let backend: BackendConnection
    do throws(ServerError) {
      backend = try BackendSession.open(shared, user: startup.user, settings: startup.settings)
    } catch {
      return try refuse(error)
    }
    setTimeout(client.socket, seconds: 0)
    client.stopWaiting()
    for message in BackendSession.greeting(backend) { output.append(message) }
    try client.write(output)
    let relay = Relay(client: client, backend: backend, shared: shared)
    relay.input.append(input, 0..<input.count)
    try relay.run()
    client.shutdown()
  }

  /// A whole packet whose length stands at `offset`; startup packets have no type byte.
  private func readPacket(
    _ client: ClientConnection, _ input: ByteQueue, from offset: Int
  ) throws(Disconnected) -> [UInt8] {
    while true {
      if input.count >= offset + 4 {
        let length = Int(input.uint32(at: offset))
        guard (4...65536).contains(length) else { throw Disconnected("invalid startup packet") }
        if input.count >= offset + length {
          defer { input.consume(offset + length) }
          return input.bytes(0..<(offset + length))
        }
      }
      _ = try client.read(into: input)
    }
  }
}

/// A client's StartupMessage.
struct StartupMessage {
  let user: String
  let database: String
  /// Session settings, from parameters and from `options`, in order.
  private(set) var settings: [(name: String, value: String)] = []

  /// `nil` for another protocol version, or when it is cut short or names no user.
  init?(_ packet: [UInt8]) {
    guard packet.count > 8, packet[4..<8].elementsEqual([0, 3, 0, 0]) else { return nil }
    let parts = packet[8...].split(separator: 0, omittingEmptySubsequences: false)
      .map { String(decoding: $0, as: UTF8.self) }
    var user: String?
    var database: String?
    var index = 0
    while index + 1 < parts.count, !parts[index].isEmpty {
      let (name, value) = (parts[index], parts[index + 1])
      index += 2
      switch name {
      case "user": user = value
      case "database": database = value
      case "options": settings += Self.options(value)
      case "replication": settings.append((name, value))
      case _ where name.hasPrefix("_pq_."): continue
      default: settings.append((name, value))
      }
    }
    guard let user, !user.isEmpty else { return nil }
    self.user = user
    self.database = database ?? user
  }

  /// `-c name=value` and `--name=value`, with backslash escapes.
  private static func options(_ text: String) -> [(name: String, value: String)] {
    var words: [String] = []
    var word = ""
    var isEscaped = false
    for character in text {
      if isEscaped {
        word.append(character)
        isEscaped = false
      } else if character == "\\" {
        isEscaped = true
      } else if character == " " {
        if !word.isEmpty { words.append(word) }
        word = ""
      } else {
        word.append(character)
      }
    }
    if !word.isEmpty { words.append(word) }
    var settings: [(name: String, value: String)] = []
    var index = 0
    while index < words.count {
      var assignment = words[index]
      if assignment == "-c", index + 1 < words.count {
        index += 1
        assignment = words[index]
      } else if assignment.hasPrefix("--") || assignment.hasPrefix("-c") {
        assignment = String(assignment.dropFirst(2))
      }
      index += 1
      let sides = assignment.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
      settings.append((sides[0], sides.count == 2 ? sides[1] : ""))
    }
    return settings
  }

  /// Why this startup is refused, the password aside.
  var refusal: ServerError? {
    for (name, _) in settings where !SettingRules.isSettable(name) { return .unsupportedSetting(name) }
    if database != "postgres" { return ServerError("3D000", "database \"\(database)\" does not exist") }
    return nil
  }
}
