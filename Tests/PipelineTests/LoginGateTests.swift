import ChangeModel
import PenstockExtensions
import Pipeline
import Runtime
import Synchronization
import Testing

/// A provider whose tokens are `1`, `2`, …; it counts, and refreshes as slowly as it is told.
private final class CountingProvider: AuthenticationProvider {
  private let state = Mutex((refreshes: 0, isExpired: true, running: 0, refusals: [String]()))
  private let delay: Duration
  private let problem: String?
  private let refreshesMax: Int

  init(delay: Duration = .zero, problem: String? = nil, refreshesMax: Int = .max) {
    self.delay = delay
    self.problem = problem
    self.refreshesMax = refreshesMax
  }

  var refreshes: Int { state.withLock { $0.refreshes } }
  var refusals: [String] { state.withLock { $0.refusals } }

  func authToken() async -> String { state.withLock { "\($0.refreshes)" } }

  func refreshToken(after refusal: LoginRefusal?) async throws {
    let isAlone = state.withLock { state in
      state.running += 1
      if let refusal { state.refusals.append(refusal.token + ": " + refusal.message) }
      return state.running == 1
    }
    #expect(isAlone)
    try await Task.sleep(for: delay)
    if let problem { throw Problem(description: problem) }
    state.withLock { state in
      state.running = 0
      state.isExpired = false
      if state.refreshes < refreshesMax { state.refreshes += 1 }
    }
  }

  func isTokenExpired() async -> Bool { state.withLock { $0.isExpired } }

  struct Problem: Error, CustomStringConvertible { let description: String }
}

@Suite("Passwords from an authentication provider") struct LoginGateTests {
  private func gate(_ provider: CountingProvider, limit: Duration = .seconds(60)) -> LoginGate {
    LoginGate(provider, name: "counting", role: .sink, place: "u@h", limit: limit)
  }

  /// Runs work on so many threads that may block.
  private func onThreads<Value: Sendable>(
    _ count: Int, _ work: @escaping @Sendable () -> Value
  ) async -> [Value] {
    await withTaskGroup(of: Value.self) { tasks in
      for _ in 0..<count { tasks.addThread(named: "login test", work) }
      return await tasks.reduce(into: []) { $0.append($1) }
    }
  }

  @Test("many sessions that find no token wait for one refresh") func oneRefresh() async {
    let provider = CountingProvider(delay: .milliseconds(50))
    let gate = gate(provider)

    let tokens = await onThreads(8) { try? gate.password() }

    #expect(tokens == Array(repeating: "1", count: 8))
    #expect(provider.refreshes == 1)
  }

  @Test("a refused token is replaced once, for all who sent it") func refused() async {
    let provider = CountingProvider(delay: .milliseconds(50))
    let gate = gate(provider)
    let refusal = Failure(.sink, "password authentication failed for user \"u\"")
    _ = await onThreads(1) { try? gate.password() }

    let tokens = await onThreads(8) { try? gate.password(insteadOf: "1", refusal) }

    #expect(tokens == Array(repeating: "2", count: 8))
    #expect(provider.refusals == ["1: password authentication failed for user \"u\""])
  }

  @Test(
    "a refusal asks for another token only when it is about the login, and a policy has the last word",
    arguments: [
      ("password authentication failed", nil, true), ("unable to accept connection, access denied", nil, true),
      ("too many open connections", nil, false), ("something else", .refreshToken, true),
      ("password authentication failed", .stop, false),
    ] as [(String, ErrorAction?, Bool)])
  func subjects(message: String, verdict: ErrorAction?, isAsked: Bool) async {
    let gate = gate(CountingProvider())
    var refusal = Failure(.sink, message)
    refusal.verdict = verdict
    let sent = refusal
    _ = await onThreads(1) { try? gate.password() }

    let other = await onThreads(1) { try? gate.password(insteadOf: "1", sent) }

    #expect(other == [isAsked ? "2" : nil])
  }

  @Test("a token that stays the same is not tried again") func noOther() async throws {
    let gate = gate(CountingProvider(refreshesMax: 1))
    _ = await onThreads(1) { try? gate.password() }

    let other = await onThreads(1) { Result { try gate.password(insteadOf: "1", Failure(.sink, "access denied")) } }

    #expect(try other.first?.get() == .some(nil))
  }

  @Test("what the provider says goes into a failure that may pass") func problem() async {
    let gate = gate(CountingProvider(problem: "the vault is sealed"))

    let failure =
      await onThreads(1) { () -> Failure? in
        do throws(Failure) { _ = try gate.password() } catch { return error }
        return nil
      }.first ?? nil

    #expect(failure?.message == "authentication provider \"counting\" gave no token: the vault is sealed")
    #expect(failure?.isTransient == true)
    #expect(failure?.kind == .sink)
  }

  @Test("a provider that hangs is cancelled, and its caller goes on") func hanging() async {
    let gate = gate(CountingProvider(delay: .seconds(3600)), limit: .milliseconds(100))

    let failure =
      await onThreads(1) { () -> Failure? in
        do throws(Failure) { _ = try gate.password() } catch { return error }
        return nil
      }.first ?? nil

    #expect(failure?.message.contains("did not answer within") == true)
    #expect(failure?.isTransient == true)
  }
}
