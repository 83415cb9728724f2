import AWS
import ChangeModel
import Synchronization
import Testing

@Suite struct TokenSourceTests {
  let start = UnixTime(seconds: 1_789_473_600)

  /// A source whose credentials lookups are counted.
  func source(_ lookups: Counter, user: String = "admin") -> TokenSource {
    TokenSource(host: "c.dsql.eu-west-1.on.aws", region: "eu-west-1", user: user) { _ throws(Failure) in
      lookups.value.add(1, ordering: .relaxed)
      return AWSCredentials(accessKeyID: "AKID", secretAccessKey: "secret")
    }
  }
  final class Counter: Sendable { let value = Atomic(0) }

  @Test("a token is reused until five minutes before it expires")
  func reuse() throws {
    let lookups = Counter()
    let source = source(lookups)
    let first = try source.token(now: start)

    #expect(try source.token(now: start + 599) == first)
    #expect(lookups.value.load(ordering: .relaxed) == 1)
    let second = try source.token(now: start + 600)
    #expect(second != first)
    #expect(second.contains("X-Amz-Date=20260915T121000Z"))
    #expect(lookups.value.load(ordering: .relaxed) == 2)
  }

  @Test("a clock that is set back, or a discarded token, gives a new one")
  func renewals() throws {
    let lookups = Counter()
    let source = source(lookups)

    _ = try source.token(now: start)
    _ = try source.token(now: start + -10)
    source.discard()
    _ = try source.token(now: start + -9)

    #expect(lookups.value.load(ordering: .relaxed) == 3)
  }

  @Test("a failed lookup is thrown, and not remembered")
  func failedLookup() throws {
    let fails = Counter()
    let source = TokenSource(host: "h", region: "r", user: "app") { _ throws(Failure) in
      if fails.value.add(1, ordering: .relaxed).oldValue == 0 { throw Failure(.configuration, "not now") }
      return AWSCredentials(accessKeyID: "AKID", secretAccessKey: "secret")
    }

    #expect(throws: Failure.self) { try source.token(now: start) }
    #expect(try source.token(now: start).hasPrefix("h/?Action=DbConnect&"))
  }

  @Test("many threads at once get one token")
  func concurrent() async {
    let lookups = Counter()
    let source = source(lookups)

    let tokens = await withTaskGroup(of: String?.self) { group in
      for _ in 0..<50 { group.addTask { try? source.token(now: UnixTime(seconds: 1_789_473_600)) } }
      return await group.reduce(into: Set<String?>()) { $0.insert($1) }
    }

    #expect(tokens.count == 1 && !tokens.contains(nil))
    #expect(lookups.value.load(ordering: .relaxed) == 1)
  }
}

@Suite struct AWSCredentialsTests {
  @Test("the environment gives permanent and temporary credentials")
  func environment() throws {
    let permanent = ["AWS_ACCESS_KEY_ID": "AKID", "AWS_SECRET_ACCESS_KEY": "s3cret", "AWS_SESSION_TOKEN": ""]

    #expect(
      try AWSCredentials(environment: permanent) == AWSCredentials(accessKeyID: "AKID", secretAccessKey: "s3cret"))
    #expect(
      try AWSCredentials(environment: permanent.merging(["AWS_SESSION_TOKEN": "t"]) { $1 }).sessionToken == "t")
  }

  @Test(
    "a missing variable is named, with what to set",
    arguments: [
      (["AWS_SECRET_ACCESS_KEY": "x"], "AWS_ACCESS_KEY_ID"),
      (["AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": ""], "AWS_SECRET_ACCESS_KEY"),
    ])
  func missing(environment: [String: String], name: String) {
    let failure = #expect(throws: Failure.self) { try AWSCredentials(environment: environment) }

    #expect(failure?.message == "no AWS credentials: \(name) is not set")
    #expect(failure?.exitCode == 2)
    #expect(failure?.hint.contains("AWS_ACCESS_KEY_ID") == true)
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
