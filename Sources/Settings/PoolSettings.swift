/// How many connections to the target there may be, for how long, and how fast they are opened.
package struct PoolSettings: Hashable, Sendable {
  package let maxSize: Int
  package let minSize: Int
  package let maxLifetime: Duration
  package let idleTimeout: Duration
  package let acquireTimeout: Duration
  /// Connections opened in a second, in the long run.
  package let rate: Int
}

extension PoolSettings {
  /// Besides the workers: one for the state, one that sees when another instance takes over.
  static let otherConnections = 2

  init(_ section: inout SettingsSection) {
    maxSize = section.value(
      .integer(
        "max-pool-size", in: (1 + Self.otherConnections)...1000,
        "Most connections to the target at a time: one for each of `parallelism`, and \(Self.otherConnections) more."),
      default: 20)
    minSize = section.value(
      .integer(
        "min-pool-size", in: 0...1000, "Connections that are kept, and opened ahead, while changes are followed."),
      default: 0)
    maxLifetime = section.value(
      .duration(
        "connection-max-lifetime", in: 1000...3_540_000,
        "A connection is replaced before it is this old; DSQL ends sessions after 60 minutes."), default: .seconds(3540)
    )
    idleTimeout = section.value(
      .duration(
        "connection-idle-timeout", in: 1000...3_540_000,
        "A connection above `min-pool-size` that was idle for so long is closed."), default: .seconds(600))
    acquireTimeout = section.value(
      .duration(
        "acquire-timeout", in: 100...600_000,
        "Longest wait for a connection while all are in use, or while opening one has to wait."), default: .seconds(30))
    rate = section.value(
      .integer(
        "connection-rate", in: 1...1000,
        "Most connections opened in a second, after a burst of ten times as many. DSQL allows a cluster 100 for all its "
          + "clients together."), default: 100)
    if minSize > maxSize {
      section.report("min-pool-size", "larger than max-pool-size; expected at most \(maxSize)")
    }
  }

  /// - Parameter parallelism: the lanes and load workers, which each need a connection.
  func checkEnough(for parallelism: Int, _ section: inout SettingsSection) {
    let spare = maxSize - Self.otherConnections
    guard parallelism > spare else { return }
    if section.isGiven("parallelism") {
      section.report(
        "parallelism",
        "needs \(parallelism + Self.otherConnections) connections, more than max-pool-size; expected at most \(spare)")
    } else {
      section.report(
        "max-pool-size",
        "too small for parallelism \(parallelism); expected at least \(parallelism + Self.otherConnections)")
    }
  }
}
