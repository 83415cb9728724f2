package import ChangeModel
package import Runtime
import Synchronization

/// The current token for one cluster and user: signed on first use, reused, and replaced before it expires.
///
/// Any number of threads may ask. One of them signs, or has it done beside it while the old token is still good; the
/// others get the old one, or wait for the same new one. Call it on threads that may block: credentials may have to be
/// fetched first.
package final class TokenSource: Sendable {
  private struct Signed: Sendable {
    let token: String
    let signedAt: UnixTime
    let expiresAt: UnixTime
    /// From here on it is replaced.
    let staleAt: UnixTime
  }

  /// One replacement under way, for all who wait for it.
  private final class Refresh: Sendable {
    let end = Wakeup()
    let outcome = Mutex<Result<Signed, Failure>?>(nil)
  }

  private struct State: Sendable {
    var current: Signed?
    var running: Refresh?
    /// Failures since the last success.
    var failures = 0
    /// After a failure beside an old token that is still good, nobody tries again before this.
    var retryAt: UnixTime?
    var statistics = Statistics()

    /// The current token unless it has expired. A clock that was set back would keep one from the future for too long.
    func good(_ now: UnixTime) -> Signed? {
      current.flatMap { now >= $0.signedAt && now < $0.expiresAt ? $0 : nil }
    }

    /// Notes that a replacement is under way.
    mutating func begin() -> Refresh {
      let refresh = Refresh()
      running = refresh
      return refresh
    }
  }

  /// What was done so far.
  package struct Statistics: Hashable, Sendable {
    package var refreshes = 0
    package var failures = 0
  }

  private let host: String
  private let action: DSQLToken.Action
  private let lifetimeSeconds: Int64
  private let region: AWSRegion
  private let credentials: CachedCredentials
  private let log: Log
  private let state = Mutex(State())

  /// - Parameters:
  ///   - host: the cluster endpoint without port; it is part of what is signed.
  ///   - user: the database user; `admin` needs another IAM action than the rest.
  ///   - lifetimeSeconds: how long a token shall live, unless its credentials end before.
  package init(
    host: String, user: String, lifetimeSeconds: Int64 = DSQLToken.defaultLifetimeSeconds, region: AWSRegion,
    credentials: CachedCredentials, log: Log
  ) {
    self.host = host
    action = DSQLToken.Action(user: user)
    self.lifetimeSeconds = lifetimeSeconds
    self.region = region
    self.credentials = credentials
    self.log = log
  }

  /// When the current token ends; `nil` before the first.
  package var tokenExpirationTime: UnixTime? { state.withLock { $0.current?.expiresAt } }

  /// Whether there is no token that is still good, so that the next who asks waits for one.
  package func isTokenExpired(now: UnixTime = .now) -> Bool { state.withLock { $0.good(now) == nil } }

  package var statistics: Statistics { state.withLock { $0.statistics } }

  /// A token that a server takes now. Waits only when there is none that is still good.
  /// - Throws: why there are no credentials; nothing of it is kept, the next call looks again.
  package func authToken(now: UnixTime = .now) throws(Failure) -> String {
    enum Step { case use(String), refresh(Refresh), useAndRefresh(String, Refresh), wait(Refresh) }
    let step = state.withLock { state -> Step in
      guard let current = state.good(now) else {
        if let running = state.running { return .wait(running) }
        return .refresh(state.begin())
      }
      if now < current.staleAt || state.running != nil || state.retryAt.map({ now < $0 }) == true {
        return .use(current.token)
      }
      return .useAndRefresh(current.token, state.begin())
    }
    switch step {
    case .use(let token): return token
    case .wait(let refresh): return try outcome(of: refresh)
    case .refresh(let refresh):
      run(refresh, now: now)
      return try outcome(of: refresh)
    case .useAndRefresh(let token, let refresh):
      let executor = ThreadExecutor(name: "token")
      Task(executorPreference: executor) { [self] in
        run(refresh, now: now)
        executor.shutdown()
      }
      return token
    }
  }

  /// Another token in place of one that the server has refused, when that can help: once for all who were refused the same.
  ///
  /// - Parameters:
  ///   - refused: the token that was sent.
  ///   - text: what the server says, its hint included.
  /// - Returns: `nil` when no other token would be taken either.
  /// - Throws: that this machine's clock is wrong, or why there is no new token.
  package func refreshToken(insteadOf refused: String, text: String, now: UnixTime = .now) throws(Failure) -> String? {
    let skew = ClockSkew(refusal: text, now: now)
    if text.contains("Signature not yet current") {
      throw skew?.failure(at: host) ?? Failure(.sink, ClockSkew.unknownAhead, location: host, hint: ClockSkew.hint)
    }
    guard text.contains("access denied"), text.contains("expired") else { return nil }
    if let skew, skew.isNotable {
      if -skew.seconds >= lifetimeSeconds { throw skew.failure(at: host) }
      log.warning("\(skew.sentence), so that tokens expire early. \(ClockSkew.hint)")
    }
    let isCurrent = try state.withLock { (state) throws(Failure) -> Bool in
      // Unless another thread was refused too, and is ahead.
      guard let current = state.current, current.token == refused else { return false }
      let isNew = now - current.signedAt < min(ClockSkew.toleratedSeconds, lifetimeSeconds / 3)
      if isNew, text.contains("Signature expired") {
        throw Failure(.sink, ClockSkew.unknownBehind, location: host, hint: ClockSkew.hint)
      }
      state.current = nil
      return true
    }
    // The session's credentials may be what has expired.
    if isCurrent { credentials.discard() }
    return try authToken(now: now)
  }

  private func outcome(of refresh: Refresh) throws(Failure) -> String {
    refresh.end.wait(for: nil)
    guard let outcome = refresh.outcome.withLock({ $0 }) else { preconditionFailure("a refresh ends with an outcome") }
    return try outcome.get().token
  }

  /// Signs, records what came of it, and wakes those who wait.
  private func run(_ refresh: Refresh, now: UnixTime) {
    let result: Result<Signed, Failure>
    do throws(Failure) { result = .success(try sign(now: now)) } catch { result = .failure(error) }
    let warning = state.withLock { state -> String? in
      state.running = nil
      switch result {
      case .success(let signed):
        state.current = signed
        (state.failures, state.retryAt) = (0, nil)
        state.statistics.refreshes += 1
        return nil
      case .failure(let failure):
        state.failures += 1
        state.statistics.failures += 1
        // 1, 2, 4 … 30 seconds.
        state.retryAt = now + Int64(min(30, 1 << min(5, state.failures - 1)))
        guard let current = state.current, now < current.expiresAt else { return nil }
        return "refresh of the IAM token failed, time \(state.failures); the old one is good for "
          + "\(current.expiresAt - now) s: \(failure)"
      }
    }
    if let warning { log.warning(warning) }
    refresh.outcome.withLock { $0 = result }
    refresh.end.signal()
  }

  private func sign(now: UnixTime) throws(Failure) -> Signed {
    let region = try region.name()
    let credentials = try credentials.credentials(now: now, lasting: lifetimeSeconds)
    let life = min(lifetimeSeconds, credentials.expiresAt.map { $0 - now } ?? .max)
    let token = DSQLToken.sign(
      credentials: credentials, host: host, region: region, action: action, date: now, expiresAfterSeconds: life)
    // Five minutes before the end, and never more than a third of a shorter life.
    return Signed(
      token: token, signedAt: now, expiresAt: now + life, staleAt: now + life - min(Self.refreshMarginSeconds, life / 3)
    )
  }

  /// A token is replaced this long before it expires.
  package static let refreshMarginSeconds: Int64 = 300
}
