/// How many connections a cluster takes at once, and how fast new ones. Pure; time comes in as an argument.
struct ConnectRules {
  let ratePerSecond: Double
  let burst: Double
  let openMax: Int
  private var tokens: Double
  private var refilledAt = Duration.zero
  private(set) var open = 0

  init(ratePerSecond: Double, burst: Double, openMax: Int) {
    self.ratePerSecond = ratePerSecond
    self.burst = burst
    self.openMax = openMax
    tokens = burst
  }

  /// Asked for each new connection. It counts as open, accepted or not, until `closed`.
  mutating func opened(now: Duration) -> ServerError? {
    open += 1
    tokens = min(burst, tokens + max(0, (now - refilledAt) / .seconds(1)) * ratePerSecond)
    refilledAt = now
    guard tokens >= 1 else { return Self.rateExceeded }
    tokens -= 1
    if open > openMax {
      return ServerError("53300", "Unable to accept connection, too many open connections.")
    }
    return nil
  }

  mutating func closed() { open -= 1 }

  static let rateExceeded = ServerError("53400", "Unable to accept connection, rate exceeded.")
}
