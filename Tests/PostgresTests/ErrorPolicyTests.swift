import ChangeModel
import PenstockExtensions
import Testing

@testable import Postgres

/// Answers always the same, and says for which question.
private struct Always: ErrorPolicy {
  var connection: Disposition?
  var data: Disposition?
  var schema: Disposition?

  func connectionError(_ error: TargetError) -> Disposition { connection ?? error.proposed }
  func dataError(_ error: TargetError) -> Disposition { data ?? error.proposed }
  func schemaError(_ error: TargetError) -> Disposition { schema ?? error.proposed }
}

@Suite("Error policies") struct ErrorPolicyTests {
  @Test(
    "each error has one subject",
    arguments: [
      ("08006", false, .connection), ("57P01", true, .connection), ("28P01", false, .connection),
      ("22003", false, .data), ("23505", false, .data), ("40001", false, .data), ("54000", false, .data),
      ("42P01", false, .schema), ("42501", false, .schema), ("3F000", false, .schema), ("0A000", false, .schema),
      ("XX000", true, .connection),
    ] as [(String, Bool, ErrorSubject)])
  func subjects(state: String, isLost: Bool, subject: ErrorSubject) {
    let failure = Failure(.sink, "x", state: SQLState(state), connectionLost: isLost)

    #expect(ErrorSubject(failure, .statement) == subject)
  }

  @Test("an action that a policy leaves as proposed stays exactly what it was")
  func proposals() {
    let actions: [ErrorAction] = [
      .repeatTransaction, .lookAndRepeat, .refreshCatalog, .reconnect, .refreshToken, .split, .replaySerially,
      .isolate(.size), .stop,
    ]

    #expect(Set(actions.map(Disposition.init)) == Set(Disposition.allCases))
  }

  @Test("a refused connect is tried again if the policy says so, and the other way round")
  func connecting() throws {
    let stopped = try RefusingServer(.init(state: "28P01", message: "password authentication failed"))
    let passing = try RefusingServer(.init(state: "57P03", message: "the database system is starting up"))

    let patient = #expect(throws: Failure.self) {
      try Connection(stopped.settings(policy: Always(connection: .reconnect)))
    }
    let strict = #expect(throws: Failure.self) { try Connection(passing.settings(policy: Always(connection: .stop))) }

    #expect(patient?.isTransient == true)
    #expect(strict?.isTransient == false)
    #expect(strict?.hint.hasPrefix("The error policy says stop, where Penstock by itself would: reconnect.") == true)
  }

  @Test("what can't be done while connecting stops") func impossible() throws {
    let server = try RefusingServer(.init(state: "57P03", message: "the database system is starting up"))

    let failure = #expect(throws: Failure.self) { try Connection(server.settings(policy: Always(connection: .split))) }

    #expect(failure?.verdict == .stop)
    #expect(failure?.isTransient == false)
  }
}
