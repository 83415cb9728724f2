package import ChangeModel
import Synchronization

/// The current token for one cluster and user: signed on first use, then reused until shortly before it expires.
/// Any number of threads may ask; one of them signs, the others wait the fraction of a millisecond that takes.
package final class TokenSource: Sendable {
  /// Looks the credentials up, each time a token is signed.
  package typealias CredentialsLookup = @Sendable (_ now: UnixTime) throws(Failure) -> AWSCredentials

  /// A token is replaced this long before it expires.
  package static let refreshMarginSeconds: Int64 = 300

  private struct Signed {
    let token: String
    let signedAt: UnixTime
    let expiresAt: UnixTime
  }

  private let host: String
  private let region: String
  private let action: DSQLToken.Action
  private let credentials: CredentialsLookup
  private let current = Mutex<Signed?>(nil)

  /// - Parameters:
  ///   - host: the cluster endpoint without port; it is part of what is signed.
  ///   - user: the database user; `admin` needs another IAM action than the rest.
  package init(host: String, region: String, user: String, credentials: @escaping CredentialsLookup) {
    self.host = host
    self.region = region
    self.action = DSQLToken.Action(user: user)
    self.credentials = credentials
  }

  /// A token that is good for at least five more minutes.
  /// - Throws: what the credentials lookup threw; nothing of it is kept, the next call looks again.
  package func token(now: UnixTime = .now) throws(Failure) -> String {
    try current.withLock { (current) throws(Failure) in
      // A clock that was set back would keep a token from the future for too long.
      if let signed = current, now >= signed.signedAt, now + Self.refreshMarginSeconds < signed.expiresAt {
        return signed.token
      }
      let token = DSQLToken.sign(
        credentials: try credentials(now), host: host, region: region, action: action, date: now)
      current = Signed(token: token, signedAt: now, expiresAt: now + DSQLToken.defaultLifetimeSeconds)
      return token
    }
  }

  /// Forgets the current token, so that the next call signs a new one: for a server that says it has expired.
  package func discard() { current.withLock { $0 = nil } }
}
