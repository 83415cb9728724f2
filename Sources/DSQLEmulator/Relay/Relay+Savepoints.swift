/// A savepoint of the emulator's own around each write in a block: a write that meets another transaction's must not
/// take its own transaction with it, because DSQL would notice only at COMMIT.
extension Relay {
  /// Statement and portal that are the emulator's.
  static let ownName = "dsql-emulator"
  private static let setName = "dsql-emulator: set"
  private static let releaseName = "dsql-emulator: release"
  private static let set = run(prepared: setName)
  private static let reset = run(prepared: releaseName) + set
  private static let preparedAnswers = 3

  /// Prepares the savepoint's statements; `DEALLOCATE ALL` takes them too.
  func prepareSavepoints() throws(Disconnected) {
    let closes = [Self.setName, Self.releaseName].map { name in
      var close = MessageWriter(Frontend.close)
      close.byte(UInt8(ascii: "S"))
      close.string(name)
      return close.finished()
    }
    var exchange = Exchange(isSilent: true)
    outstanding += 4
    try forward(
      closes[0] + closes[1]
        + Frontend.parseMessage(name: Self.setName, Array("SAVEPOINT \"dsql-emulator\"".utf8))
        + Frontend.parseMessage(name: Self.releaseName, Array("RELEASE SAVEPOINT \"dsql-emulator\"".utf8))
        + Frontend.flushMessage)
    try pump(&exchange)
  }

  /// Close of the portal of before, Bind, Execute.
  private static func run(prepared name: String) -> [UInt8] {
    var close = MessageWriter(Frontend.close)
    close.byte(UInt8(ascii: "P"))
    close.string(ownName)
    var bind = MessageWriter(Frontend.bind)
    bind.string(ownName)
    bind.string(name)
    for _ in 0..<3 { bind.int16(0) }
    var execute = MessageWriter(Frontend.execute)
    execute.string(ownName)
    execute.int32(0)
    return close.finished() + bind.finished() + execute.finished()
  }

  /// Close of the statement and portal of before, Parse, Bind, Execute.
  static func ownStatement(_ text: [UInt8], parameterTypes: [UInt8] = [0, 0], bindRest: [UInt8]? = nil) -> [UInt8] {
    var closes: [UInt8] = []
    for kind in "SP".utf8 {
      var close = MessageWriter(Frontend.close)
      close.byte(kind)
      close.string(ownName)
      closes += close.finished()
    }
    var bind = MessageWriter(Frontend.bind)
    bind.string(ownName)
    bind.string(ownName)
    for byte in bindRest ?? [0, 0, 0, 0, 0, 0] { bind.byte(byte) }
    var execute = MessageWriter(Frontend.execute)
    execute.string(ownName)
    execute.int32(0)
    return closes + Frontend.parseMessage(name: ownName, text, parameterTypes: parameterTypes)
      + bind.finished() + execute.finished()
  }
  static let ownAnswers = 5

  /// Messages that set the savepoint here, and how many answers they have.
  func savepoint() -> (messages: [UInt8], answers: Int) {
    defer { hasSavepoint = true }
    return hasSavepoint ? (Self.reset, 2 * Self.preparedAnswers) : (Self.set, Self.preparedAnswers)
  }

  /// After an error of the backend: back to before the statement, ready for more.
  func returnToSavepoint() throws(Disconnected) {
    try runSilently(Frontend.syncMessage)
    try runSilently(Frontend.queryMessage("ROLLBACK TO SAVEPOINT \"dsql-emulator\""))
  }
}
