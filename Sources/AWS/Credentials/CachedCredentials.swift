package import ChangeModel
package import Runtime
import Synchronization

/// Credentials kept for as long as they last; looked for again in time before they expire.
package final class CachedCredentials: Sendable {
  private let provider: any CredentialsProvider
  private let log: Log
  private let current = Mutex<AWSCredentials?>(nil)

  package init(_ provider: any CredentialsProvider, log: Log) {
    self.provider = provider
    self.log = log
  }

  /// Credentials that last for `seconds` more, or the longest-lived there are; always some that are still good.
  ///
  /// Permanent ones are looked for each time, so that a changed file counts. One caller looks, others wait.
  package func credentials(now: UnixTime, lasting seconds: Int64) throws(Failure) -> AWSCredentials {
    try current.withLock { (current) throws(Failure) in
      if let kept = current, let end = kept.expiresAt, now + seconds <= end { return kept }
      let found: AWSCredentials
      do throws(Failure) {
        found = try provider.credentials(now: now)
      } catch {
        guard let kept = current, let end = kept.expiresAt, now < end else { throw error }
        log.warning("new AWS credentials are not to be had, those from \(kept.origin) last \(end - now) s: \(error)")
        return kept
      }
      if let end = found.expiresAt, end <= now {
        throw Failure(
          .sink, "the AWS credentials from \(found.origin) expired at \(end.iso8601)",
          hint: "Renew them. If they are new, compare this machine's clock with another one.", isTransient: true)
      }
      current = found
      return found
    }
  }

  /// Forgets what is kept: for a service that refuses it.
  package func discard() { current.withLock { $0 = nil } }
}
