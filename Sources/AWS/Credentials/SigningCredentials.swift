internal import ChangeModel
internal import Runtime
internal import Synchronization

/// Credentials for signing many requests: they are looked for on a thread of their own, and not for every request.
final class SigningCredentials: Sendable {
  private struct Kept {
    var credentials: AWSCredentials
    var since: UnixTime
  }

  /// Permanent ones are looked for again after this time, since their file may have changed.
  private static let keptSeconds: Int64 = 60
  /// Temporary ones are renewed this long before their end, as tokens are.
  private static let marginSeconds = TokenSource.refreshMarginSeconds

  private let login: AWSLogin
  private let kept = Mutex<Kept?>(nil)
  private let thread = ThreadExecutor(name: "credentials")

  init(_ login: AWSLogin) { self.login = login }

  deinit { thread.shutdown() }

  func credentials(now: UnixTime) async throws(Failure) -> AWSCredentials {
    if let credentials = current(now) { return credentials }
    let search = Task(executorPreference: thread) { [self] () -> Result<AWSCredentials, Failure> in
      // Whoever waited for the thread before may have found some.
      if let credentials = current(now) { return .success(credentials) }
      do throws(Failure) {
        let found = try login.credentials(now: now, lasting: Self.marginSeconds)
        kept.withLock { $0 = Kept(credentials: found, since: now) }
        return .success(found)
      } catch { return .failure(error) }
    }
    return try await search.value.get()
  }

  /// Forgets credentials that the service refuses, so that others are looked for.
  func discard(_ refused: AWSCredentials) {
    let isCurrent = kept.withLock { kept in
      guard kept?.credentials == refused else { return false }
      kept = nil
      return true
    }
    if isCurrent { login.credentials.discard() }
  }

  private func current(_ now: UnixTime) -> AWSCredentials? {
    kept.withLock { kept in
      guard let kept, abs(now - kept.since) < Self.keptSeconds else { return nil }
      // Those that can't be had for longer are asked for again at every call, but for the one of this second.
      if let end = kept.credentials.expiresAt, now + Self.marginSeconds > end, now != kept.since { return nil }
      return kept.credentials
    }
  }
}
