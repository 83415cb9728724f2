import AWS

/// A backend session made ready for one client.
enum BackendSession {
  /// - Throws: what the client is told, FATAL.
  static func open(
    _ shared: EmulatorState, user: String, settings: [(name: String, value: String)]
  ) throws(ServerError) -> BackendConnection {
    var defaults = [
      ("default_transaction_isolation", "repeatable read"), ("TimeZone", "UTC"), ("lc_messages", "C"),
      ("dsql_emulator.session", "on"), ("temp_file_limit", "131072kB"),
      ("dsql_emulator.index_build_ms", String(Int(shared.options.indexBuildTime / .milliseconds(1)))),
    ].map { (name: $0.0, value: $0.1) }
    defaults += settings.filter { $0.name.lowercased() != "disable_sync_create_index" }
    let backend = try BackendConnection(
      conninfo: shared.options.backend, password: shared.backendPassword, settings: defaults)
    do throws(ServerError) {
      try backend.run("SET SESSION AUTHORIZATION \(BackendConnection.literal(user))")
    } catch {
      shared.log.detail("no session for \(user): \(error.message)")
      throw ServerError("28000", "IAM authentication failed for user \"\(user)\"")
    }
    return backend
  }

  /// What a client gets between its password and its first statement.
  static func greeting(_ backend: BackendConnection) -> [[UInt8]] {
    var messages: [[UInt8]] = [[Reply.authentication, 0, 0, 0, 8, 0, 0, 0, 0]]
    messages.append(Reply.parameterStatusMessage("server_version", "16.15"))
    let passedOn = [
      "application_name", "client_encoding", "DateStyle", "default_transaction_read_only", "in_hot_standby",
      "integer_datetimes", "IntervalStyle", "is_superuser", "server_encoding", "session_authorization",
      "standard_conforming_strings", "TimeZone",
    ]
    for name in passedOn {
      if let value = backend.parameter(name) { messages.append(Reply.parameterStatusMessage(name, value)) }
    }
    var key = MessageWriter(Reply.backendKeyData)
    key.int32(backend.processID)
    key.int32(0)
    messages.append(key.finished())
    messages.append(Reply.readyForQueryMessage(UInt8(ascii: "I")))
    return messages
  }
}
