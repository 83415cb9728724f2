@testable import AWS
import ChangeModel
import Foundation
import PenstockTestKit
import Runtime
import Synchronization
import Testing

/// A token source whose credentials a test gives, holds back or refuses.
private final class SourceUnderTest: Sendable {
  struct Plan: Sendable {
    var failure: Failure?
    var sessionToken: String?
    /// How long credentials last from when they are looked for; `nil` for ever.
    var lastingSeconds: Int64?
    var lookups = 0
  }

  static let start = UnixTime(seconds: 1_789_473_600)
  static let host = "c.dsql.eu-west-1.on.aws"

  let tokens: TokenSource
  private let lookup: Lookup
  /// While it is signalled, lookups pass.
  let gate: Wakeup

  init(user: String = "admin", lifetimeSeconds: Int64 = 900) {
    let gate = Wakeup()
    gate.signal()
    self.gate = gate
    let lookup = Lookup()
    self.lookup = lookup
    let provider = Provider(lookup: lookup, gate: gate)
    tokens = TokenSource(
      host: Self.host, user: user, lifetimeSeconds: lifetimeSeconds,
      region: AWSRegion(configured: "eu-west-1", host: Self.host, environment: AWSEnvironment([:])),
      credentials: CachedCredentials(provider, log: .init(level: .error)), log: .init(level: .error))
  }

  private final class Lookup: Sendable { let plan = Mutex(Plan()) }

  private struct Provider: CredentialsProvider {
    let lookup: Lookup
    let gate: Wakeup

    func credentials(now: UnixTime) throws(Failure) -> AWSCredentials {
      let plan = lookup.plan.withLock { plan in
        plan.lookups += 1
        return plan
      }
      gate.wait(for: .seconds(120))
      if let failure = plan.failure { throw failure }
      return AWSCredentials(
        accessKeyID: "AKID", secretAccessKey: "secret", sessionToken: plan.sessionToken,
        expiresAt: plan.lastingSeconds.map { now + $0 })
    }
  }

  var lookups: Int { lookup.plan.withLock(\.lookups) }
  func change(_ body: (inout Plan) -> Void) { lookup.plan.withLock { body(&$0) } }
  func token(_ seconds: Int64 = 0) throws(Failure) -> String { try tokens.authToken(now: Self.start + seconds) }

  /// Waits until a replacement beside the old token has ended.
  func refreshed(_ count: Int) async throws {
    try await eventually("refresh \(count)") { tokens.statistics.refreshes + tokens.statistics.failures == count }
  }
}

@Suite struct TokenSourceTests {
  @Test("a token is reused until five minutes before it expires, and replaced beside the old one") func reuse()
    async throws
  {
    let source = SourceUnderTest()
    let first = try source.token()
    #expect(try source.token(599) == first)
    #expect(source.lookups == 1)

    #expect(try source.token(600) == first)
    try await source.refreshed(2)
    let second = try source.token(601)
    #expect(second.contains("X-Amz-Date=20260915T121000Z&X-Amz-Expires=900"))
    #expect(source.lookups == 2)
  }

  @Test("while the old token is good nobody waits for the new one, and one looks for it for all") func background()
    async throws
  {
    let source = SourceUnderTest()
    let first = try source.token()
    source.gate.clear()

    #expect(try [source.token(700), source.token(800), source.token(899)] == [first, first, first])
    try await eventually("the lookup") { source.lookups == 2 }
    source.gate.signal()
    try await source.refreshed(2)

    #expect(try source.token(701) != first)
    #expect(source.lookups == 2)
  }

  @Test("without a good token all wait for one lookup, and share its end", arguments: [false, true])
  func waiters(fails: Bool) async throws {
    let source = SourceUnderTest()
    source.gate.clear()
    source.change { $0.failure = fails ? Failure(.sink, "not now") : nil }
    let ends = Ends()
    // Threads, since they block.
    for _ in 0..<20 {
      Thread.detachNewThread {
        let end: Result<String, Failure>
        do throws(Failure) { end = .success(try source.token()) } catch { end = .failure(error) }
        ends.add(end)
      }
    }
    try await eventually("the lookup") { source.lookups == 1 }
    source.gate.signal()
    try await eventually("all to end") { ends.all.count == 20 }

    let texts = Set(ends.all.map { (try? $0.get()) ?? "failed" })
    #expect(texts.count == 1)
    #expect(texts.contains("failed") == fails)
    // One that came after the end of a failed lookup looks again.
    #expect(fails ? source.lookups >= 1 : source.lookups == 1)
  }

  private final class Ends: Sendable {
    private let results = Mutex<[Result<String, Failure>]>([])
    var all: [Result<String, Failure>] { results.withLock { $0 } }
    func add(_ result: Result<String, Failure>) { results.withLock { $0.append(result) } }
  }

  @Test("a failed replacement is counted, not kept, and tried again after a growing while") func failedRefresh()
    async throws
  {
    let source = SourceUnderTest()
    let first = try source.token()
    source.change { $0.failure = Failure(.sink, "not now") }

    #expect(try source.token(600) == first)
    try await source.refreshed(2)
    #expect(try source.token(600) == first)
    #expect(source.lookups == 2)
    #expect(try source.token(601) == first)
    try await source.refreshed(3)
    #expect(try source.token(602) == first)
    #expect(source.lookups == 3)
    source.change { $0.failure = nil }
    #expect(try source.token(603) == first)
    try await source.refreshed(4)

    #expect(try source.token(604) != first)
    #expect(source.tokens.statistics == TokenSource.Statistics(refreshes: 2, failures: 2))
  }

  @Test("a failed lookup without a token is thrown, and not remembered") func failedLookup() throws {
    let source = SourceUnderTest(user: "app")
    source.change { $0.failure = Failure(.configuration, "not now") }
    #expect(throws: Failure.self) { try source.token() }
    source.change { $0.failure = nil }

    #expect(try source.token().hasPrefix("\(SourceUnderTest.host)/?Action=DbConnect&"))
    #expect(source.tokens.statistics == TokenSource.Statistics(refreshes: 1, failures: 1))
  }

  @Test("a clock that is set back, or a token that has expired, gives a new one at once", arguments: [-10, 900])
  func renewals(seconds: Int64) throws {
    let source = SourceUnderTest()
    let first = try source.token()

    #expect(try source.token(seconds) != first)
  }

  @Test(
    "a token never outlives its credentials", arguments: [(3600, 900), (900, 900), (899, 899), (20, 20), (1, 1)])
  func credentialsEnd(lastingSeconds: Int64, expires: Int64) throws {
    let source = SourceUnderTest()
    source.change { ($0.lastingSeconds, $0.sessionToken) = (lastingSeconds, "session") }

    #expect(try source.token().contains("&X-Amz-Expires=\(expires)&X-Amz-Security-Token=session&"))
  }

  @Test(
    "when the token ends is known, and whether it has", arguments: [(-1, true), (0, false), (899, false), (900, true)])
  func expiration(seconds: Int64, isExpired: Bool) throws {
    let source = SourceUnderTest()
    #expect(source.tokens.tokenExpirationTime == nil)
    #expect(source.tokens.isTokenExpired(now: SourceUnderTest.start))
    _ = try source.token()

    #expect(source.tokens.tokenExpirationTime == SourceUnderTest.start + 900)
    #expect(source.tokens.isTokenExpired(now: SourceUnderTest.start + seconds) == isExpired)
  }

  @Test("credentials that have expired make no token") func expiredCredentials() {
    let source = SourceUnderTest()
    source.change { $0.lastingSeconds = 0 }

    let failure = #expect(throws: Failure.self) { try source.token() }
    #expect(failure?.message == "the AWS credentials from the caller expired at 2026-09-15T12:00:00Z")
    #expect(failure?.isTransient == true)
  }

  @Test("the life of a token can be chosen, and a third of a short one is its margin") func shortLife() async throws {
    let source = SourceUnderTest(lifetimeSeconds: 20)
    let first = try source.token()

    #expect(first.contains("&X-Amz-Expires=20&"))
    #expect(try source.token(13) == first)
    #expect(source.lookups == 1)
    #expect(try source.token(14) == first)
    try await source.refreshed(2)
    #expect(try source.token(20) != first)
  }
}

@Suite struct RefusedTokenTests {
  static let denied = "cannot connect: FATAL:  unable to accept connection, access denied; HINT:  "

  /// What is done about a refusal of a token of some age.
  private func refuse(
    _ source: SourceUnderTest, _ hint: String, age: Int64 = 100, token: String? = nil
  ) throws -> String? {
    let first = try source.token()
    return try source.tokens.refreshToken(
      insteadOf: token ?? first, text: Self.denied + hint, now: SourceUnderTest.start + age)
  }

  @Test(
    "a token that is said to have expired is replaced, its credentials too",
    arguments: [
      "Signature expired: 20260915T120000Z is now earlier than 20260915T120001Z (20260915T120145Z - 99 s.)",
      "Signature expired", "The security token included in the request is expired",
    ])
  func expired(hint: String) throws {
    let source = SourceUnderTest()
    source.change { $0.lastingSeconds = 3600 }

    let other = try refuse(source, hint)
    #expect(other?.contains("X-Amz-Date=20260915T120140Z") == true)
    #expect(source.lookups == 2)
    #expect(try source.token(101) == other)
  }

  @Test(
    "a refusal for any other reason is final",
    arguments: [
      "User: arn:aws:iam::123456789012:user/x is not authorized to access this resource",
      "Wrong user to action mapping. user: admin, action: DbConnect", "",
    ])
  func final(hint: String) throws {
    let source = SourceUnderTest()

    #expect(try refuse(source, hint) == nil)
    #expect(source.lookups == 1)
  }

  @Test("who is refused a token that another has replaced gets the new one") func replacedAlready() throws {
    let source = SourceUnderTest()
    let current = try source.token()

    #expect(try refuse(source, "Signature expired", token: "an older one") == current)
    #expect(source.lookups == 1)
  }

  @Test(
    "a wrong clock is named",
    arguments: [
      (
        "Signature expired: 20260915T120000Z is now earlier than 20260915T120640Z (20260915T122140Z - 15 min.)",
        "this machine's clock is 20 min behind AWS's"
      ),
      (
        "Signature not yet current: 20260915T120000Z is still later than 20260915T115500Z (20260915T115500Z + 5 min.)",
        "this machine's clock is 400 s ahead of AWS's"
      ),
      (
        "Signature not yet current",
        "AWS says that a token is from the future: this machine's clock is ahead of AWS's"
      ),
    ])
  func clock(hint: String, message: String) throws {
    let failure = #expect(throws: Failure.self) { try refuse(SourceUnderTest(), hint) }
    #expect(failure?.message == message)
    #expect(failure?.hint.contains("NTP") == true)
    #expect(failure?.isTransient == false)
  }

  @Test("a new token that has expired already means a wrong clock too") func newAndExpired() throws {
    let failure = #expect(throws: Failure.self) { try refuse(SourceUnderTest(), "Signature expired", age: 5) }
    #expect(
      failure?.message == "AWS says that a new token has expired: this machine's clock is behind AWS's")
  }

  @Test("a clock that is a little behind is no obstacle") func littleBehind() throws {
    let hint = "Signature expired: 20260915T120000Z is now earlier than 20260915T120001Z (20260915T120641Z - 400 s.)"

    #expect(try refuse(SourceUnderTest(), hint)?.contains("X-Amz-Date=20260915T120140Z") == true)
  }
}

@Suite struct AWSCredentialsTests {
  @Test("the environment gives permanent and temporary credentials")
  func environment() throws {
    let permanent = ["AWS_ACCESS_KEY_ID": "AKID", "AWS_SECRET_ACCESS_KEY": "s3cret", "AWS_SESSION_TOKEN": ""]
    let temporary = ["AWS_SESSION_TOKEN": "t", "AWS_CREDENTIAL_EXPIRATION": "2026-09-15T12:00:00Z"]

    #expect(
      try AWSCredentials(environment: permanent)
        == AWSCredentials(accessKeyID: "AKID", secretAccessKey: "s3cret", origin: "the environment"))
    let found = try AWSCredentials(environment: permanent.merging(temporary) { $1 })
    #expect(found.sessionToken == "t")
    #expect(found.expiresAt == UnixTime(basicFormat: "20260915T120000Z"))
  }

  @Test(
    "a missing or wrong variable is named, with what to set",
    arguments: [
      (["AWS_SECRET_ACCESS_KEY": "x"], "no AWS credentials: AWS_ACCESS_KEY_ID is not set", "AWS_ACCESS_KEY_ID"),
      (
        ["AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": ""], "no AWS credentials: AWS_SECRET_ACCESS_KEY is not set",
        "AWS_SECRET_ACCESS_KEY"
      ),
      (
        ["AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "y", "AWS_CREDENTIAL_EXPIRATION": "soon"],
        "AWS_CREDENTIAL_EXPIRATION is not a time", "2026-09-15T12:00:00Z"
      ),
    ])
  func missing(environment: [String: String], message: String, hint: String) {
    let failure = #expect(throws: Failure.self) { try AWSCredentials(environment: environment) }

    #expect(failure?.message == message)
    #expect(failure?.exitCode == 2)
    #expect(failure?.hint.contains(hint) == true)
  }

  @Test("secrets are not printed")
  func redacted() {
    let credentials = AWSCredentials(accessKeyID: "AKID", secretAccessKey: "s3cret", sessionToken: "t0ken")
    var dumped = ""
    dump(credentials, to: &dumped)

    for text in ["\(credentials)", String(reflecting: credentials), dumped] {
      #expect(text.contains("AKID") && !text.contains("s3cret") && !text.contains("t0ken"))
    }
  }
}
