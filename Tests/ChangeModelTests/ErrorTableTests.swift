import ChangeModel
import Foundation
import Testing

@Suite("Every error has its action, budget and remedy")
struct ErrorTableTests {
  /// An error as a server words it, and what must be done about it.
  struct Answer: Sendable, CustomTestStringConvertible {
    var state: String?
    var text: String
    var phase = ErrorPhase.statement
    var action: ErrorAction
    var budget: ErrorBudget

    var testDescription: String { "\(state ?? "none") \(text) \(phase)" }
  }

  private static let conflicts = [
    Answer(
      state: "40001", text: "change conflicts with another transaction (OC000)", phase: .commit,
      action: .repeatTransaction, budget: .retry),
    Answer(
      state: "40001", text: "schema has been updated by another transaction (OC001)", action: .refreshCatalog,
      budget: .retry),
    Answer(state: "40P01", text: "deadlock detected", action: .repeatTransaction, budget: .retry),
    Answer(state: "40003", text: "statement completion unknown", action: .repeatTransaction, budget: .retry),
    Answer(state: "55P03", text: "canceling statement due to lock timeout", action: .repeatTransaction, budget: .retry),
    Answer(state: "XX000", text: "server unavailable", phase: .commit, action: .lookAndRepeat, budget: .retry),
    Answer(state: "57014", text: "canceling statement due to user request", action: .lookAndRepeat, budget: .retry),
    Answer(state: "23505", text: "duplicate key value", action: .replaySerially, budget: .retry),
    Answer(
      state: "23505", text: "duplicate key value \"pg_type_typname\"", phase: .definition, action: .repeatTransaction,
      budget: .retry),
  ]

  private static let limits = [
    Answer(state: "54000", text: "transaction row limit exceeded", action: .split, budget: .oneRow),
    Answer(
      state: "54000", text: "transaction size limit 10mb exceeded", phase: .commit, action: .split, budget: .oneRow),
    Answer(
      state: "54000", text: "transaction age limit of 300s exceeded", phase: .commit, action: .split, budget: .oneRow),
    Answer(
      state: "54000", text: "query requires more than allowed temp space of 131072 KB to execute", action: .split,
      budget: .oneRow),
    Answer(state: "53200", text: "query requires too much temp space", action: .split, budget: .oneRow),
    Answer(state: "54000", text: "maximum row size exceeded", action: .isolate(.size), budget: .deadLetters),
    Answer(state: "54000", text: "maximum column size exceeded", action: .isolate(.size), budget: .deadLetters),
    Answer(
      state: "54000", text: "datatype limit greater than 1048576 bytes not supported for text",
      action: .isolate(.size), budget: .deadLetters),
    Answer(state: "54000", text: "key size too large", action: .isolate(.size), budget: .deadLetters),
    Answer(
      state: "54000", text: "index row size 2800 exceeds btree version 4 maximum 2704", action: .isolate(.size),
      budget: .deadLetters),
    Answer(state: "54011", text: "tables can have at most 255 columns", action: .stop, budget: .none),
  ]

  private static let rows = [
    Answer(state: "22001", text: "value too long", action: .isolate(.data), budget: .deadLetters),
    Answer(state: "22P02", text: "invalid input syntax", action: .isolate(.data), budget: .deadLetters),
    Answer(state: "23502", text: "null value", action: .isolate(.constraint), budget: .deadLetters),
    Answer(state: "23514", text: "violates check constraint", action: .isolate(.constraint), budget: .deadLetters),
    Answer(state: "23503", text: "foreign key", phase: .commit, action: .isolate(.constraint), budget: .deadLetters),
  ]

  private static let sessions = [
    Answer(state: nil, text: "server closed the connection unexpectedly", action: .reconnect, budget: .retry),
    Answer(state: nil, text: "SSL SYSCALL error: EOF detected", phase: .commit, action: .reconnect, budget: .retry),
    Answer(state: "08006", text: "connection failure", action: .reconnect, budget: .retry),
    Answer(
      state: "08006", text: "unable to accept connection, access denied", action: .stop, budget: .none),
    Answer(state: "08P01", text: "invalid message length", action: .stop, budget: .none),
    Answer(state: "57P01", text: "terminating connection", phase: .commit, action: .reconnect, budget: .retry),
    Answer(state: "53300", text: "too many connections", action: .reconnect, budget: .retry),
    Answer(state: "53400", text: "rate exceeded", action: .lookAndRepeat, budget: .retry),
  ]

  private static let refusedConnects: [(String, ErrorAction, ErrorBudget)] = [
    (
      "FATAL:  unable to accept connection, access denied\nHINT:  Signature expired: …", .refreshToken, .once
    ),
    (
      "FATAL:  unable to accept connection, access denied\nHINT:  Wrong user to action mapping. user: admin, action: DbConnect",
      .stop, .none
    ),
    ("FATAL:  IAM authentication failed for user \"x\"", .stop, .none),
    ("FATAL:  unable to accept connection, waking up cluster, please retry later", .reconnect, .retry),
    ("FATAL:  Unable to accept connection, too many open connections.", .reconnect, .retry),
    ("FATAL:  Unable to accept connection, rate exceeded.", .reconnect, .retry),
    ("FATAL:  unable to accept connection, sni was not received", .stop, .none),
    ("FATAL:  setting configuration parameter \"x\" not supported", .stop, .none),
    ("FATAL:  the database system is starting up", .reconnect, .retry),
    ("FATAL:  sorry, too many clients already", .reconnect, .retry),
    ("FATAL:  database \"x\" does not exist", .stop, .none), ("FATAL:  nobody knows this one", .stop, .none),
    ("connection to server failed: Connection refused", .reconnect, .retry),
    ("server closed the connection unexpectedly", .reconnect, .retry),
    ("SSL error: unexpected eof", .reconnect, .retry),
    ("SSL error: certificate verify failed", .stop, .none),
  ]
  private static let connecting = refusedConnects.map {
    Answer(state: nil, text: $0.0, phase: .connect, action: $0.1, budget: $0.2)
  }

  private static let refusals = [
    "42501", "42P01", "42703", "0A000", "25P02", "53100", "3D000", "P0001", "58030", "F0000",
  ]
  .map { Answer(state: $0, text: "no", action: .stop, budget: .none) }

  @Test("by SQLSTATE, text and phase", arguments: conflicts + limits + rows + sessions + connecting + refusals)
  func rule(answer: Answer) {
    let rule = ErrorTable.rule(answer.state.map { SQLState($0) }, answer.text, in: answer.phase)

    #expect(rule.action == answer.action)
    #expect(rule.budget == answer.budget)
    #expect(rule.remedy.hasSuffix(".") || rule.remedy.hasSuffix("source."))
  }

  @Test("no row is hidden behind an earlier one")
  func reachable() {
    for (index, rule) in ErrorTable.all.enumerated() {
      let states: [SQLState?] =
        switch rule.states {
        case .any, .none: [nil]
        case .these(let patterns): patterns.map { $0.code.count == 2 ? SQLState($0.code + "Z9Z") : $0 }
        }
      let isReached = rule.phases.contains { phase in
        states.contains { ErrorTable.rule($0, rule.texts.first ?? "", in: phase) == rule }
      }
      // What is left for the last one has a state that no other knows.
      #expect(isReached || rule == ErrorTable.unknown, "row \(index): \(rule)")
    }
    #expect(ErrorTable.all.last == ErrorTable.unknown)
  }

  @Test("docs/errors.md is the table")
  func page() throws {
    let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent()
    let page = try String(contentsOf: root.appendingPathComponent("docs/errors.md"), encoding: .utf8)

    #expect(page.hasSuffix(ErrorTable.markdown), "\(ErrorTable.markdown)")
  }
}
