import Glibc

/// COPY FROM STDIN: rows go to the backend as they come; rules are asked when all are there.
extension Relay {
  /// Takes rows up to the client's end of them, and waits for the backend's answer.
  func copyIn(_ exchange: inout Exchange) throws(Disconnected) {
    exchange.isCopyIn = false
    while true {
      if try messageAtHand() == nil || accepted > Self.outputBytesKept { try forwardRows(&exchange) }
      let message = try nextMessage()
      switch message.type {
      case Frontend.copyData:
        // Beyond that many bytes there will be no COMMIT.
        if exchange.keepsRows, rules.bytes <= rules.limits.bytesMax { input.copy(message.range, to: &exchange.rows) }
        rules.add(bytes: message.range.count - 5)
        accept(message)
      case Frontend.copyDone, Frontend.copyFail:
        if message.type == Frontend.copyFail { exchange.givenUp = text(message.body.dropLast()) }
        accept(message)
        try forwardRows(&exchange, Frontend.flushMessage)
        return try pump(&exchange)
      case Frontend.flush, Frontend.sync:
        // Ignored during COPY, as a PostgreSQL server does.
        try forwardRows(&exchange)
        input.consume(message.range.count)
      case Frontend.terminate: throw Disconnected("client left during COPY")
      default: try violation("unexpected message type \(message.type) during COPY from stdin")
      }
    }
  }

  /// Sends what has been accepted to a backend that may wait for a lock, and then takes nothing.
  func forwardRows(_ exchange: inout Exchange, _ trailer: [UInt8] = []) throws(Disconnected) {
    var sent = 0
    while true {
      sent += try backend.sendSome(input, accepted, trailer: trailer, from: sent)
      if sent == accepted + trailer.count { break }
      let events = try awaitBackend(Int16(POLLIN | POLLOUT), &exchange)
      // It says that the COPY has failed, and passes over the rest of it.
      if events & ~Int16(POLLOUT) != 0 { try backend.read(into: replies) }
    }
    input.consume(accepted)
    accepted = 0
  }
}
