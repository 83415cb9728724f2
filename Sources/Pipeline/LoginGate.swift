package import ChangeModel
package import PenstockExtensions
internal import Postgres
internal import Runtime
internal import Synchronization

/// Gets the passwords of one side's sessions from its authentication provider, for threads that may block: one refresh at a
/// time for all who wait, and no call for longer than a minute.
package final class LoginGate: Sendable {
  private let provider: any AuthenticationProvider
  private let name: String
  private let role: Failure.Kind
  private let place: String
  private let limit: Duration
  private let state = Mutex(State())

  private struct State {
    var isRefreshing = false
    var waiters: [CheckedContinuation<Void, any Error>] = []
  }

  /// - Parameters:
  ///   - name: the provider's, for messages.
  ///   - place: the server, for messages.
  package init(
    _ provider: any AuthenticationProvider, name: String, role: Failure.Kind, place: String,
    limit: Duration = .seconds(60)
  ) {
    self.provider = provider
    self.name = name
    self.role = role
    self.place = place
    self.limit = limit
  }

  /// What the next session sends; empty for nothing.
  package func password() throws(Failure) -> String {
    try bounded { [self] in
      if await provider.isTokenExpired() { try await refresh(after: nil) }
      return try await provider.authToken()
    }
  }

  /// Another password in place of one that was refused; `nil` when there is none, or when it is not the password that
  /// was refused.
  package func password(insteadOf refused: String, _ refusal: Failure) throws(Failure) -> String? {
    guard Self.isAboutLogin(refusal) else { return nil }
    let message = refusal.message
    let other = try bounded { [self] in
      let current = try await provider.authToken()
      guard current == refused else { return current }
      try await refresh(after: LoginRefusal(token: refused, message: message))
      return try await provider.authToken()
    }
    return other == refused ? nil : other
  }

  private static func isAboutLogin(_ refusal: Failure) -> Bool {
    if ErrorTable.rule(for: refusal, in: .connect).action == .refreshToken { return true }
    // A policy that says otherwise has the last word.
    guard refusal.verdict == nil else { return false }
    return refusal.message.contains("authentication failed") || refusal.message.contains("access denied")
  }

  private func refresh(after refusal: LoginRefusal?) async throws {
    let isMine = state.withLock { state in
      defer { state.isRefreshing = true }
      return !state.isRefreshing
    }
    guard isMine else {
      return try await withCheckedThrowingContinuation { waiter in
        let isOver = state.withLock { state in
          if state.isRefreshing { state.waiters.append(waiter) }
          return !state.isRefreshing
        }
        if isOver { waiter.resume() }
      }
    }
    let result: Result<Void, any Error>
    do { result = .success(try await provider.refreshToken(after: refusal)) } catch { result = .failure(error) }
    let waiters = state.withLock { state in
      defer { state = State() }
      return state.waiters
    }
    for waiter in waiters { waiter.resume(with: result) }
    try result.get()
  }

  private func bounded(_ work: @escaping @Sendable () async throws -> String) throws(Failure) -> String {
    let problem: String
    switch waitFor("login", atMost: limit, work) {
    case .success(let token)?: return token
    case .failure(let failure as Failure)?: throw failure
    case .failure(let error)?: problem = "\(error)"
    case nil: problem = "it did not answer within \(limit)"
    }
    throw Failure(
      role, "authentication provider \"\(name)\" gave no token: \(problem)", location: place,
      hint: "Look at what the provider needs; it is asked again with the next connection.", isTransient: true)
  }
}

/// The built-in authentication provider `password`.
struct PasswordProvider: AuthenticationProvider {
  /// Empty when the configuration gives none, so that libpq looks into its password file.
  let password: String

  func authToken() async -> String { password }
  func refreshToken(after refusal: LoginRefusal?) async {}
  func isTokenExpired() async -> Bool { false }
}

extension ConnectionSettings {
  /// - Parameter gate: asked for the password of each session.
  init(
    role: Failure.Kind, parameters: [(keyword: String, value: String)], connectTimeout: Duration, gate: LoginGate
  ) {
    self.init(
      role: role, parameters: parameters, connectTimeout: connectTimeout,
      password: { () throws(Failure) in
        let password = try gate.password()
        return password.isEmpty ? nil : password
      })
    renewedPassword = { (refused, refusal) throws(Failure) in try gate.password(insteadOf: refused, refusal) }
  }
}
