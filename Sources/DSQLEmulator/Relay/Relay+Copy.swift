/// COPY FROM STDIN: rows go to the backend as they come; rules are asked when all are there.
extension Relay {
  func copyIn(_ exchange: inout Exchange) throws(Disconnected) {
    exchange.isCopyIn = false
    while true {
      let message = try nextMessage()
      switch message.type {
      case Frontend.copyData:
        rules.add(bytes: message.range.count - 5)
        accept(message)
        if accepted > Self.outputBytesKept { try forward() }
      case Frontend.copyDone, Frontend.copyFail:
        accept(message)
        try forward(Frontend.flushMessage)
        return try pump(&exchange)
      case Frontend.flush, Frontend.sync:
        // Ignored during COPY, as a PostgreSQL server does.
        try forward()
        input.consume(message.range.count)
      case Frontend.terminate: throw Disconnected("client left during COPY")
      default: try violation("unexpected message type \(message.type) during COPY from stdin")
      }
    }
  }
}
