/// Builds one message of the PostgreSQL wire protocol, version 3 ("Message Formats").
struct MessageWriter {
  private(set) var bytes: [UInt8]

  /// A message with its type byte and room for its length.
  /// - Parameter room: how many bytes it will have, if that is known.
  init(_ type: UInt8, room: Int = 0) {
    bytes = []
    bytes.reserveCapacity(room)
    bytes += [type, 0, 0, 0, 0]
  }

  mutating func string(_ text: String) {
    bytes += text.utf8
    bytes.append(0)
  }
  mutating func text(_ text: [UInt8]) {
    bytes += text
    bytes.append(0)
  }
  mutating func byte(_ value: UInt8) { bytes.append(value) }
  mutating func int16(_ value: Int16) {
    unsafe withUnsafeBytes(of: value.bigEndian) { unsafe bytes.append(contentsOf: $0) }
  }
  mutating func int32(_ value: Int32) {
    unsafe withUnsafeBytes(of: value.bigEndian) { unsafe bytes.append(contentsOf: $0) }
  }

  /// The message, its length filled in.
  consuming func finished() -> [UInt8] {
    var message = bytes
    bytes = []
    let length = UInt32(message.count - 1).bigEndian
    unsafe withUnsafeBytes(of: length) { unsafe message.replaceSubrange(1..<5, with: $0) }
    return message
  }
}

/// Type bytes of messages from a client.
enum Frontend {
  static let bind = UInt8(ascii: "B")
  static let close = UInt8(ascii: "C")
  static let copyData = UInt8(ascii: "d")
  static let copyDone = UInt8(ascii: "c")
  static let copyFail = UInt8(ascii: "f")
  static let describe = UInt8(ascii: "D")
  static let execute = UInt8(ascii: "E")
  static let flush = UInt8(ascii: "H")
  static let functionCall = UInt8(ascii: "F")
  static let parse = UInt8(ascii: "P")
  static let password = UInt8(ascii: "p")
  static let query = UInt8(ascii: "Q")
  static let sync = UInt8(ascii: "S")
  static let terminate = UInt8(ascii: "X")

  static let copyDoneMessage: [UInt8] = [copyDone, 0, 0, 0, 4]
  static let flushMessage: [UInt8] = [flush, 0, 0, 0, 4]
  static let syncMessage: [UInt8] = [sync, 0, 0, 0, 4]
  static let terminateMessage: [UInt8] = [terminate, 0, 0, 0, 4]

  /// Parse under a statement name; `text` is not zero-terminated.
  static func parseMessage(name: String, _ text: [UInt8], parameterTypes: [UInt8] = [0, 0]) -> [UInt8] {
    var message = MessageWriter(parse, room: name.utf8.count + text.count + parameterTypes.count + 16)
    message.string(name)
    message.text(text)
    for byte in parameterTypes { message.byte(byte) }
    return message.finished()
  }

  /// Bind without parameters to the unnamed portal, Describe and Execute: what runs the unnamed statement.
  static let runUnnamed: [UInt8] = {
    var bindMessage = MessageWriter(bind)
    bindMessage.string("")
    bindMessage.string("")
    for _ in 0..<3 { bindMessage.int16(0) }
    var describeMessage = MessageWriter(describe)
    describeMessage.byte(UInt8(ascii: "P"))
    describeMessage.string("")
    var executeMessage = MessageWriter(execute)
    executeMessage.string("")
    executeMessage.int32(0)
    return bindMessage.finished() + describeMessage.finished() + executeMessage.finished()
  }()

  static func queryMessage(_ sql: String) -> [UInt8] {
    var message = MessageWriter(query)
    message.string(sql)
    return message.finished()
  }
}

/// Type bytes of messages from a server.
enum Reply {
  static let authentication = UInt8(ascii: "R")
  static let backendKeyData = UInt8(ascii: "K")
  static let bindComplete = UInt8(ascii: "2")
  static let closeComplete = UInt8(ascii: "3")
  static let commandComplete = UInt8(ascii: "C")
  static let copyBothResponse = UInt8(ascii: "W")
  static let copyInResponse = UInt8(ascii: "G")
  static let dataRow = UInt8(ascii: "D")
  static let emptyQuery = UInt8(ascii: "I")
  static let error = UInt8(ascii: "E")
  static let noData = UInt8(ascii: "n")
  static let notice = UInt8(ascii: "N")
  static let parameterDescription = UInt8(ascii: "t")
  static let parameterStatus = UInt8(ascii: "S")
  static let parseComplete = UInt8(ascii: "1")
  static let portalSuspended = UInt8(ascii: "s")
  static let readyForQuery = UInt8(ascii: "Z")
  static let rowDescription = UInt8(ascii: "T")

  static func commandCompleteMessage(_ tag: String) -> [UInt8] {
    var message = MessageWriter(commandComplete)
    message.string(tag)
    return message.finished()
  }

  static func readyForQueryMessage(_ status: UInt8) -> [UInt8] { [readyForQuery, 0, 0, 0, 5, status] }

  static func parameterStatusMessage(_ name: String, _ value: String) -> [UInt8] {
    var message = MessageWriter(parameterStatus)
    message.string(name)
    message.string(value)
    return message.finished()
  }
}
